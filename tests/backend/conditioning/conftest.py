"""The tokenizer, read once."""

import pytest

from backend.prompts.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer()

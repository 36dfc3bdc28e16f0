"""Small LoRA files that the tests of the patcher share."""

from pathlib import Path

import pytest

from tests.backend.networks.small import FC1, TO_Q, SmallModel, lora_parts, whole_lora, write_lora


@pytest.fixture(scope="module")
def ink(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_lora(tmp_path_factory.mktemp("lora") / "ink.safetensors")


@pytest.fixture(scope="module")
def oil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_lora(tmp_path_factory.mktemp("lora") / "oil.safetensors", seed=500, rank=3, alpha=None)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For two modules only."""
    modules = {name: lora_parts(tuple(SmallModel().weight(name).shape), seed=900) for name in (TO_Q, FC1)}
    return write_lora(tmp_path_factory.mktemp("lora") / "narrow.safetensors", modules)

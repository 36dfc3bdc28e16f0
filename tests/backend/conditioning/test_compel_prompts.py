from typing import Any

import pytest
import torch
from compel import Compel
from transformers import CLIPTokenizer

from backend.conditioning.compel_prompts import CompelEncoded, encode_compel
from backend.conditioning.text_encoder import Recipe
from backend.conditioning.textual_inversion import Embedding
from backend.prompts.embedding_index import EmbeddingIndex
from backend.prompts.tokenizer import VOCABULARY, Tokenizer
from tests.backend.conditioning.models import encoder

RECIPE = Recipe(key="", layer=1, normed=True)


def encoded(text: str, tokenizer: Tokenizer) -> CompelEncoded:
    return encode_compel(text, [(encoder(), RECIPE)], tokenizer, EmbeddingIndex((), tokenizer), torch.device("cpu"))


@pytest.fixture(scope="module")
def compel() -> Compel:
    tokenizer: Any = CLIPTokenizer(vocab=str(VOCABULARY / "vocab.json"), merges=str(VOCABULARY / "merges.txt"), model_max_length=77)
    module: Any = encoder()
    return Compel(tokenizer=tokenizer, text_encoder=module, truncate_long_prompts=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a cat++ on a (red sofa)1.3",
        "a (blue)0.5 cat--",
        '("a cat","a red sofa").and(1,0.5)',
        '("a cat","a dog").blend(0.7,0.3)',
        '("a cat","a dog").blend(1,-0.3,no_normalize)',
        "red cat, " * 40 + "(blue dog)1.4",
    ],
)
def test_prompts_mean_what_compel_says(text: str, tokenizer: Tokenizer, compel: Compel):
    torch.testing.assert_close(encoded(text, tokenizer).cross, compel(text))


def test_what_cannot_be_parsed_is_plain_text_with_a_comment(tokenizer: Tokenizer):
    done = encoded('("a cat", "dog").blend(1)', tokenizer)
    assert done.cross.shape == (1, 77, 64)
    assert "plain text" in done.comments[0]


def test_operators_without_a_counterpart_are_told(tokenizer: Tokenizer):
    assert ".swap()" in encoded("a cat.swap(dog)", tokenizer).comments[0]
    assert "<lora:" in encoded("a cat withLora(ink, 0.5)", tokenizer).comments[0]


def test_the_pooled_vector_is_that_of_the_first_text_without_weights(tokenizer: Tokenizer):
    recipe = Recipe(key="", layer=2, normed=False, pooled=True, zero_padding=True)
    index: EmbeddingIndex[Embedding] = EmbeddingIndex((), tokenizer)
    plain, weighted = (
        encode_compel(text, [(encoder(1, projected=True), recipe)], tokenizer, index, torch.device("cpu")).pooled
        for text in ("a red cat", '("a (red)1.5 cat", "dog").and()')
    )
    assert plain is not None and weighted is not None
    torch.testing.assert_close(plain, weighted)

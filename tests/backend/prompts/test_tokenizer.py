import pytest

from backend.prompts.tokenizer import Tokenizer, clean

CASES = {
    "": [],
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "A PHOTO Of A Cat": [320, 1125, 539, 320, 2368],
    "   a \n\t cat   ": [320, 2368],
    "don't": [847, 713],
    "cat, 12 1.5!!": [2368, 267, 272, 273, 272, 269, 276, 748],
    "<|endoftext|>": [49407],
}


@pytest.mark.parametrize(("text", "ids"), CASES.items())
def test_ids_are_those_of_clip(tokenizer: Tokenizer, text: str, ids: list[int]):
    assert tokenizer.encode(text) == ids


@pytest.mark.parametrize("text", ["ein Foto von Käse, 猫, naïve café 🙂", "👨‍👩‍👧 日本語のテスト", "I'LL it's ΣΑΣ İ", "a_b-c...d\\e", "e\u0301 \u00a0x"])
def test_ids_are_those_of_transformers(tokenizer: Tokenizer, text: str):
    from transformers import CLIPTokenizer

    from backend.prompts.tokenizer import VOCABULARY

    reference = CLIPTokenizer(vocab=str(VOCABULARY / "vocab.json"), merges=str(VOCABULARY / "merges.txt"))
    lowered = text.lower()  # Python's, as the tokenizer that A1111 uses; the fast one lowers a final sigma otherwise
    assert tokenizer.encode(text) == reference(lowered, add_special_tokens=False)["input_ids"]


def test_typographic_characters_are_read_as_plain_ones():
    assert clean("Don\u2019t \u201cfl\ufb02\u201d \uff21\u3000b &amp; c") == 'don\'t "flfl" a b & c'
    assert clean("a &amp; <b>") == "a &amp; <b>"


def test_special_tokens_and_the_comma_are_known(tokenizer: Tokenizer):
    assert (tokenizer.start, tokenizer.end, tokenizer.comma) == (49406, 49407, 267)


def test_tokens_are_spelled_as_in_the_vocabulary(tokenizer: Tokenizer):
    assert tokenizer.tokens(tokenizer.encode("a cat")) == ["a</w>", "cat</w>"]


def test_bracket_tokens_of_the_first_emphasis_have_their_factors(tokenizer: Tokenizer):
    brackets = tokenizer.brackets
    assert brackets[tokenizer.vocabulary["(</w>"]] == pytest.approx(1.1)
    assert brackets[tokenizer.vocabulary["))</w>"]] == pytest.approx(1 / 1.21)
    assert tokenizer.vocabulary["()</w>"] not in brackets

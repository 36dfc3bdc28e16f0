from dataclasses import dataclass

from backend.prompts.embedding_index import EmbeddingIndex
from backend.prompts.tokenizer import Tokenizer


@dataclass(frozen=True)
class Word:
    name: str
    vectors: int = 1


def test_the_longest_name_wins(tokenizer: Tokenizer):
    short, long = Word("ink"), Word("ink-style")
    index = EmbeddingIndex([short, long], tokenizer)
    tokens = tokenizer.encode("an ink-style, ink")
    assert index.find(tokens, 0) is None
    assert index.find(tokens, 1) == (long, 3)
    assert index.find(tokens, 5) == (short, 1)


def test_case_does_not_matter_and_nothing_is_found_past_the_end(tokenizer: Tokenizer):
    word = Word("TI-pt")
    index = EmbeddingIndex([word], tokenizer)
    assert index.find(tokenizer.encode("ti-PT"), 0) == (word, 3)
    assert index.find(tokenizer.encode("ti-"), 0) is None


def test_a_name_is_found_at_the_end_of_a_longer_word_as_in_a1111(tokenizer: Tokenizer):
    word = Word("ti-pt")
    tokens = tokenizer.encode("xti-pt")
    assert EmbeddingIndex([word], tokenizer).find(tokens, 1) == (word, 3)

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from backend.prompts.chunks import Chunk, chunk_prompt, chunk_prompt_old, empty_chunk
from backend.prompts.embedding_index import EmbeddingIndex
from backend.prompts.tokenizer import CHUNK, Tokenizer


@dataclass(frozen=True)
class Word:
    name: str
    vectors: int


CAT = 2368
NONE: tuple[Word, ...] = ()


def chunks_of(text: str, tokenizer: Tokenizer, embeddings: Sequence[Word] = NONE, **options) -> tuple[Chunk[Word], ...]:
    return chunk_prompt(text, tokenizer, EmbeddingIndex(embeddings, tokenizer), **options)[0]


def count_of(text: str, tokenizer: Tokenizer, embeddings: Sequence[Word] = NONE) -> int:
    return chunk_prompt(text, tokenizer, EmbeddingIndex(embeddings, tokenizer))[1]


def words(chunk: Chunk, tokenizer: Tokenizer) -> int:
    """Tokens before the padding."""
    return chunk.tokens.index(tokenizer.end) - 1


def test_an_empty_prompt_is_one_chunk_of_padding(tokenizer: Tokenizer):
    (chunk,) = chunks_of("", tokenizer)
    assert chunk == empty_chunk(tokenizer)
    assert len(chunk.tokens) == len(chunk.weights) == CHUNK + 2
    assert count_of("", tokenizer) == 0


def test_75_tokens_fill_one_chunk_and_one_more_opens_the_next(tokenizer: Tokenizer):
    assert [words(chunk, tokenizer) for chunk in chunks_of("cat " * 75, tokenizer)] == [75]
    assert [words(chunk, tokenizer) for chunk in chunks_of("cat " * 76, tokenizer)] == [75, 1]
    assert count_of("cat " * 75, tokenizer) == 75
    assert count_of("cat " * 76, tokenizer) == 76


def test_weights_lie_on_their_tokens(tokenizer: Tokenizer):
    (chunk,) = chunks_of("a (cat:1.5)", tokenizer)
    assert chunk.tokens[:4] == (tokenizer.start, 320, CAT, tokenizer.end)
    assert chunk.weights[:4] == (1.0, 1.0, 1.5, 1.0)


def test_literal_prompts_keep_their_brackets(tokenizer: Tokenizer):
    (chunk,) = chunks_of("(cat:1.5)", tokenizer, literal=True)
    assert words(chunk, tokenizer) > 1
    assert set(chunk.weights) == {1.0}


def test_break_closes_a_chunk(tokenizer: Tokenizer):
    assert [words(chunk, tokenizer) for chunk in chunks_of("a cat BREAK dog", tokenizer)] == [2, 1]
    assert [words(chunk, tokenizer) for chunk in chunks_of("BREAK a cat BREAK BREAK dog BREAK", tokenizer)] == [0, 2, 0, 1]
    assert count_of("a cat BREAK dog", tokenizer) == 76


@pytest.mark.parametrize(("after", "backtrack", "expected"), [(20, 20, [56, 20]), (21, 20, [75, 1]), (21, 60, [55, 21]), (5, 0, [75, 1])])
def test_what_follows_a_near_comma_moves_to_the_next_chunk(tokenizer: Tokenizer, after: int, backtrack: int, expected: list[int]):
    text = "cat " * (75 - after) + ", " + "cat " * after  # 76 tokens: the last does not fit
    assert [words(chunk, tokenizer) for chunk in chunks_of(text, tokenizer, comma_backtrack=backtrack)] == expected


def test_a_comma_that_does_not_fit_opens_the_next_chunk(tokenizer: Tokenizer):
    chunks = chunks_of("cat , " + "cat " * 73 + ", cat", tokenizer)
    assert [words(chunk, tokenizer) for chunk in chunks] == [75, 2]


def test_an_embedding_takes_as_many_places_as_it_has_vectors(tokenizer: Tokenizer):
    ink = Word("ink-style", 4)
    (chunk,) = chunks_of("a (INK-style:1.5) cat", tokenizer, [ink])
    assert chunk.tokens[:8] == (tokenizer.start, 320, 0, 0, 0, 0, CAT, tokenizer.end)
    assert chunk.weights[2:7] == (1.5, 1.5, 1.5, 1.5, 1.0)
    assert chunk.embeddings == ((2, ink),)


def test_an_embedding_that_does_not_fit_opens_a_chunk(tokenizer: Tokenizer):
    ink = Word("ink", 4)
    first, second = chunks_of("cat " * 72 + "ink", tokenizer, [ink])
    assert words(first, tokenizer) == 72
    assert second.embeddings == ((1, ink),)


def test_the_first_emphasis_counts_brackets_and_cuts_the_rest_off(tokenizer: Tokenizer):
    index = EmbeddingIndex(NONE, tokenizer)
    chunk, cut = chunk_prompt_old("a ((cat)) x", tokenizer, index)
    assert chunk.tokens[:5] == (tokenizer.start, 320, CAT, tokenizer.encode("x")[0], tokenizer.end)
    assert chunk.weights[1:4] == pytest.approx((1.0, 1.21, 1.0))
    assert cut == 0
    chunk, cut = chunk_prompt_old("cat " * 80, tokenizer, index)
    assert (len(chunk.tokens), cut) == (CHUNK + 2, 5)

"""A prompt → chunks of 75 tokens with weights: BREAK, the comma backtrack, places for textual inversions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from backend.prompts.attention import BREAK, parse_attention
from backend.prompts.embedding_index import E, EmbeddingIndex
from backend.prompts.tokenizer import CHUNK, Tokenizer


@dataclass(frozen=True)
class Chunk(Generic[E]):
    """One run of the text encoder: 77 tokens with start and end, padded with end tokens."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    embeddings: tuple[tuple[int, E], ...] = ()  # (place of the first vector in tokens, whose ids there are 0; the embedding)


def chunk_prompt(
    text: str, tokenizer: Tokenizer, index: EmbeddingIndex[E], *, literal: bool = False, comma_backtrack: int = 20
) -> tuple[tuple[Chunk[E], ...], int]:
    """At least one chunk, and the number of tokens, padding before the last chunk included. `literal`: brackets are text (emphasis "None")."""
    pieces = [(text, 1.0)] if literal else parse_attention(text)
    chunker = _Chunker(tokenizer, comma_backtrack)
    for piece, weight in pieces:
        if (piece, weight) == BREAK:
            chunker.finish()
        else:
            _add(chunker, tokenizer.encode(piece), weight, index)
    if chunker.tokens or not chunker.chunks:
        chunker.finish(last=True)
    return tuple(chunker.chunks), chunker.count


def empty_chunk(tokenizer: Tokenizer) -> Chunk:
    """What a shorter prompt is filled up with."""
    return Chunk((tokenizer.start, *[tokenizer.end] * (CHUNK + 1)), (1.0,) * (CHUNK + 2))


def _add(chunker: "_Chunker[E]", tokens: Sequence[int], weight: float, index: EmbeddingIndex[E]) -> None:
    position = 0
    while position < len(tokens):
        chunker.make_room(tokens[position])
        found = index.find(tokens, position)
        if found:
            chunker.add_embedding(found[0], weight)
        else:
            chunker.add(tokens[position], weight)
        position += found[1] if found else 1


class _Chunker(Generic[E]):
    """The chunk that is being filled, and those that are full."""

    def __init__(self, tokenizer: Tokenizer, comma_backtrack: int) -> None:
        self._tokenizer = tokenizer
        self._backtrack = comma_backtrack
        self.chunks: list[Chunk[E]] = []
        self.count = 0
        self._clear()

    def _clear(self) -> None:
        self.tokens: list[int] = []
        self._weights: list[float] = []
        self._embeddings: list[tuple[int, E]] = []
        self._last_comma: int | None = None

    def make_room(self, token: int) -> None:
        """In a full chunk what follows a near comma moves on to the next. As in A1111 an embedding's place doesn't move with its tokens."""
        full = len(self.tokens) == CHUNK
        if token == self._tokenizer.comma:
            self._last_comma = len(self.tokens)
        elif full and self._last_comma is not None and self._backtrack and CHUNK - self._last_comma <= self._backtrack:
            keep = self._last_comma + 1
            tokens, weights = self.tokens[keep:], self._weights[keep:]
            self.tokens, self._weights = self.tokens[:keep], self._weights[:keep]
            self.finish()
            self.tokens, self._weights = tokens, weights
        if len(self.tokens) == CHUNK:
            self.finish()

    def add(self, token: int, weight: float) -> None:
        self.tokens.append(token)
        self._weights.append(weight)

    def add_embedding(self, embedding: E, weight: float) -> None:
        if len(self.tokens) + embedding.vectors > CHUNK:
            self.finish()
        self._embeddings.append((len(self.tokens) + 1, embedding))
        self.tokens += [0] * embedding.vectors
        self._weights += [weight] * embedding.vectors

    def finish(self, *, last: bool = False) -> None:
        self.count += len(self.tokens) if last else CHUNK
        padding = CHUNK - len(self.tokens)
        tokens = (self._tokenizer.start, *self.tokens, *[self._tokenizer.end] * (padding + 1))
        weights = (1.0, *self._weights, *[1.0] * (padding + 1))
        self.chunks.append(Chunk(tokens[: CHUNK + 2], weights[: CHUNK + 2], tuple(self._embeddings)))
        self._clear()


def chunk_prompt_old(text: str, tokenizer: Tokenizer, index: EmbeddingIndex[E]) -> tuple[Chunk[E], int]:
    """A1111's first emphasis: one chunk, the rest is cut off; the second value says how many tokens that were."""
    tokens = tokenizer.encode(text)
    ids: list[int] = []
    weights: list[float] = []
    embeddings: list[tuple[int, E]] = []
    weight, position = 1.0, 0
    while position < len(tokens):
        token, found, length = tokens[position], index.find(tokens, position), 1
        if token in tokenizer.brackets:
            weight *= tokenizer.brackets[token]
        elif found:
            embedding, length = found
            embeddings.append((len(ids) + 1, embedding))
            ids += [0] * embedding.vectors
            weights += [weight] * embedding.vectors
        else:
            ids.append(token)
            weights.append(weight)
        position += length
    cut = max(0, len(ids) - CHUNK)
    padding = CHUNK - len(ids) + cut
    padded = (tokenizer.start, *ids[:CHUNK], *[tokenizer.end] * (padding + 1))
    return Chunk(padded, (1.0, *weights[:CHUNK], *[1.0] * (padding + 1)), tuple(embeddings)), cut

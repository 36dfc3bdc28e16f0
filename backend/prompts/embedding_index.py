"""Names of textual inversions found among the tokens of a prompt: the longest name that fits, whatever its case."""

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from backend.prompts.tokenizer import Tokenizer


class Named(Protocol):
    """A textual inversion: its name, and how many tokens its vectors take."""

    @property
    def name(self) -> str: ...
    @property
    def vectors(self) -> int: ...


E = TypeVar("E", bound=Named)


class EmbeddingIndex(Generic[E]):
    """Names as token ids. As in A1111 a name is also found inside a longer word where the tokens happen to agree ("xti" in "x ti")."""

    def __init__(self, embeddings: Iterable[E], tokenizer: Tokenizer) -> None:
        self._by_first: dict[int, list[tuple[tuple[int, ...], E]]] = {}
        for embedding in embeddings:
            if ids := tuple(tokenizer.encode(embedding.name)):
                self._by_first.setdefault(ids[0], []).append((ids, embedding))
        for candidates in self._by_first.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))

    def find(self, tokens: Sequence[int], position: int) -> tuple[E, int] | None:
        """The embedding whose name starts at this position, and how many tokens the name has."""
        for ids, embedding in self._by_first.get(tokens[position], ()):
            if tuple(tokens[position : position + len(ids)]) == ids:
                return embedding, len(ids)
        return None

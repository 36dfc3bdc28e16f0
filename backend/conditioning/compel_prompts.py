"""Emphasis "Compel": the compel package's own syntax – word++, (a b)1.2, ("a", "b").and(), ("a", "b").blend(0.7, 0.3) – on our text encoders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from backend.conditioning.text_encoder import Recipe, encode
from backend.conditioning.textual_inversion import Embedding
from backend.prompts.embedding_index import EmbeddingIndex
from backend.prompts.tokenizer import CHUNK, Tokenizer

Encoders = Sequence[tuple[Module, Recipe]]

_FIRST_VECTOR = 1 << 20  # ids from here on stand for vectors of textual inversions


@dataclass(frozen=True, eq=False)
class CompelEncoded:
    """One text."""

    cross: Tensor  # (1, 77·chunks, width)
    pooled: Tensor | None  # (1, P)
    used: tuple[Embedding, ...]
    comments: tuple[str, ...]


def encode_compel(text: str, encoders: Encoders, tokenizer: Tokenizer, index: EmbeddingIndex[Embedding], device: torch.device) -> CompelEncoded:
    """A text that compel can't parse is taken as it is, with a comment."""
    words = _Words(tokenizer, index, device)
    conjunction, comments = _parsed(text)
    crosses = [_conjunction(conjunction, _provider(encoder, recipe, words)) for encoder, recipe in encoders]
    pooled = [_pooled(conjunction, encoder, recipe, words) for encoder, recipe in encoders if recipe.pooled]
    return CompelEncoded(torch.cat(crosses, dim=-1), pooled[0] if pooled else None, tuple(words.embeddings), comments)


def _parsed(text: str) -> tuple[Any, tuple[str, ...]]:
    """compel's Conjunction of FlattenedPrompts and Blends."""
    from compel.prompt_parser import Conjunction, FlattenedPrompt, PromptParser  # slow to import, and only wanted in this mode
    from pyparsing import ParseBaseException

    try:
        conjunction = PromptParser().parse_conjunction(text)
    except (ParseBaseException, PromptParser.ParsingException, ValueError, IndexError) as error:
        return Conjunction([FlattenedPrompt([(text, 1.0)])]), (f"Compel can't read this prompt, so it is taken as plain text: {error}",)
    if not conjunction.prompts:
        conjunction = Conjunction([FlattenedPrompt([("", 1.0)])])
    comments = ["Compel's withLora() is not used here: write <lora:name:weight>."] if conjunction.lora_weights else []
    if any(getattr(prompt, "wants_cross_attention_control", False) for prompt in conjunction.prompts):
        comments.append("Compel's .swap() is not supported: the first text is used.")
    return conjunction, tuple(comments)


def _conjunction(conjunction: Any, provider: Any) -> Tensor:
    """(1, 77·chunks, W): the parts one after the other, each drawn towards the empty prompt by its weight."""
    parts = []
    for prompt, weight in zip(conjunction.prompts, conjunction.weights, strict=True):
        z = _prompt(prompt, provider)
        if weight != 1:
            empty = _filled([provider.empty_z], z.shape[1], provider)[0]
            z = empty + (z - empty) * weight
        parts.append(z)
    return torch.cat(parts, dim=1)


def _prompt(prompt: Any, provider: Any) -> Tensor:
    if not hasattr(prompt, "prompts"):
        return _fragments(prompt, provider)
    parts = [_fragments(part, provider) for part in prompt.prompts]
    parts = _filled(parts, max(part.shape[1] for part in parts), provider)
    return provider.apply_embedding_weights(torch.cat(parts)[None], prompt.weights, normalize=prompt.normalize_weights)


def _fragments(prompt: Any, provider: Any) -> Tensor:
    pieces = list(_pieces(prompt))
    texts, weights = [text for text, _ in pieces], [weight for _, weight in pieces]
    return provider.get_embeddings_for_weighted_prompt_fragments([texts], [weights], device=provider.device)


def _pieces(prompt: Any) -> list[tuple[str, float]]:
    """Text and weight; of a .swap() the first side."""
    fragments = [part for child in prompt.children for part in getattr(child, "original", [child])]
    return [(fragment.text, fragment.weight) for fragment in fragments]


def _filled(parts: Sequence[Tensor], length: int, provider: Any) -> list[Tensor]:
    empty = provider.empty_z
    return [torch.cat([part, *[empty] * ((length - part.shape[1]) // empty.shape[1])], dim=1) for part in parts]


def _pooled(conjunction: Any, encoder: Module, recipe: Recipe, words: "_Words") -> Tensor | None:
    """Of the first chunk of the first prompt, without weights, as compel does."""
    first = conjunction.prompts[0]
    text = " ".join(piece for piece, _ in _pieces(first.prompts[0] if hasattr(first, "prompts") else first))
    ids = words.encode(text)[:CHUNK]
    row = [words.start, *ids, *[words.end] * (CHUNK + 1 - len(ids))]
    return words.run(encoder, recipe, row, None)[1]


class _Words:
    """Our tokenizer with textual inversions, in the shape of a transformers tokenizer."""

    def __init__(self, tokenizer: Tokenizer, index: EmbeddingIndex[Embedding], device: torch.device) -> None:
        self.device = device
        self._tokenizer = tokenizer
        self._index = index
        self._vectors: list[tuple[Embedding, int]] = []
        self._first: dict[Embedding, int] = {}
        self.start, self.end = tokenizer.start, tokenizer.end
        self.bos_token_id, self.eos_token_id, self.pad_token_id = self.start, self.end, self.end
        self.model_max_length = CHUNK + 2

    @property
    def embeddings(self) -> tuple[Embedding, ...]:
        return tuple(self._first)

    def __call__(self, texts: Sequence[str], **_: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [[self.start, *self.encode(text), self.end] for text in texts]}

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        return [self._tokenizer.tokens([i])[0] if i < _FIRST_VECTOR else "</w>" for i in ids]

    def encode(self, text: str) -> list[int]:
        tokens = self._tokenizer.encode(text)
        ids: list[int] = []
        position = 0
        while position < len(tokens):
            found = self._index.find(tokens, position)
            ids += self._ids(found[0]) if found else [tokens[position]]
            position += found[1] if found else 1
        return ids

    def _ids(self, embedding: Embedding) -> range:
        if embedding not in self._first:
            self._first[embedding] = _FIRST_VECTOR + len(self._vectors)
            self._vectors += [(embedding, i) for i in range(embedding.vectors)]
        first = self._first[embedding]
        return range(first, first + embedding.vectors)

    def run(self, encoder: Module, recipe: Recipe, ids: Sequence[int], mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Hidden states (1, 77, W) and pooled (1, P)."""
        vectors = [(place, self._vectors[i - _FIRST_VECTOR]) for place, i in enumerate(ids) if i >= _FIRST_VECTOR]
        places = [(place, embedding.vectors_for(recipe.key)[row][None]) for place, (embedding, row) in vectors]
        return encode(encoder, [[i if i < _FIRST_VECTOR else 0 for i in ids]], [places], recipe, device=self.device, end=self.end, mask=mask)


def _provider(encoder: Module, recipe: Recipe, words: _Words) -> Any:
    """compel's weighting, with our way of running the text encoder under it; long prompts go on in further chunks."""
    from compel.embeddings_provider import EmbeddingsProvider, SplitLongTextMode  # slow to import, and only wanted in this mode

    class Provider(EmbeddingsProvider):
        def _encode_token_ids_to_embeddings(self, token_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
            return words.run(encoder, recipe, token_ids[0].tolist(), attention_mask)[0]

    split = SplitLongTextMode.SENTENCES  # Compel's own default
    return Provider(tokenizer=words, text_encoder=_Placed(words.device), truncate=False, split_long_text_mode=split)  # pyright: ignore[reportArgumentType]  # both are duck-typed


class _Placed:
    """Where the results shall lie, which is all that compel then asks of a text encoder."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.dtype = torch.float32

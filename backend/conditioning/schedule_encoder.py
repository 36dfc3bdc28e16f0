"""One prompt, with all the texts that editing makes of it, → tensors: chunks, encoders, emphasis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import Module

from backend.conditioning.compel_prompts import CompelEncoded, encode_compel
from backend.conditioning.emphasis import EMPHASIS
from backend.conditioning.text_encoder import Recipe, encode, recipes
from backend.conditioning.textual_inversion import Embedding, Fitting
from backend.job import ConditioningOptions
from backend.prompts.chunks import Chunk, chunk_prompt, chunk_prompt_old, empty_chunk
from backend.prompts.tokenizer import CHUNK, Tokenizer


class Architecture(Protocol):
    @property
    def family(self) -> str: ...


class Placement(Protocol):
    @property
    def device(self) -> torch.device: ...


class TextModel(Protocol):
    """What conditioning needs of a loaded checkpoint."""

    @property
    def architecture(self) -> Architecture: ...
    @property
    def text_encoders(self) -> Sequence[Module]: ...
    @property
    def placement(self) -> Placement: ...


@dataclass(frozen=True, eq=False)
class EncodedTexts:
    """The V different texts of a schedule, encoded."""

    cross: Tensor  # (V, 77·chunks, width) float32
    pooled: Tensor | None  # (V, P) float32, where the family has it
    used: tuple[Embedding, ...] = ()  # one entry per encoder and embedding, as A1111 lists them
    comments: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.cross, self.pooled) if tensor is not None)


@dataclass(frozen=True)
class _Chunked:
    """A text in chunks."""

    chunks: tuple[Chunk[Embedding], ...]
    comments: tuple[str, ...] = ()


class ScheduleEncoder:
    """Encodes for one model under one set of options."""

    def __init__(self, model: TextModel, options: ConditioningOptions, tokenizer: Tokenizer, fitting: Fitting) -> None:
        self._encoders = tuple(zip(model.text_encoders, recipes(model.architecture.family, options), strict=True))
        self._device = model.placement.device
        self._options = options
        self._tokenizer = tokenizer
        self._fitting = fitting

    @torch.inference_mode()
    def encode(self, counts: Mapping[str, int]) -> EncodedTexts:
        """The texts of one schedule, and how often each occurs in it; they influence each other (emphasis "Original") and get the same length."""
        if self._options.emphasis == "Compel":
            return self._encode_compel(list(counts))
        chunked = [self._chunked(text) for text in counts]
        length = max(len(text.chunks) for text in chunked)
        filling = empty_chunk(self._tokenizer)
        grid = [[*text.chunks, *[filling] * (length - len(text.chunks))] for text in chunked]  # V × length
        encoded = [self._encode_grid(encoder, recipe, grid, torch.tensor(list(counts.values()))) for encoder, recipe in self._encoders]
        return EncodedTexts(
            cross=torch.cat([cross for cross, _ in encoded], dim=-1),
            pooled=next((pooled for _, pooled in encoded if pooled is not None), None),
            used=_used(grid) * len(self._encoders),
            comments=tuple(dict.fromkeys(comment for text in chunked for comment in text.comments)),
        )

    def _chunked(self, text: str) -> _Chunked:
        options, index = self._options, self._fitting.loaded
        comments = self._skipped(text)
        if options.old_emphasis:
            chunk, cut = chunk_prompt_old(text, self._tokenizer, index)
            warning = (f"The prompt is longer than {CHUNK} tokens: with the old emphasis the last {cut} are cut off.",) if cut else ()
            return _Chunked((chunk,), (*comments, *warning))
        chunks, _ = chunk_prompt(text, self._tokenizer, index, literal=options.emphasis == "None", comma_backtrack=options.comma_padding_backtrack)
        return _Chunked(chunks, comments)

    def _skipped(self, text: str) -> tuple[str, ...]:
        """Named embeddings that the model can't use."""
        tokens = self._tokenizer.encode(text)
        found = [self._fitting.skipped.find(tokens, i) for i in range(len(tokens))]
        return tuple(
            f"The textual inversion {match[0].name} is for another kind of model ({match[0].shape} wide): not used."
            for i, match in enumerate(found)
            if match and not self._fitting.loaded.find(tokens, i)
        )

    def _encode_grid(self, encoder: Module, recipe: Recipe, grid: Sequence[Sequence[Chunk[Embedding]]], counts: Tensor) -> tuple[Tensor, Tensor | None]:
        """(V, 77·length, W), and the pooled vectors (V, P) of the first chunks. Equal chunks are encoded once."""
        rows = {chunk: i for i, chunk in enumerate(dict.fromkeys(chunk for chunks in grid for chunk in chunks))}
        places = [[(position, embedding.vectors_for(recipe.key)) for position, embedding in chunk.embeddings] for chunk in rows]
        states, pooled = encode(encoder, [chunk.tokens for chunk in rows], places, recipe, device=self._device, end=self._tokenizer.end)
        emphasis = EMPHASIS[self._options.emphasis]
        columns = []
        for column in zip(*grid, strict=True):
            weights = torch.tensor([chunk.weights for chunk in column], device=states.device)
            columns.append(emphasis(states[[rows[chunk] for chunk in column]], weights, counts))
        firsts = [rows[chunks[0]] for chunks in grid]
        return torch.cat(columns, dim=1), None if pooled is None else pooled[firsts]

    def _encode_compel(self, texts: Sequence[str]) -> EncodedTexts:
        encoded = [self._compel(text) for text in texts]
        length = max(one.cross.shape[1] for one in encoded)
        filling = self._compel("").cross
        cross = [torch.cat([one.cross, *[filling] * ((length - one.cross.shape[1]) // filling.shape[1])], dim=1) for one in encoded]
        pooled = [one.pooled for one in encoded if one.pooled is not None]
        comments = [*(comment for text in texts for comment in self._skipped(text)), *(comment for one in encoded for comment in one.comments)]
        return EncodedTexts(
            cross=torch.cat(cross),
            pooled=torch.cat(pooled) if pooled else None,
            used=tuple(dict.fromkeys(embedding for one in encoded for embedding in one.used)) * len(self._encoders),
            comments=tuple(dict.fromkeys(comments)),
        )

    def _compel(self, text: str) -> CompelEncoded:
        return encode_compel(text, self._encoders, self._tokenizer, self._fitting.loaded, self._device)


def _used(grid: Sequence[Sequence[Chunk[Embedding]]]) -> tuple[Embedding, ...]:
    """In A1111's order: chunk by chunk, in each the texts one after the other."""
    return tuple(dict.fromkeys(embedding for column in zip(*grid, strict=True) for chunk in column for _, embedding in chunk.embeddings))

"""Chunks of tokens → hidden states of a CLIP text encoder; which layer counts for which family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from backend.job import ConditioningOptions

AT_ONCE = 16  # chunks in one run: a bound on memory, not on speed

Places = Sequence[tuple[int, Tensor]]  # (position in the 77, vectors (n, W)): textual inversion


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one text encoder of a family is used."""

    key: str  # its vectors in a textual inversion for two encoders
    layer: int  # hidden state, counted from the end: 1 = last
    normed: bool  # final layer norm on it
    pooled: bool = False  # its projected end token goes into the vector
    zero_padding: bool = False  # OpenCLIP was trained with 0 after the end token, OpenAI's CLIP with end tokens


_CLIP_L = Recipe(key="clip_l", layer=1, normed=True)
_CLIP_H = Recipe(key="clip_l", layer=2, normed=True, zero_padding=True)
_CLIP_L_XL = Recipe(key="clip_l", layer=2, normed=False)
_CLIP_G = Recipe(key="clip_g", layer=2, normed=False, pooled=True, zero_padding=True)
_RECIPES: Mapping[str, tuple[Recipe, ...]] = {
    "SD1": (_CLIP_L,),
    "SD2": (_CLIP_H,),
    "SDXL": (_CLIP_L_XL, _CLIP_G),
    "SDXL Refiner": (_CLIP_G,),
}


def recipes(family: str, options: ConditioningOptions) -> tuple[Recipe, ...]:
    """One per text encoder. Clip skip counts for SD1, and for SDXL's first encoder where the option says so; as in A1111 never for SD2."""
    first, *rest = _RECIPES[family]
    if family == "SD1" or (family == "SDXL" and options.sdxl_clip_l_skip):
        first = replace(first, layer=options.clip_skip)
    return first, *rest


def width(encoder: Module) -> int:
    """Of its token embeddings, which is what a textual inversion must fit."""
    return _body(encoder).embeddings.token_embedding.weight.shape[1]


def encode(
    encoder: Module, tokens: Sequence[Sequence[int]], places: Sequence[Places], recipe: Recipe, *, device: torch.device, end: int, mask: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Hidden states (N, T, W) and, where the recipe has it, the pooled vectors (N, P), both float32; tokens N × T. mask: (N, T), 0 = not looked at.

    Encoders may lie elsewhere until they are called, so the device is told."""
    ids = torch.tensor([_padded(row, end) if recipe.zero_padding else list(row) for row in tokens], device=device)  # (N, T)
    parts = []
    for some in (slice(i, i + AT_ONCE) for i in range(0, len(ids), AT_ONCE)):
        parts.append(_run(encoder, ids[some], places[some], recipe, None if mask is None else mask[some]))
    pooled = [part for _, part in parts if part is not None]
    return torch.cat([z for z, _ in parts]), torch.cat(pooled) if pooled else None


def _run(encoder: Module, ids: Tensor, places: Sequence[Places], recipe: Recipe, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    body = _body(encoder)
    hidden = body.embeddings(inputs_embeds=_with_vectors(body.embeddings.token_embedding(ids), places))  # (N, T, W)
    attention = _attention_mask(hidden, mask)
    layers = list(body.encoder.layers)
    kept = max(0, len(layers) + 1 - recipe.layer)
    for layer in layers[:kept]:
        hidden = layer(hidden, attention)
    z = body.final_layer_norm(hidden) if recipe.normed else hidden
    if not recipe.pooled:
        return z.float(), None
    for layer in layers[kept:]:
        hidden = layer(hidden, attention)
    ends = body.final_layer_norm(hidden)[torch.arange(len(ids), device=ids.device), ids.argmax(dim=-1)]  # the end token has the highest id
    return z.float(), encoder.get_submodule("text_projection")(ends).float()


def _body(encoder: Module) -> Any:
    """transformers puts a projection beside the text model instead of into it."""
    return getattr(encoder, "text_model", encoder)


def _padded(tokens: Sequence[int], end: int) -> list[int]:
    """0 after the first end token."""
    length = tokens.index(end) + 1 if end in tokens else len(tokens)
    return [*tokens[:length], *[0] * (len(tokens) - length)]


def _with_vectors(embedded: Tensor, places: Sequence[Places]) -> Tensor:
    for row, row_places in zip(embedded, places, strict=True):
        for position, vectors in row_places:
            room = len(row) - position
            row[position : position + len(vectors)] = vectors[:room].to(row)
    return embedded


def _attention_mask(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """(1 or N, 1, T, T), added to the attention's logits: 0 = may look, -inf = may not. A token sees itself and what stands before it."""
    length = hidden.shape[1]
    lowest = torch.finfo(hidden.dtype).min
    causal = torch.full((length, length), lowest, dtype=hidden.dtype, device=hidden.device).triu(1)[None, None]
    if mask is None:
        return causal
    hidden_tokens = (mask == 0).to(hidden.device)[:, None, None, :]
    return causal.masked_fill(hidden_tokens, lowest)

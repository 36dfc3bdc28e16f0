"""Kinds that turn the outputs of a weight: OFT (with its constraint: COFT), diag-OFT and BOFT."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.networks.parts import Parts, Shape, number

_ROTATIONS = "oft_diag"  # old LyCORIS: the blocks are the rotations themselves


@dataclass(frozen=True, eq=False)
class Blocks:
    """One small rotation after the other along the outputs: (…, n, b, b) with n · b = O.

    Cayley (Qiu et al. 2023): Q = P − Pᵀ, R = (I + Q)(I − Q)⁻¹. limit: the length of Q, per output, that is not gone beyond; 0 for none.
    """

    blocks: Tensor
    are_rotations: bool
    limit: float

    @classmethod
    def read(cls, parts: Parts) -> "Blocks | None":
        if _ROTATIONS in parts:
            return cls(parts[_ROTATIONS], True, 0.0) if "oft_blocks" not in parts else None
        return cls(parts["oft_blocks"], False, number(parts["alpha"]) if "alpha" in parts else 0.0) if "oft_blocks" in parts else None

    def fit(self, outputs: int, ndim: int) -> bool:
        blocks = self.blocks
        return blocks.ndim == ndim and blocks.numel() > 0 and blocks.shape[-1] == blocks.shape[-2] and blocks.shape[-3] * blocks.shape[-1] == outputs

    def turn(self, device: torch.device) -> Tensor:
        """R − I, float32. Small beside I, so it is computed as such, and in float64, since the inverse loses digits."""
        blocks = self.blocks.to(torch.float64)
        eye = torch.eye(blocks.shape[-1], dtype=blocks.dtype)
        if self.are_rotations:
            return (blocks - eye).to(device, torch.float32)
        q = blocks - blocks.transpose(-1, -2)
        limit, size = self.limit * blocks.shape[-3] * blocks.shape[-1], float(q.norm())
        if 0 < limit < size:
            q = q * (limit / size)
        return torch.linalg.solve(eye - q, 2 * q, left=False).to(device, torch.float32)  # (I + Q)(I − Q)⁻¹ − I


def _is_vector(tensor: Tensor | None, size: int) -> bool:
    return tensor is None or tensor.numel() == size


def _rescaled(change: Tensor, weight: Tensor, rescale: Tensor | None) -> Tensor:
    """(W + ΔW) · rescale − W, row by row."""
    if rescale is None:
        return change
    factor = rescale.reshape(-1, 1).to(weight)
    return change.mul_(factor).addcmul_(factor - 1, weight)


@dataclass(frozen=True, eq=False)
class OFT:
    """kohya's first OFT and LyCORIS' diag-OFT: W' = Rᵀ W, block by block, each output times `rescale`."""

    blocks: Blocks
    rescale: Tensor | None

    own = frozenset({"oft_blocks", _ROTATIONS, "rescale"})
    rank = None  # alpha is the constraint, no scale

    @classmethod
    def read(cls, parts: Parts) -> "OFT | None":
        blocks = Blocks.read(parts)
        return cls(blocks, parts.get("rescale")) if blocks and blocks.blocks.ndim != 4 else None

    def columns(self, shape: Shape) -> int | None:
        return math.prod(shape[1:]) if self.blocks.fit(shape[0], 3) and _is_vector(self.rescale, shape[0]) else None

    def change(self, weight: Tensor, shape: Shape, *, dyn: int | None) -> Tensor:
        turn = self.blocks.turn(weight.device)
        turned = turn.transpose(-1, -2) @ weight.reshape(*turn.shape[:2], -1)
        return _rescaled(turned.view(shape[0], -1), weight, self.rescale)


@dataclass(frozen=True, eq=False)
class BOFT:
    """Liu et al. 2024: stages of rotations, each of outputs that lie twice as far apart as in the one before: (stages, n, b, b)."""

    blocks: Blocks
    rescale: Tensor | None

    own = OFT.own
    rank = None

    @classmethod
    def read(cls, parts: Parts) -> "BOFT | None":
        blocks = Blocks.read(parts)
        return cls(blocks, parts.get("rescale")) if blocks and blocks.blocks.ndim == 4 else None

    def columns(self, shape: Shape) -> int | None:
        if not self.blocks.fit(shape[0], 4) or not _is_vector(self.rescale, shape[0]):
            return None
        stages, size = self.blocks.blocks.shape[0], self.blocks.blocks.shape[-1]
        return math.prod(shape[1:]) if size % 2 == 0 and shape[0] % (size << (stages - 1)) == 0 else None

    def change(self, weight: Tensor, shape: Shape, *, dyn: int | None) -> Tensor:
        change, turns = torch.zeros_like(weight), self.blocks.turn(weight.device)
        for stage, turn in enumerate(turns):
            distance = (turn.shape[-1] // 2) << stage
            paired = (weight + change).reshape(-1, 2, distance, weight.shape[1]).transpose(1, 2)  # outputs this far apart become neighbours
            turned = turn @ paired.reshape(*turn.shape[:2], -1)
            change += turned.view(-1, distance, 2, weight.shape[1]).transpose(1, 2).reshape(shape[0], -1)
        return _rescaled(change, weight, self.rescale)

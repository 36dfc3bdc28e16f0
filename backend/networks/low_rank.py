"""LoRA and LoCon: the product of two thin matrices. Nearly every file is nothing else, so this kind has a way of its own to the weight."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.networks.parts import Parts, Shape, accepted_inputs, is_finite, length, scale_of, tucker


@dataclass(frozen=True, eq=False)
class LowRank:
    """LoRA (Hu et al. 2021) and LoCon: ΔW = scale · up @ down, or with the kernel of a convolution in `mid` between them.

    up: (O, r), down: (r, I·k·k) without mid, (r, I) with it; mid: (r, r, k, k). Files also write them as 1×1 kernels.
    """

    up: Tensor
    down: Tensor
    mid: Tensor | None
    scale: float

    own = frozenset({"up", "down", "mid"})

    @classmethod
    def read(cls, parts: Parts) -> "LowRank | None":
        if "up" not in parts or "down" not in parts:
            return None
        return cls(parts["up"], parts["down"], parts.get("mid"), scale_of(parts, length(parts["down"])))

    @property
    def rank(self) -> int:
        return length(self.down)

    def columns(self, shape: Shape) -> int | None:
        """Of a weight of this shape that it changes, I·k·k as a rule; None if its parts contradict each other or the shape."""
        rank, up, down = self.rank, self.up, self.down
        if min(up.ndim, down.ndim, rank) < 1 or (self.mid is not None and (self.mid.ndim < 2 or self.mid.shape[:2] != (rank, rank))):
            return None
        kernel = math.prod(self.mid.shape[2:]) if self.mid is not None else 1
        return down.numel() // rank * kernel if tuple(up.shape[:2]) == (shape[0], rank) and up.numel() == shape[0] * rank else None

    def fits(self, shape: Shape) -> bool:
        return self.columns(shape) in accepted_inputs(shape)

    def is_finite(self) -> bool:
        parts = (self.up, self.down) if self.mid is None else (self.up, self.down, self.mid)
        return math.isfinite(self.scale) and all(is_finite(part) for part in parts)

    def factors(self, shape: Shape, dyn: int | None = None) -> tuple[Tensor, Tensor]:
        """(O, r) and (r, I·k·k), float32 where the file's tensors lie, without the scale; dyn: only the first ranks (DyLoRA)."""
        up, down = self.up.reshape(self.up.shape[0], -1), self.down.reshape(self.rank, -1)
        if dyn is not None and self.mid is None:
            up, down = up[:, :dyn], down[:dyn]
        up, down = up.to(torch.float32), down.to(torch.float32)
        if self.mid is not None:
            down = tucker(self.mid.to(torch.float32), down)
        return up, _widened(down, shape)

    def add_to(self, weight: Tensor, multiplier: float, shape: Shape, *, dyn: int | None) -> None:
        up, down = self.factors(shape, dyn)
        weight.addmm_(up.to(weight.device), down.to(weight.device), alpha=multiplier * self.scale)

    def change(self, weight: Tensor, shape: Shape, *, dyn: int | None) -> Tensor:
        """ΔW without the scale, for what is built on top of it."""
        up, down = self.factors(shape, dyn)
        return up.to(weight.device) @ down.to(weight.device)


def _widened(down: Tensor, shape: Shape) -> Tensor:
    """Zeros for the inputs that only an inpainting model has: they come last."""
    missing = math.prod(shape[1:]) - down.shape[1]
    return torch.nn.functional.pad(down, (0, missing)) if missing else down

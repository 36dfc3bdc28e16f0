"""One small class per kind of network: the parts of a module in a file → what they add to its weight."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Parts = Mapping[str, Tensor]  # named as in keys.PARTS
Shape = tuple[int, ...]
_PLAIN_CHANNELS, _INPAINT_CHANNELS = 4, 9  # conv_in's inputs: latent; latent, mask and masked picture


class Delta(Protocol):
    """What one module of a file does to one weight, as a function of the multiplier."""

    def fits(self, shape: Shape) -> bool:
        """Whether it can be added to a weight of this shape."""
        ...

    def is_finite(self) -> bool:
        """False if a part holds NaN or infinity."""
        ...

    def add_to(self, weight: Tensor, multiplier: float, shape: Shape, *, dyn: int | None) -> None:
        """weight += multiplier · ΔW(weight). weight: (O, I·k·k) float32; shape: as the model has it."""
        ...


@dataclass(frozen=True, eq=False)
class LowRank:
    """LoRA (Hu et al. 2021) and LoCon: ΔW = scale · up @ down, or with the kernel of a convolution in `mid` between them.

    up: (O, r), down: (r, I·k·k) without mid, (r, I) with it; mid: (r, r, k, k). Files also write them as 1×1 kernels.
    """

    up: Tensor
    down: Tensor
    mid: Tensor | None
    scale: float

    needed = frozenset({"up", "down"})
    allowed = frozenset({"up", "down", "mid", "alpha", "scale"})

    @classmethod
    def read(cls, parts: Parts) -> "LowRank":
        """scale = the part of that name, else alpha / rank, else 1."""
        up, down = parts["up"], parts["down"]
        scale = _number(parts["scale"]) if "scale" in parts else _number(parts["alpha"]) / max(1, _length(down)) if "alpha" in parts else 1.0
        return cls(up, down, parts.get("mid"), scale)

    @property
    def rank(self) -> int:
        return _length(self.down)

    def fits(self, shape: Shape) -> bool:
        rank, up, down = self.rank, self.up, self.down
        if min(up.ndim, down.ndim, rank) < 1 or (self.mid is not None and (self.mid.ndim < 2 or self.mid.shape[:2] != (rank, rank))):
            return False
        kernel = math.prod(self.mid.shape[2:]) if self.mid is not None else 1
        inputs = down.numel() // rank * kernel
        return tuple(up.shape[:2]) == (shape[0], rank) and up.numel() == shape[0] * rank and inputs in _accepted_inputs(shape)

    def is_finite(self) -> bool:
        """A sum is NaN or infinite if a term is."""
        parts = (self.up, self.down) if self.mid is None else (self.up, self.down, self.mid)
        return math.isfinite(self.scale) and all(math.isfinite(part.sum(dtype=torch.float32).item()) for part in parts)

    def factors(self, shape: Shape, dyn: int | None = None) -> tuple[Tensor, Tensor]:
        """(O, r) and (r, I·k·k), float32 where the file's tensors lie, without the scale; dyn: only the first ranks (DyLoRA)."""
        up, down = self.up.reshape(self.up.shape[0], -1), self.down.reshape(self.rank, -1)
        if dyn is not None and self.mid is None:
            up, down = up[:, :dyn], down[:dyn]
        up, down = up.to(torch.float32), down.to(torch.float32)
        if self.mid is not None:
            down = torch.einsum("klxy,li->kixy", self.mid.reshape(*self.mid.shape[:2], *_kernel(self.mid)).to(torch.float32), down).reshape(self.rank, -1)
        return up, _widened(down, shape)

    def add_to(self, weight: Tensor, multiplier: float, shape: Shape, *, dyn: int | None) -> None:
        up, down = self.factors(shape, dyn)
        weight.addmm_(up.to(weight.device), down.to(weight.device), alpha=multiplier * self.scale)


KINDS = (LowRank,)


def read_delta(parts: Parts) -> Delta | None:
    """None: the parts are of no kind that is known here. A part too many counts as unknown: dropping it would draw a wrong picture in silence."""
    return next((kind.read(parts) for kind in KINDS if kind.needed <= parts.keys() <= kind.allowed), None)


def _length(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.ndim else 0


def _number(tensor: Tensor) -> float:
    return float(tensor.reshape(-1)[0]) if tensor.numel() else math.nan


def _kernel(mid: Tensor) -> tuple[int, int]:
    return (mid.shape[2], mid.shape[3]) if mid.ndim == 4 else (1, 1)


def _accepted_inputs(shape: Shape) -> tuple[int, ...]:
    """I·k·k; for the first convolution of an inpainting model also that of a plain one."""
    inputs = math.prod(shape[1:])
    return (inputs, inputs // _INPAINT_CHANNELS * _PLAIN_CHANNELS) if len(shape) == 4 and shape[1] == _INPAINT_CHANNELS else (inputs,)


def _widened(down: Tensor, shape: Shape) -> Tensor:
    """Zeros for the inputs that only an inpainting model has: they come last."""
    missing = math.prod(shape[1:]) - down.shape[1]
    return torch.nn.functional.pad(down, (0, missing)) if missing else down

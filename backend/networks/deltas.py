"""The parts of a module in a file → what they add to its weight and to its bias. A kind of network is a class and its row in KINDS."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from backend.networks.low_rank import LowRank
from backend.networks.lycoris import IA3, GLoRA, Hadamard, Kronecker, Whole
from backend.networks.orthogonal import BOFT, OFT
from backend.networks.parts import Parts, Shape, accepted_inputs, is_finite, length, scale_of


class Delta(Protocol):
    """What one module of a file does to one parameter, as a function of the multiplier."""

    def fits(self, shape: Shape) -> bool:
        """Whether it can be added to a parameter of this shape."""
        ...

    def is_finite(self) -> bool:
        """False if a part holds NaN or infinity."""
        ...

    def add_to(self, weight: Tensor, multiplier: float, shape: Shape, *, dyn: int | None) -> None:
        """weight += multiplier · ΔW(weight). weight: (O, I·k·k) float32; shape: as the model has it."""
        ...


class Kind(Protocol):
    """One kind of network: a function of the weight as the networks before it in the prompt left it."""

    @property
    def rank(self) -> int | None:
        """That alpha is divided by; None where alpha is no part of the scale."""
        ...

    def columns(self, shape: Shape) -> int | None:
        """How many columns of a weight of this shape it changes, all as a rule; None if it doesn't fit."""
        ...

    def change(self, weight: Tensor, shape: Shape, *, dyn: int | None) -> Tensor:
        """ΔW at scale 1: (O, I·k·k) float32, a tensor of its own. weight: (O, I·k·k) float32, not to be written."""
        ...


@dataclass(frozen=True, eq=False)
class Composed:
    """ΔW = scale · (kind + rest), and with a magnitude that of DoRA on top."""

    kind: Kind
    scale: float
    rest: "Rest | None" = None
    magnitude: "Magnitude | None" = None

    def fits(self, shape: Shape) -> bool:
        return self._shape(shape) is not None

    def is_finite(self) -> bool:
        return is_finite(self)

    def add_to(self, weight: Tensor, multiplier: float, shape: Shape, *, dyn: int | None) -> None:
        inner = self._shape(shape)
        assert inner is not None, "does not fit"
        weight = weight[:, : math.prod(inner[1:])]
        change = self.kind.change(weight, inner, dyn=dyn)
        if self.rest is not None:
            change += self.rest.matrix(inner, weight.device)
        change *= self.scale
        if self.magnitude is not None:
            change = self.magnitude.change(weight, change, inner)
        weight.add_(change, alpha=multiplier)

    def _shape(self, shape: Shape) -> Shape | None:
        """The part of the weight that is changed: all, or in an inpainting model the inputs that a plain one has. None: fits neither."""
        for columns in accepted_inputs(shape):
            inner = (shape[0], columns // math.prod(shape[2:]), *shape[2:]) if len(shape) > 1 else shape
            others = (self.rest is None or self.rest.fits(inner)) and (self.magnitude is None or self.magnitude.fits(inner))
            if others and self.kind.columns(inner) == columns:
                return inner
        return None


@dataclass(frozen=True, eq=False)
class Rest:
    """What a decomposition left over: a matrix of the weight's size, or its entries that are not 0 (LyCORIS' extraction)."""

    values: Tensor
    indices: Tensor | None  # (dimensions, entries)
    size: tuple[int, ...]

    own = frozenset({"bias", "bias_indices", "bias_values", "bias_size"})

    @classmethod
    def read(cls, parts: Parts) -> "Rest | None":
        if "bias" in parts:
            return cls(parts["bias"], None, tuple(parts["bias"].shape))
        if not parts.keys() >= {"bias_indices", "bias_values", "bias_size"}:
            return None
        return cls(parts["bias_values"], parts["bias_indices"], tuple(parts["bias_size"].reshape(-1).to(torch.int64).tolist()))

    def fits(self, shape: Shape) -> bool:
        if not self.size or self.size[0] != shape[0] or math.prod(self.size) != math.prod(shape):
            return False
        if self.indices is None:
            return True
        if self.values.ndim != 1 or tuple(self.indices.shape) != (len(self.size), len(self.values)):
            return False
        limits = torch.tensor(self.size).unsqueeze(1)
        return bool(((self.indices >= 0) & (self.indices < limits)).all())

    def matrix(self, shape: Shape, device: torch.device) -> Tensor:
        values = self.values.to(torch.float32)
        if self.indices is not None:
            strides = torch.tensor([math.prod(self.size[n + 1 :]) for n in range(len(self.size))])
            places = (self.indices.to(torch.int64) * strides.unsqueeze(1)).sum(0)
            values = torch.zeros(math.prod(self.size)).index_add_(0, places, values)
        return values.reshape(shape[0], -1).to(device)


@dataclass(frozen=True, eq=False)
class Magnitude:
    """DoRA (Liu et al. 2024): W + ΔW keeps its direction and gets the trained length, for each output or for each input.

    A1111 measures along the inputs in any case; LyCORIS writes by now, and PEFT always, the outputs'.
    """

    lengths: Tensor
    of_inputs: bool

    own = frozenset({"dora_scale", "magnitude"})

    @classmethod
    def read(cls, parts: Parts) -> "Magnitude | None":
        """magnitude: PEFT's, of the outputs however it is shaped."""
        if "magnitude" in parts:
            return cls(parts["magnitude"], False)
        scale = parts.get("dora_scale")
        return None if scale is None else cls(scale, scale.ndim > 1 and scale.shape[0] == 1)

    def fits(self, shape: Shape) -> bool:
        return len(shape) > 1 and self.lengths.numel() == shape[1 if self.of_inputs else 0]

    def change(self, weight: Tensor, change: Tensor, shape: Shape) -> Tensor:
        direction = (weight + change).reshape(*shape[:2], -1)  # (O, I, k·k)
        dimensions, view = ((0, 2), (1, -1, 1)) if self.of_inputs else ((1, 2), (-1, 1, 1))
        norm = torch.linalg.vector_norm(direction, dim=dimensions, keepdim=True).clamp_min_(torch.finfo(torch.float32).tiny)
        factor = self.lengths.reshape(view).to(weight) / norm
        return (direction * factor).reshape(weight.shape) - weight


# By the parts that are the kind's own. The first that these are all of, and that reads them, has the module.
KINDS = (LowRank, Hadamard, Kronecker, Whole, OFT, BOFT, IA3, GLoRA)
_PLAIN = frozenset({"up", "down", "mid", "alpha", "scale"})
_BESIDE = frozenset({"alpha", "scale"}) | Rest.own | Magnitude.own
_BIAS = ("diff_b", "b_norm", "up_bias")  # the last: PEFT's lora_B.bias, which has its scale
_BLOCK = re.compile(r"oft_blocks\.(\d+)")

Deltas = Mapping[str, Delta]  # by the parameter: "weight", "bias"


def read_deltas(parts: Parts) -> Deltas | None:
    """None: the parts are of no kind that is known here. A part too many counts as unknown: dropping it would draw a wrong picture in silence."""
    if parts.keys() <= _PLAIN and (plain := LowRank.read(parts)) is not None:
        return {"weight": plain}
    parts = _stacked(parts)
    biases = [part for part in _BIAS if part in parts]
    own = parts.keys() - _BIAS
    found: dict[str, Delta] = {}
    if own - _BESIDE:
        weight = _weight_delta({part: parts[part] for part in own})
        if weight is None:
            return None
        found["weight"] = weight
    elif own - {"alpha", "scale"}:
        return None
    if len(biases) > 1 or (biases == ["up_bias"] and "up" not in parts) or not (found or biases):
        return None
    for part in biases:
        scale = scale_of(parts, length(parts["down"])) if part == "up_bias" else 1.0
        found["bias"] = Composed(Whole(parts[part]), scale)
    return MappingProxyType(found)


def _weight_delta(parts: Parts) -> Delta | None:
    own = parts.keys() - _BESIDE
    for kind in KINDS:
        if own <= kind.own and (read := kind.read(parts)) is not None:
            rest, magnitude = Rest.read(parts), Magnitude.read(parts)
            if (rest is None and parts.keys() & Rest.own) or (magnitude is None and parts.keys() & Magnitude.own):
                return None
            return Composed(read, scale_of(parts, read.rank), rest, magnitude)
    return None


def _stacked(parts: Parts) -> Parts:
    """kohya writes each block of an OFT as a tensor of its own: oft_blocks.0, oft_blocks.1, …"""
    numbers = sorted(int(match[1]) for part in parts if (match := _BLOCK.fullmatch(part)))
    blocks = [parts[f"oft_blocks.{number}"] for number in numbers if f"oft_blocks.{number}" in parts]
    if not numbers or numbers != list(range(len(blocks))) or len({block.shape for block in blocks}) > 1 or "oft_blocks" in parts:
        return parts
    return {**{part: tensor for part, tensor in parts.items() if not _BLOCK.fullmatch(part)}, "oft_blocks": torch.stack(blocks)}

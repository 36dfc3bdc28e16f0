"""LyCORIS' kinds: LoHa, LoKr, GLoRA, IA3, and full differences (Full, Norm)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.networks.parts import Parts, Shape, length, matrix, number, size_of, tucker


@dataclass(frozen=True, eq=False)
class Factor:
    """One matrix of those that LyCORIS' kinds are built of: whole, or a product, or Tucker's product around the kernel of a convolution.

    whole: (n, m). left: (n, r), right: (r, m). With kernel (r, r, k, k): left (r, n), right (r, m / k·k).
    """

    whole: Tensor | None
    left: Tensor | None
    right: Tensor | None
    kernel: Tensor | None

    @classmethod
    def read(cls, whole: Tensor | None, left: Tensor | None, right: Tensor | None, kernel: Tensor | None = None) -> "Factor | None":
        """None if parts are missing, or there are too many."""
        pair = left is not None and right is not None
        if whole is not None:
            return cls(whole, None, None, None) if left is right is kernel is None else None
        return cls(None, left, right, kernel) if pair else None

    @property
    def rank(self) -> int | None:
        """None where it is whole."""
        return None if self.right is None else length(self.right)

    def size(self) -> tuple[int, int] | None:
        """None if the parts contradict each other."""
        if self.whole is not None:
            return size_of(self.whole)
        assert self.left is not None and self.right is not None
        left, right = size_of(self.left), size_of(self.right)
        if left is None or right is None:
            return None
        if self.kernel is None:
            return (left[0], right[1]) if left[1] == right[0] else None
        fits = self.kernel.ndim > 1 and tuple(self.kernel.shape[:2]) == (left[0], right[0])
        return (left[1], right[1] * math.prod(self.kernel.shape[2:])) if fits else None

    def matrix(self, device: torch.device) -> Tensor:
        """(n, m) float32"""
        if self.whole is not None:
            return matrix(self.whole, device)
        assert self.left is not None and self.right is not None
        left, right = matrix(self.left, device), matrix(self.right, device)
        return left @ right if self.kernel is None else left.t() @ tucker(self.kernel.to(device, torch.float32), right)


@dataclass(frozen=True, eq=False)
class Hadamard:
    """LoHa (Hyeon-Woo et al. 2022, "FedPara"): ΔW = first ∘ second, entry by entry."""

    first: Factor
    second: Factor

    own = frozenset({"hada_w1_a", "hada_w1_b", "hada_t1", "hada_w2_a", "hada_w2_b", "hada_t2"})

    @classmethod
    def read(cls, parts: Parts) -> "Hadamard | None":
        first, second = (Factor.read(None, parts.get(f"hada_w{n}_a"), parts.get(f"hada_w{n}_b"), parts.get(f"hada_t{n}")) for n in (1, 2))
        return cls(first, second) if first and second else None

    @property
    def rank(self) -> int | None:
        return self.first.rank

    def columns(self, shape: Shape) -> int | None:
        size = self.first.size()
        return size[1] if size is not None and size == self.second.size() and size[0] == shape[0] else None

    def change(self, weight: Tensor, shape: Shape, *, dyn: int | None) -> Tensor:
        return self.first.matrix(weight.device).mul_(self.second.matrix(weight.device))


@dataclass(frozen=True, eq=False)
class Kronecker:
    """LoKr (Yeh et al. 2023): ΔW = first ⊗ second; the second has the kernel of a convolution."""

    first: Factor
    second: Factor

    own = frozenset({"lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"})

    @classmethod
    def read(cls, parts: Parts) -> "Kronecker | None":
        first = Factor.read(parts.get("lokr_w1"), parts.get("lokr_w1_a"), parts.get("lokr_w1_b"))
        second = Factor.read(parts.get("lokr_w2"), parts.get("lokr_w2_a"), parts.get("lokr_w2_b"), parts.get("lokr_t2"))
        return cls(first, second) if first and second else None

    @property
    def rank(self) -> int | None:
        """Of the factor that is a product; None, so that alpha doesn't count, where none is."""
        return self.first.rank if self.second.rank is None else self.second.rank

    def columns(self, shape: Shape) -> int | None:
        first, second = self.first.size(), self.second.size()
        return first[1] * second[1] if first and second and first[0] * second[0] == shape[0] else None

    def change(self, weight: Tensor, shape: Shape, *, dyn: int | None) -> Tensor:
        return torch.kron(self.first.matrix(weight.device), self.second.matrix(weight.device))


@dataclass(frozen=True, eq=False)
class GLoRA:
    """Chavan et al. 2023, without its other terms: ΔW = W · inner + outer, both of low rank.

    inner: (I, I). In the older naming the factors of either have each other's names, which their shapes tell.
    """

    inner: Factor
    outer: Factor

    own = frozenset({"a1", "a2", "b1", "b2", "bm"})

    @classmethod
    def read(cls, parts: Parts) -> "GLoRA | None":
        if not parts.keys() >= {"a1", "a2", "b1", "b2"}:
            return None
        a, b = (parts["a1"], parts["a2"]), (parts["b1"], parts["b2"])
        if _is_swapped(*b):
            a, b = a[::-1], b[::-1]
        left = b[0].flatten(1).t() if "bm" in parts and b[0].ndim > 1 else b[0]  # (r, O) beside a kernel
        inner, outer = Factor.read(None, *a), Factor.read(None, left, b[1], parts.get("bm"))
        return cls(inner, outer) if inner and outer else None

    @property
    def rank(self) -> int | None:
        return self.inner.rank

    def columns(self, shape: Shape) -> int | None:
        inner, outer = self.inner.size(), self.outer.size()
        if len(shape) < 2 or inner != (shape[1], shape[1]) or outer is None:
            return None
        return outer[1] if outer[0] == shape[0] and outer[1] == math.prod(shape[1:]) else None

    def change(self, weight: Tensor, shape: Shape, *, dyn: int | None) -> Tensor:
        inputs, inner = shape[1], self.inner
        assert inner.left is not None and inner.right is not None
        pixels = weight.reshape(shape[0], inputs, -1).transpose(1, 2).reshape(-1, inputs)  # (O·k·k, I)
        turned = pixels @ matrix(inner.left, weight.device) @ matrix(inner.right, weight.device)
        return turned.view(shape[0], -1, inputs).transpose(1, 2).reshape(shape[0], -1).add_(self.outer.matrix(weight.device))


def _is_swapped(first: Tensor, second: Tensor) -> bool:
    """Whether their product is second · first: the inner size, the rank, is the smaller one."""
    one, two = size_of(first), size_of(second)
    if one is None or two is None:
        return False
    ranks = one[1] if one[1] == two[0] else math.inf, two[1] if two[1] == one[0] else math.inf
    return ranks[1] < ranks[0]


@dataclass(frozen=True, eq=False)
class IA3:
    """Liu et al. 2022: ΔW = W · vector, a number for each output or each input."""

    vector: Tensor
    on_input: bool

    own = frozenset({"weight", "on_input"})
    rank = None

    @classmethod
    def read(cls, parts: Parts) -> "IA3 | None":
        return cls(parts["weight"], bool(number(parts["on_input"]))) if parts.keys() >= cls.own else None

    def columns(self, shape: Shape) -> int | None:
        fits = len(shape) > 1 and self.vector.numel() == shape[1 if self.on_input else 0]
        return math.prod(shape[1:]) if fits else None

    def change(self, weight: Tensor, shape: Shape, *, dyn: int | None) -> Tensor:
        vector = self.vector.reshape(-1, 1).to(weight)
        return (weight.reshape(*shape[:2], -1) * vector).view(shape[0], -1) if self.on_input else weight * vector


@dataclass(frozen=True, eq=False)
class Whole:
    """ΔW itself: Full (`diff`), Norm (`w_norm`), and every change of a bias."""

    difference: Tensor

    own = frozenset({"diff", "w_norm"})
    rank = None  # alpha doesn't count

    @classmethod
    def read(cls, parts: Parts) -> "Whole | None":
        found = [parts[part] for part in cls.own if part in parts]
        return cls(found[0]) if len(found) == 1 else None

    def columns(self, shape: Shape) -> int | None:
        size = size_of(self.difference)
        return size[1] if size and size[0] == shape[0] else None

    def change(self, weight: Tensor, shape: Shape, *, dyn: int | None) -> Tensor:
        return matrix(self.difference, weight.device).clone()  # the tensor may be the file itself

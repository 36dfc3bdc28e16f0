"""A change of a weight → two thin matrices, by the largest singular values; how many is a number or a rule. All in float32."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

_SPARE, _ROUNDS = 16, 4  # columns beyond the rank, and passes over the matrix: Halko et al. 2011, algorithm 4.4
_WORTH = 4  # as many times the rank the smaller side has to be, for the approximate way to be quicker
RULES = ("sv_fro", "sv_ratio", "sv_cumulative")


class Product(NamedTuple):
    """scale · up @ down. up: (O, r), down: (r, I·k·k)."""

    up: Tensor
    down: Tensor
    scale: float


@dataclass(frozen=True)
class Rank:
    """At most so many; with a rule as many as it takes.

    sv_fro: of the length √Σs² this share is kept. sv_cumulative: of the sum Σs. sv_ratio: those above the largest one divided by this.
    """

    most: int
    rule: str = ""
    value: float = 0.0

    def count(self, values: Tensor) -> int:
        """values: singular values, falling. At least 1."""
        found = self.most
        if self.rule == "sv_ratio":
            found = int((values > values[0] / self.value).sum())
        elif self.rule:
            power = 2 if self.rule == "sv_fro" else 1
            sums = values.double().pow(power).cumsum(0)
            found = int(torch.searchsorted(sums / sums[-1].clamp_min(1e-300), self.value**power)) + 1
        return max(1, min(found, self.most, len(values)))


class Lower(NamedTuple):
    """up @ down, and what it lacks: the squared lengths of the rest and of the whole."""

    up: Tensor
    down: Tensor
    rest: float
    whole: float

    @property
    def error(self) -> float:
        """Relative, in the Frobenius norm."""
        return relative(self.rest, self.whole)


def relative(rest: float, whole: float) -> float:
    return math.sqrt(max(0.0, rest) / whole) if whole > 0 else 0.0


def concatenated(products: Sequence[Product]) -> Product:
    """Their sum, exactly: the ranks add up, and the scales go into the factors, half into each."""
    ups = [product.up * math.copysign(math.sqrt(abs(product.scale)), product.scale) for product in products]
    downs = [product.down * math.sqrt(abs(product.scale)) for product in products]
    return Product(torch.cat(ups, dim=1), torch.cat(downs), 1.0)


def lower_product(product: Product, rank: Rank) -> Lower:
    """Without ever making the whole matrix: a singular value decomposition of the core between the two orthogonal factors."""
    left, upper = torch.linalg.qr(product.up.double() * product.scale)
    right, lower = torch.linalg.qr(product.down.double().t())
    inner_left, values, inner_right = torch.linalg.svd(upper @ lower.t(), full_matrices=False)
    up, down = _kept(left @ inner_left, values, inner_right @ right.t(), rank)
    return Lower(up, down, _squares(values[up.shape[1] :]), _squares(values))


def lower_matrix(matrix: Tensor, rank: Rank) -> Lower:
    """matrix: (O, I·k·k) float32. A large one by random projections with a fixed seed, as near to the best as is measurable; the error is its own."""
    wanted, side = rank.most + _SPARE, min(matrix.shape)
    if rank.rule or side < _WORTH * wanted:
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    else:
        basis = matrix @ torch.randn(matrix.shape[1], wanted, generator=torch.Generator().manual_seed(0))
        for _ in range(_ROUNDS):
            basis = matrix @ torch.linalg.qr(matrix.t() @ torch.linalg.qr(basis).Q).Q
        basis = torch.linalg.qr(basis).Q
        inner, values, right = torch.linalg.svd(basis.t() @ matrix, full_matrices=False)
        left = basis @ inner
    up, down = _kept(left, values, right, rank)
    return Lower(up, down, _squares(matrix - up @ down), _squares(matrix))


def _kept(left: Tensor, values: Tensor, right: Tensor, rank: Rank) -> tuple[Tensor, Tensor]:
    """The root of each singular value goes into either factor."""
    count = rank.count(values)
    root = values[:count].sqrt()
    return (left[:, :count] * root).float(), (root.unsqueeze(1) * right[:count]).float()


def _squares(matrix: Tensor) -> float:
    return float(matrix.square().sum(dtype=torch.float64))

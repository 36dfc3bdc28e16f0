"""The error that is told is the error that is made; rules count as they say."""

import pytest
import torch

from backend.networks.decompose import Lower, Product, Rank, concatenated, lower_matrix, lower_product
from tests.backend.networks.small import random


def error(lower: Lower, matrix: torch.Tensor) -> float:
    return float(torch.linalg.norm(matrix.double() - lower.up.double() @ lower.down.double()) / torch.linalg.norm(matrix.double()))


@pytest.mark.parametrize("scale", [1.0, 0.3, -2.0])
def test_concatenation_is_the_sum(scale: float):
    products = [Product(random(1, 6, 2), random(2, 2, 9), scale), Product(random(3, 6, 3), random(4, 3, 9), 0.7)]
    up, down, one = concatenated(products)
    assert (one, up.shape[1]) == (1.0, 5)
    exact = sum(product.scale * product.up.double() @ product.down.double() for product in products)
    torch.testing.assert_close(up.double() @ down.double(), exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 4, 5])
def test_a_product_is_lowered_as_its_matrix_would_be(rank: int):
    product = Product(random(1, 12, 5), random(2, 5, 20), -1.5)
    matrix = product.scale * product.up @ product.down
    one, other = lower_product(product, Rank(rank)), lower_matrix(matrix, Rank(rank))
    torch.testing.assert_close(one.up @ one.down, other.up @ other.down, rtol=1e-4, atol=1e-5)
    values = torch.linalg.svdvals(matrix.double())
    best = float((values[rank:].square().sum() / values.square().sum()).sqrt())
    assert one.error == pytest.approx(best, abs=1e-6) and error(one, matrix) == pytest.approx(best, abs=1e-5)


def test_a_large_matrix_is_lowered_all_but_as_well_as_can_be():
    matrix = random(1, 150, 160) * 0.03 + random(2, 150, 2) @ random(3, 2, 160)
    lower = lower_matrix(matrix, Rank(4))
    values = torch.linalg.svdvals(matrix)
    best = float((values[4:].square().sum() / values.square().sum()).sqrt())
    assert best <= lower.error * 1.0001 < best * 1.01
    assert lower.error == pytest.approx(error(lower, matrix), rel=1e-4)
    assert torch.equal(lower.up, lower_matrix(matrix, Rank(4)).up)


@pytest.mark.parametrize(
    ("rank", "count"),
    [
        (Rank(3), 3),
        (Rank(9), 4),
        (Rank(9, "sv_ratio", 3.0), 2),  # above 8 / 3
        (Rank(9, "sv_fro", 0.9), 2),  # √(64 + 16) / √85 = 0.97; 8 / √85 = 0.87
        (Rank(9, "sv_cumulative", 0.8), 2),  # 12 / 15
        (Rank(9, "sv_cumulative", 0.81), 3),
        (Rank(1, "sv_fro", 0.9), 1),
        (Rank(9, "sv_fro", 1.0), 4),
    ],
)
def test_a_rule_counts_singular_values(rank: Rank, count: int):
    assert rank.count(torch.tensor([8.0, 4.0, 2.0, 1.0])) == count


@pytest.mark.parametrize("rule", ["", "sv_fro", "sv_ratio", "sv_cumulative"])
def test_a_change_of_nothing_has_no_error(rule: str):
    lower = lower_matrix(torch.zeros(4, 5), Rank(2, rule, 2.0 if rule == "sv_ratio" else 0.9))
    assert lower.error == 0.0 and (lower.up @ lower.down == 0).all()

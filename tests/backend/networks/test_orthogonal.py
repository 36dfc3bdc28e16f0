"""OFT, its constraint, and BOFT against their formulas in float64."""

import pytest
import torch
from torch import Tensor

from tests.backend.networks.small import assert_exact, change, fits, random

SHAPES = ((16, 6), (16, 6, 1, 1), (16, 6, 3, 3))
Shape = tuple[int, ...]


def cayley(p: Tensor, limit: float = 0.0, outputs: int = 16) -> Tensor:
    p = p.double()
    q = p - p.transpose(-1, -2)
    if limit and float(q.norm()) > limit * outputs:
        q = q * (limit * outputs / float(q.norm()))
    eye = torch.eye(p.shape[-1], dtype=torch.float64)
    return (eye + q) @ torch.linalg.inv(eye - q)


def turned(rotations: Tensor, weight: Tensor) -> Tensor:
    """Rᵀ W with the blocks on the diagonal of one great R."""
    return (torch.block_diag(*rotations).t() @ weight.double().flatten(1)).view(weight.shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [None, 0.0, 0.01, 100.0])
@pytest.mark.parametrize("rescale", [False, True])
def test_oft_turns_the_outputs_block_by_block(shape: Shape, alpha: float | None, rescale: bool):
    """alpha is how far it may turn, and no scale. 0.01 is less than this one does, 100 is more."""
    blocks, factor, weight = random(1, 4, 4, 4), 1 + random(2, 16), random(3, *shape)
    parts = {"oft_blocks": blocks} | ({} if alpha is None else {"alpha": torch.tensor(alpha)}) | ({"rescale": factor.view(16, 1, 1, 1)} if rescale else {})
    result = turned(cayley(blocks, alpha or 0.0), weight) * (factor.double().view(16, *[1 for _ in shape[1:]]) if rescale else 1)
    assert_exact(change(parts, weight, 0.7), 0.7 * (result - weight.double()), weight)


@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_a_small_turn_is_exact_for_its_size(alpha: float):
    blocks, weight = random(1, 4, 4, 4) * 1e-4, random(3, 16, 6)
    exact = turned(cayley(blocks), weight) - weight.double()
    assert_exact(change({"oft_blocks": blocks, "alpha": torch.tensor(alpha)}, weight), exact, weight)
    assert float(exact.abs().max()) < 1e-3


def test_the_blocks_may_be_tensors_of_their_own():
    blocks, weight = random(1, 4, 4, 4), random(3, 16, 6)
    apart = {f"oft_blocks.{n}": block for n, block in enumerate(blocks)}
    assert torch.equal(change(apart, weight), change({"oft_blocks": blocks}, weight))
    del apart["oft_blocks.2"]
    assert not fits(apart, (16, 6))


@pytest.mark.parametrize("shape", SHAPES)
def test_old_lycoris_wrote_the_rotations_themselves(shape: Shape):
    rotations, weight = cayley(random(1, 4, 4, 4)).float(), random(3, *shape)
    assert_exact(change({"oft_diag": rotations}, weight), turned(rotations.double(), weight) - weight.double(), weight)


def butterfly(stage: int, size: int, outputs: int = 16) -> Tensor:
    """The permutation before a stage, as a matrix: outputs of a stretch of twice the distance, its halves interleaved."""
    distance = size // 2 * 2**stage
    order = [start + half * distance + at for start in range(0, outputs, 2 * distance) for at in range(distance) for half in (0, 1)]
    return torch.eye(outputs, dtype=torch.float64)[order]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("stages", "size"), [(1, 4), (2, 4), (3, 4), (4, 2), (1, 16)])
@pytest.mark.parametrize("multiplier", [1.0, -0.5])
def test_boft_turns_in_stages(shape: Shape, stages: int, size: int, multiplier: float):
    """The multiplier takes a part of the whole way, as A1111 does; LyCORIS takes a part of each stage."""
    blocks, weight, factor = random(1, stages, 16 // size, size, size), random(3, *shape), 1 + random(2, 16, 1)
    result = weight.double().flatten(1)
    for stage, rotations in enumerate(cayley(blocks)):
        shuffle = butterfly(stage, size)
        result = shuffle.t() @ torch.block_diag(*rotations) @ shuffle @ result
    exact = multiplier * (result.view(shape) - weight.double())
    assert_exact(change({"oft_blocks": blocks}, weight, multiplier), exact, weight)
    scaled = multiplier * ((result * factor.double()).view(shape) - weight.double())
    assert_exact(change({"oft_blocks": blocks, "rescale": factor}, weight, multiplier), scaled, weight)


@pytest.mark.parametrize("blocks", [(4, 4, 3), (3, 4, 4), (4, 4), (2, 4, 4, 3), (4, 4, 4, 4), (1, 2, 8, 8, 1), (1, 16, 1, 1), (0, 4, 4)])
def test_blocks_that_do_not_make_up_the_outputs_do_not_fit(blocks: Shape):
    assert not fits({"oft_blocks": torch.zeros(blocks)}, (16, 6))


def test_a_rescale_of_another_size_does_not_fit():
    assert fits({"oft_blocks": torch.zeros(4, 4, 4), "rescale": torch.ones(16, 1)}, (16, 6))
    assert not fits({"oft_blocks": torch.zeros(4, 4, 4), "rescale": torch.ones(6, 1)}, (16, 6))


def test_two_kinds_of_blocks_at_once_are_of_no_known_kind():
    assert not fits({"oft_blocks": torch.zeros(4, 4, 4), "oft_diag": torch.zeros(4, 4, 4)}, (16, 6))

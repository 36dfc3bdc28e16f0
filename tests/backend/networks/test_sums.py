"""Block by block or in one: the same bits, and nothing but the weight is written."""

from pathlib import Path

import pytest
import torch

from backend.checkpoints.cast import copy_into
from backend.networks import sums
from backend.networks.deltas import Delta
from backend.networks.low_rank import LowRank
from backend.networks.network_file import FileIdentity
from backend.networks.sums import Scratch, Share, add_low_rank, add_shares, write_sum
from tests.backend.networks.small import random

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
NOTHING = FileIdentity(Path(), 0, 0)


def steps(shape: tuple[int, ...], ranks: tuple[int, ...] = (2, 3)) -> list[tuple[Share, Delta]]:
    lows = [LowRank(random(n, shape[0], rank), random(n + 50, rank, *shape[1:]), None, 0.5 + n) for n, rank in enumerate(ranks)]
    return [(Share(NOTHING, "", multiplier, None), low) for low, multiplier in zip(lows, (0.8, -0.3), strict=True)]


@pytest.mark.parametrize("loaded_dtype", [*DTYPES, torch.float64])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "layout"), [((24, 10), torch.contiguous_format), ((24, 5, 3, 3), torch.contiguous_format), ((24, 5, 3, 3), torch.channels_last)]
)
def test_in_blocks_the_bits_are_those_of_the_whole_layer(
    shape: tuple[int, ...], layout: torch.memory_format, dtype: torch.dtype, loaded_dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
):
    loaded = random(1, *shape).to(loaded_dtype)
    before, whole, blocks = loaded.clone(), torch.empty(shape, dtype=dtype, memory_format=layout), torch.empty(shape, dtype=dtype, memory_format=layout)
    copy_into(whole, loaded)
    add_shares(whole, steps(shape), Scratch())
    monkeypatch.setattr(sums, "BLOCK", 8 * whole[0].numel() // torch.get_num_threads())
    write_sum(blocks, loaded, steps(shape), Scratch())
    assert torch.equal(blocks, whole) and torch.equal(loaded, before)
    assert not torch.equal(blocks, loaded.to(dtype))


@pytest.mark.parametrize(("rows", "block", "sizes"), [(10, 40, [10]), (10, 20, [5, 5]), (11, 12, [2, 3, 3, 3]), (3, 1, [1, 1, 1]), (5, 1000, [5])])
def test_blocks_cover_all_rows_and_are_about_of_one_size(rows: int, block: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(sums, "BLOCK", block)
    weight, seen = torch.zeros(rows, 4), []
    for part in sums._blocks(weight):
        weight[part] += 1
        seen.append(len(weight[part]))
    assert sorted(seen) == sizes and (weight == 1).all()


def test_a_scratch_is_one_buffer_for_all():
    scratch = Scratch()
    first = scratch.like(torch.empty(6, 4, 3, 3))
    second = scratch.like(torch.empty(2, 5))
    assert (tuple(first.shape), tuple(second.shape)) == ((6, 36), (2, 5))
    assert first.data_ptr() == second.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_way_of_gpus_gives_the_same_but_for_rounding(dtype: torch.dtype):
    """One product in half precision for all networks; run here on the processor, which can do it slowly."""
    both = [
        (Share(NOTHING, "", 0.8, None), LowRank(random(1, 6, 2), random(2, 2, 4), None, 0.5)),
        (Share(NOTHING, "", -1e-4, 2), LowRank(random(3, 6, 3), random(4, 3, 4), None, 2.0)),
    ]
    one, other = random(5, 6, 4).to(dtype), random(5, 6, 4).to(dtype)
    add_low_rank(one, both)
    add_shares(other, both, Scratch())
    torch.testing.assert_close(one.float(), other.float(), rtol=4 * torch.finfo(dtype).eps, atol=torch.finfo(dtype).eps)

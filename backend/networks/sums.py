"""The pristine weight and what networks add to it → the weight: in float32, rounded once, with no more traffic than it takes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from backend.checkpoints.cast import copy_into
from backend.networks.deltas import Delta
from backend.networks.low_rank import LowRank
from backend.networks.network_file import FileIdentity

BLOCK = 2**19  # numbers for each thread: 2 MB in float32, which stay in the cache from the copy to the last product


class Share(NamedTuple):
    """What one network does to one weight: a function of these four."""

    file: FileIdentity
    module: str
    multiplier: float
    dyn: int | None


Chain = tuple[Share, ...]  # all that is done to one weight, in the order of the prompt
UNKNOWN: Chain = (Share(FileIdentity(Path(), -1, -1), "", 0.0, None),)  # written in part
Steps = Sequence[tuple[Share, Delta]]


class Scratch:
    """One float32 buffer that grows to the largest need and serves all."""

    def __init__(self) -> None:
        self._buffer = torch.empty(0)

    def like(self, weight: Tensor) -> Tensor:
        """(O, I·k·k), on the weight's device."""
        if self._buffer.device != weight.device or self._buffer.numel() < weight.numel():
            self._buffer = torch.empty(weight.numel(), dtype=torch.float32, device=weight.device)
        return self._buffer[: weight.numel()].view(weight.shape[0], -1)


def write_sum(weight: Tensor, loaded: Tensor, steps: Steps, scratch: Scratch) -> None:
    """weight = loaded in the weight's precision + Σ multiplier · ΔW, in float32, rounded once. loaded is only read."""
    on_processor = weight.device.type == loaded.device.type == "cpu"
    if on_processor and loaded.dtype != torch.float64 and all(isinstance(delta, LowRank) for _, delta in steps):
        write_low_rank(weight, loaded, steps, scratch)
        return
    copy_into(weight, loaded)
    add_shares(weight, steps, scratch)


def write_low_rank(weight: Tensor, loaded: Tensor, steps: Steps, scratch: Scratch) -> None:
    """Block by block, so that memory is read and written once: the same bits as layer by layer."""
    lows = [(share, delta) for share, delta in steps if isinstance(delta, LowRank)]
    factors = [(*delta.factors(tuple(weight.shape), share.dyn), share.multiplier * delta.scale) for share, delta in lows]
    in_place = weight.dtype == torch.float32 and weight.is_contiguous()
    for rows in _blocks(weight):
        block = weight[rows]
        sum_ = block.view(block.shape[0], -1) if in_place else scratch.like(block)
        sum_.view(block.shape).copy_(loaded[rows])
        if weight.dtype not in (loaded.dtype, torch.float32):  # the networks are added to what the model has without them
            block.copy_(sum_.view(block.shape))
            sum_.view(block.shape).copy_(block)
        for up, down, scale in factors:
            sum_.addmm_(up[rows], down, alpha=scale)
        if not in_place:
            block.copy_(sum_.view(block.shape))


def _blocks(weight: Tensor) -> Iterator[slice]:
    """Of rows, all about as many: a few left over would be multiplied by another routine, which rounds otherwise."""
    rows = weight.shape[0]
    count = max(1, min(rows, round(weight.numel() / (BLOCK * torch.get_num_threads()))))
    yield from (slice(rows * n // count, rows * (n + 1) // count) for n in range(count))


def add_shares(weight: Tensor, steps: Steps, scratch: Scratch) -> None:
    """weight += Σ multiplier · ΔW, in float32, rounded once. weight: pristine."""
    if weight.device.type == "cuda" and weight.dtype != torch.float32 and weight.is_contiguous() and all(isinstance(delta, LowRank) for _, delta in steps):
        add_low_rank(weight, steps)
        return
    shape, in_place = tuple(weight.shape), weight.dtype == torch.float32 and weight.is_contiguous()
    # A processor multiplies half precision a hundred times slower than float32, so that takes the way over the scratch.
    sum_ = weight.view(shape[0], -1) if in_place else scratch.like(weight)
    if not in_place:
        sum_.view(shape).copy_(weight)
    for share, delta in steps:
        delta.add_to(sum_, share.multiplier, shape, dyn=share.dyn)
    if not in_place:
        weight.copy_(sum_.view(shape))


def add_low_rank(weight: Tensor, steps: Steps) -> None:
    """The same in one product in the weight's own precision, which a GPU accumulates in float32.

    The largest scale stays outside of the factors, so that they don't underflow.
    """
    lows = [(share, delta) for share, delta in steps if isinstance(delta, LowRank)]
    scales = [share.multiplier * delta.scale for share, delta in lows]
    largest = max(map(abs, scales)) or 1.0
    factors = [delta.factors(tuple(weight.shape), share.dyn) for share, delta in lows]
    up = torch.cat([up * (scale / largest) for (up, _), scale in zip(factors, scales, strict=True)], dim=1)
    down = torch.cat([down for _, down in factors])
    weight.view(weight.shape[0], -1).addmm_(up.to(weight), down.to(weight), alpha=largest)

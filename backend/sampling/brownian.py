"""A Brownian path that any step sizes may be read from: noise of SDE samplers does not depend on the number of steps.

A dyadic tree over the noise levels; the value at each midpoint is drawn from a seed that its place in the tree gives.
Times are rounded to 6 decimals. Laid out as torchsde's BrownianTree is, so that the numbers are those of k-diffusion.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

DECIMALS = 6
POOL = 24  # words of entropy in the seed sequence
CACHED_SPLITS = 72  # three paths down from the top, each about 24 halvings deep: a step's ends, and its middle or the next end

Draw = Callable[[int], Tensor]  # 32-bit seed → normal numbers of the path's shape


class BrownianPath:
    """draw: seed → standard normal tensor; entropy: the path's own seed; start < end: the range that can be asked for."""

    def __init__(self, start: float, end: float, entropy: int, draw: Draw) -> None:
        self._start, self._end = round(start, DECIMALS), round(end, DECIMALS)
        self._entropy, self._draw = entropy, draw
        self._lefts: OrderedDict[tuple[int, int], Tensor] = OrderedDict()
        self._whole = draw(_seed(entropy, ())) * math.sqrt(end - start)

    def increment(self, start: float, end: float) -> Tensor:
        """W(end) − W(start), start ≤ end; times outside of the range count as its ends."""
        start, end = (round(min(max(time, self._start), self._end), DECIMALS) for time in (start, end))
        if start == end:
            return torch.zeros_like(self._whole)
        first, *others = self._pieces((0, 0), (self._start, self._end), self._whole, start, end)
        for other in others:
            first = first + other
        return first

    def _pieces(self, place: tuple[int, int], span: tuple[float, float], change: Tensor, start: float, end: float) -> Iterator[Tensor]:
        """The changes over the fewest tree nodes that make up start…end, from left to right. place: number in its row, depth."""
        if span == (start, end):
            yield change
            return
        (number, depth), middle = place, round(0.5 * (span[1] + span[0]), DECIMALS)
        left = self._left(place, span, middle, change)
        if start < middle:
            yield from self._pieces((2 * number, depth + 1), (span[0], middle), left, start, min(end, middle))
        if end > middle:
            yield from self._pieces((2 * number + 1, depth + 1), (middle, span[1]), change - left, max(start, middle), end)

    def _left(self, place: tuple[int, int], span: tuple[float, float], middle: float, change: Tensor) -> Tensor:
        """Brownian bridge: the change up to the middle, given the whole change."""
        if place in self._lefts:
            self._lefts.move_to_end(place)
            return self._lefts[place]
        before, after, inverse = middle - span[0], span[1] - middle, 1 / (span[1] - span[0])
        left = before * change * inverse + math.sqrt(before * after * inverse) * self._draw(_seed(self._entropy, place))
        self._lefts[place] = left
        if len(self._lefts) > CACHED_SPLITS:
            self._lefts.popitem(last=False)
        return left


class BrownianNoise:
    """Standard normal noise for a step from one sigma to the next; one path per image."""

    def __init__(self, low: float, high: float, entropies: Sequence[int], draw: Draw) -> None:
        self._paths = [BrownianPath(low, high, entropy, draw) for entropy in entropies]

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        """Sigmas: 0-dim CPU tensors, falling. Returns (B, C, h, w), or (C, h, w)'s batch where the one path spans it."""
        changes = [path.increment(float(sigma_next), float(sigma)) for path in self._paths]
        return torch.stack(changes) / -(sigma_next - sigma).abs().sqrt()


def _seed(entropy: int, place: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(entropy=entropy, spawn_key=place, pool_size=POOL).generate_state(1)[0])

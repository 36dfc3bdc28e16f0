"""The random numbers of a CUDA card, on any machine: Philox 4x32-10 (Salmon et al. 2011) and Box–Muller, as cuRAND has them."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # golden ratio, √3 − 1
ROUNDS = 10
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
TO_UNIT = np.float32(2.3283064e-10)  # 2^-32, as cuRAND writes it
TO_ANGLE = np.float32(2.3283064e-10 * 6.2831855)

Words = npt.NDArray[np.uint64]


class Philox:
    """One stream. Each draw raises the first counter by one, each element has its own third counter."""

    def __init__(self, seed: int) -> None:
        self._seed = seed % 2**64
        self._draws = 0

    def randn(self, shape: Sequence[int]) -> npt.NDArray[np.float32]:
        first, second = philox(self._seed, self._draws, math.prod(shape))
        self._draws += 1
        return _box_muller(first, second).reshape(shape)


def philox(seed: int, draw: int, count: int) -> tuple[Words, Words]:
    """The first two of the four words of each counter (draw, 0, element, 0), as 32-bit numbers."""
    a, b, d = (np.full(count, value, np.uint64) for value in (draw, 0, 0))
    c = np.arange(count, dtype=np.uint64)
    for turn in range(ROUNDS):
        key0, key1 = (np.uint64((part + turn * step) & 0xFFFFFFFF) for part, step in zip((seed, seed >> 32), KEY_STEPS, strict=True))
        first, second = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b, c, d = (second >> HALF) ^ b ^ key0, second & LOW, (first >> HALF) ^ d ^ key1, first & LOW
    return a, b


def _box_muller(first: Words, second: Words) -> npt.NDArray[np.float32]:
    u = first.astype(np.float64) * np.float64(TO_UNIT) + np.float64(TO_UNIT / 2)
    v = second.astype(np.float64) * np.float64(TO_ANGLE) + np.float64(TO_ANGLE / 2)
    return (np.sqrt(-2 * np.log(u)) * np.sin(v)).astype(np.float32)

"""Soft inpainting's last step: which parts of the finished picture have changed so much that they take the place of the original."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from backend.images.resize import FILL, resize
from backend.request import SoftInpaint

Map = NDArray[np.float64]  # (h, w), a number for each pixel of the latent

REACH = 2  # pixels of the latent, to each side
SPREAD = 1.5  # of the bell that weighs them
HIGHEST, MIDDLE = (0.9, 1.0), (0.25, 0.75)  # quantiles: first a spot grows to its surroundings, then single ones are smoothed away
LEAST_WEIGHT = 1.0  # of what is averaged: as much as the pixel in the middle
EDGE_BLUR = 4  # pixels of the picture


def changed(difference: NDArray[np.float32], mask: NDArray[np.float32], soft: SoftInpaint, width: int, height: int) -> Image.Image:
    """L, width × height, white = take the drawn picture. difference: length of what changed in the latent, (h, w); mask: of the latent, 0…1."""
    smooth = _quantile_mean(_quantile_mean(difference.astype(np.float64), *HIGHEST), *MIDDLE)
    half = soft.difference_threshold * _leniency(mask.astype(np.float64), soft)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(half > 0, smooth / half, np.inf)
        kept = _smootherstep(1 / (1 + ratio**soft.difference_contrast))
    levels = (255 * (1 - kept)).astype(np.uint8)
    return resize(Image.fromarray(levels), FILL, width, height).convert("L").filter(ImageFilter.GaussianBlur(EDGE_BLUR))


def _leniency(mask: Map, soft: SoftInpaint) -> Map:
    """How much more than the threshold may change: 1 everywhere where the mask has no influence, less where it is white, more where it is black."""
    black = 1 - mask.clip(0, 1) ** (soft.preservation_strength / 2)
    share = 0.5 + (black - 0.5) * soft.mask_influence
    return share / (1.00001 - share)


def _quantile_mean(values: Map, low: float, high: float) -> Map:
    """For each pixel the mean of what lies between two quantiles of its surroundings, which count the less the farther off they are."""
    weights = _surroundings(np.ones_like(values)) * _bell().ravel()
    values = _surroundings(values)
    order = np.argsort(values, axis=-1)
    values, weights = np.take_along_axis(values, order, -1), np.take_along_axis(weights, order, -1)
    ends = weights.cumsum(-1)
    total = ends[..., -1:]
    start, stop = _at_least(total * low, total * high, total)
    taken = (np.minimum(ends, stop) - np.maximum(ends - weights, start)).clip(0)
    result: Map = (values * taken).sum(-1) / taken.sum(-1)
    return result


def _at_least(start: Map, stop: Map, total: Map) -> tuple[Map, Map]:
    """Widened around its middle to LEAST_WEIGHT, as far as there is room in 0…total."""
    more = (LEAST_WEIGHT - (stop - start)).clip(0) / 2
    start, stop = start - more, stop + more
    over = (stop - total).clip(0)
    start = (start - over).clip(0)
    return start, np.where(more > 0, start + LEAST_WEIGHT, stop)


def _surroundings(values: Map) -> Map:
    """(h, w) → (h, w, 25); 0 where there is no pixel."""
    side = 2 * REACH + 1
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, REACH), (side, side)).reshape(*values.shape, side * side)


def _bell() -> Map:
    """A Gaussian, 1 in the middle, lowered so that it ends at 0 one pixel behind the last."""
    squares = np.arange(-REACH, REACH + 1) ** 2
    end = np.exp(-((REACH + 1) ** 2) / SPREAD**2)
    bell: Map = ((np.exp(-(squares[:, None] + squares) / SPREAD**2) - end) / (1 - end)).clip(0)
    return bell


def _smootherstep(x: Map) -> Map:
    """Perlin 2002: 0…1 with flat ends."""
    return x**3 * (x * (6 * x - 15) + 10)

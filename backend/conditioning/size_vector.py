"""SDXL's knowledge of sizes: original size, crop, target size (or the refiner's aesthetic score) as sines and cosines."""

import math

import torch
from torch import Tensor

from backend.job import ConditioningOptions

FREQUENCIES = 128
LONGEST_PERIOD = 10000.0


def size_vector(family: str, size: tuple[int, int], options: ConditioningOptions, *, negative: bool) -> Tensor:
    """(256·numbers,) float32. size: width and height in pixels, which is original and target size at once, as in A1111."""
    width, height = size
    crop = (options.sdxl_crop_top, options.sdxl_crop_left)
    if family == "SDXL Refiner":
        score = options.sdxl_refiner_low_aesthetic_score if negative else options.sdxl_refiner_high_aesthetic_score
        return _waves((height, width, *crop, score))
    return _waves((height, width, *crop, height, width))


def _waves(numbers: tuple[float, ...]) -> Tensor:
    """Each number as 128 cosines, then 128 sines."""
    frequencies = torch.exp(-math.log(LONGEST_PERIOD) * torch.arange(FREQUENCIES, dtype=torch.float32) / FREQUENCIES)
    angles = torch.tensor(numbers, dtype=torch.float32)[:, None] * frequencies  # (n, 128)
    return torch.cat([angles.cos(), angles.sin()], dim=1).flatten()

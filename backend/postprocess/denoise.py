"""Noise out of a picture, edges kept: non-local means (Buades, Coll, Morel 2005), a weighted mean of pixels whose surroundings look alike."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from backend.errors import Interrupted

PATCH = 5  # pixels of a side, of the surroundings that are compared
SEARCH = 7  # pixels in each direction, where alike ones are looked for
SOFTNESS = 0.55  # of the weights' fall, in units of the noise
CLEAN = 0.002  # a noise, in 0…1, that nobody sees


def denoise(image: Image.Image, strength: float, *, device: torch.device, cancelled: Callable[[], bool]) -> Image.Image:
    """RGB → RGB. The noise is measured in the picture; strength 1 = remove so much. Raises Interrupted."""
    pixels = torch.from_numpy(np.asarray(image, np.float32) / 255).to(device).permute(2, 0, 1)[None]  # (1, 3, h, w)
    sigma = noise_level(pixels) * strength
    if sigma < CLEAN:
        return image
    cleaned = _non_local_means(pixels, sigma, cancelled)
    levels = cleaned[0].clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def noise_level(pixels: Tensor) -> float:
    """Standard deviation of the noise in 0…1 (Immerkær 1996, as a median, so that edges count less). pixels: (1, 3, h, w)"""
    if min(pixels.shape[-2:]) < 3:
        return 0.0
    kernel = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]], device=pixels.device)
    response = F.conv2d(pixels.transpose(0, 1), kernel[None, None])
    return float(response.abs().median() / 6 / 0.6745)  # 6: the kernel's norm; 0.6745: a normal distribution's median deviation


def _non_local_means(pixels: Tensor, sigma: float, cancelled: Callable[[], bool]) -> Tensor:
    """Sums over shifts of the whole picture, so that memory does not grow with the search."""
    padded = F.pad(pixels, [SEARCH] * 4, mode="replicate")
    total, weights, strongest = torch.zeros_like(pixels), torch.zeros_like(pixels[:, :1]), torch.zeros_like(pixels[:, :1])
    height, width = pixels.shape[-2:]
    for y, x in _shifts():
        if cancelled():
            raise Interrupted
        other = padded[..., SEARCH + y : SEARCH + y + height, SEARCH + x : SEARCH + x + width]
        distance = F.avg_pool2d((pixels - other).square().mean(1, keepdim=True), PATCH, 1, PATCH // 2, count_include_pad=False)
        weight = torch.exp(-(distance - 2 * sigma**2).clamp(min=0) / (SOFTNESS * sigma) ** 2)
        total += weight * other
        weights += weight
        strongest = torch.maximum(strongest, weight)
    strongest = strongest.clamp(min=1e-3)  # a pixel like no other stays as it is
    return (total + strongest * pixels) / (weights + strongest)


def _shifts() -> Iterator[tuple[int, int]]:
    around = range(-SEARCH, SEARCH + 1)
    return ((y, x) for y in around for x in around if (y, x) != (0, 0))

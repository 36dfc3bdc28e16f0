"""Latents for the hires pass: larger, and cut to the size that was asked for."""

import torch.nn.functional as F
from torch import Tensor

from backend.sampling.names import LatentUpscaleMode


def upscale_latent(latent: Tensor, mode: LatentUpscaleMode, width: int, height: int) -> Tensor:
    """(B, C, h, w) → (B, C, height // 8, width // 8); width, height: pixels."""
    return F.interpolate(latent, size=(height // 8, width // 8), mode=mode.mode, antialias=mode.antialias)


def crop_latent(latent: Tensor, width: int, height: int) -> Tensor:
    """The middle, of this size in pixels; of an odd rest the larger half goes at the right and at the bottom, as in A1111."""
    left, top = (latent.shape[3] - width // 8) // 2, (latent.shape[2] - height // 8) // 2
    return latent[:, :, top : top + height // 8, left : left + width // 8]

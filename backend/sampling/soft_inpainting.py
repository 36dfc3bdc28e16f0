"""Soft inpainting in the latent: what a mask covers in part is drawn in part, the more of it the less noise is left."""

import torch
from torch import Tensor

from backend.request import SoftInpaint

TINY = 1e-5  # keeps a latent of nothing from a division by zero


def covered(mask: Tensor, level: float, soft: SoftInpaint) -> Tensor:
    """mask ^ (strength · level ^ bias): of 1 always 1, of less the nearer to 0 the more noise there is. mask: 0…1."""
    return mask ** (soft.preservation_strength * level**soft.schedule_bias)


def blend(original: Tensor, drawn: Tensor, share: Tensor, boost: float) -> Tensor:
    """A mix of two latents (B, C, h, w) that is as strong as they are: a plain mean of two vectors is shorter than both, which shows as a loss of contrast.

    share: of drawn, (1 or B, 1, h, w), 0…1. The length of the mixed vectors is the power mean of the two lengths, with the exponent `boost`: of the
    larger one the more, the larger the exponent.
    """
    mixed = torch.lerp(original, drawn, share.to(drawn.dtype))
    wanted = torch.lerp(_lengths(original) ** boost, _lengths(drawn) ** boost, share.double()) ** (1 / boost)
    return mixed * (wanted / (_lengths(mixed) + TINY)).to(mixed.dtype)


def _lengths(latent: Tensor) -> Tensor:
    """(B, C, h, w) → (B, 1, h, w), with room for large exponents."""
    return torch.linalg.vector_norm(latent, dim=1, keepdim=True).double()

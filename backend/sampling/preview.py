"""A latent, seen without the VAE: each latent pixel's channels mixed to a color."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

Mix = tuple[tuple[float, float, float], ...]  # a row per latent channel: its share in red, green, blue, for colors in −1…1

# least-squares fits of latents to their decoded pictures, as InvokeAI publishes them (Apache-2.0)
SD: Mix = ((0.3444, 0.1385, 0.0670), (0.1247, 0.4027, 0.1494), (-0.3192, 0.2513, 0.2103), (-0.1307, -0.1874, -0.7445))
SDXL: Mix = ((0.3816, 0.4930, 0.5320), (-0.3753, 0.1631, 0.1739), (0.1770, 0.3588, -0.2048), (-0.4350, -0.2644, -0.4289))

MIXES: Mapping[str, Mix] = MappingProxyType({"SD1": SD, "SD2": SD, "SDXL": SDXL, "SDXL Refiner": SDXL})


def approximate(latent: Tensor, family: str) -> Tensor:
    """(B, 4, h, w) → (B, 3, h, w) uint8 on the CPU, an eighth of the picture's size."""
    mix = torch.tensor(MIXES[family], device=latent.device)
    colors = torch.einsum("bchw,cr->brhw", latent.float(), mix)
    return ((colors + 1) / 2).clamp(0, 1).mul(255).to("cpu", torch.uint8)

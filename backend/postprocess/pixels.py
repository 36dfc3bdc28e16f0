"""Pictures and tensors, as upscalers see them."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

LARGEST = 300_000_000  # pixels of a result: 900 MB


def to_pixels(image: Image.Image) -> Tensor:
    """(1, 3, h, w) in 0…1. Blue comes first, as A1111 has it, although most models were trained on red first: it shows as a faint shift of colors."""
    levels = np.asarray(image, np.float32)[..., ::-1] / 255
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None]


def to_image(pixels: Tensor) -> Image.Image:
    """(3, h, w), blue first"""
    levels = pixels.flip(0).clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())

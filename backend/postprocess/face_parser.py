"""What of an upright face is face: ParseNet (Chen et al. 2020, PSFR-GAN), with the names of facexlib's parsing_parsenet.pth; and the mask to paste by."""

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.postprocess.layers import Weights, conv, count, norm

# Of its 19 classes: background, hat, earring, necklace and neck, clothes are not pasted, as in facexlib.
NOT_FACE = (0, 14, 16, 17, 18)
BLUR, KERNEL, TIMES = 11.0, 101, 2  # sigma and size of the mask's blur, and how often
BORDER = 10  # pixels at each side that are never pasted
FEATHER = 51  # pixels of the border where there is no ParseNet: a tenth of the face, as facexlib's square mask has


def face_mask(weights: Weights, face: Tensor) -> Tensor:
    """(1, 3, 512, 512) in −1…1 → (1, 1, 512, 512) in 0…1. Raises KeyError for weights of another network."""
    classes = parsenet(weights, face).argmax(dim=1, keepdim=True)
    mask = torch.isin(classes, torch.tensor(NOT_FACE, device=classes.device), invert=True).to(face.dtype)
    for _ in range(TIMES):
        mask = _blurred(mask, KERNEL, BLUR)
    return _bordered(mask, BORDER)


def square_mask(size: int) -> Tensor:
    """Without any network: the whole square, with soft edges. (1, 1, size, size)"""
    mask = _bordered(torch.ones(1, 1, size, size), FEATHER)
    return _blurred(mask, FEATHER, 0.3 * ((FEATHER - 1) * 0.5 - 1) + 0.8)  # OpenCV's sigma for a kernel of this size


def parsenet(weights: Weights, x: Tensor) -> Tensor:
    """(1, 3, h, w) → (1, 19, h, w)"""
    x = _layer(weights, "encoder.0", x)
    for block in range(1, count(weights, "encoder")):
        x = _block(weights, f"encoder.{block}", x, down=True)
    kept = x
    for block in range(count(weights, "body")):
        x = _block(weights, f"body.{block}", x)
    x = kept + x
    for block in range(count(weights, "decoder")):
        x = _block(weights, f"decoder.{block}", x, up=True)
    return _layer(weights, "out_mask_conv", x)


def _block(weights: Weights, name: str, x: Tensor, *, down: bool = False, up: bool = False) -> Tensor:
    kept = _layer(weights, f"{name}.shortcut_func", x, down=down, up=up) if down or up else x
    x = F.leaky_relu(_layer(weights, f"{name}.conv1", x, up=up), 0.2)
    return kept + _layer(weights, f"{name}.conv2", x, down=down)


def _layer(weights: Weights, name: str, x: Tensor, *, down: bool = False, up: bool = False) -> Tensor:
    x = F.interpolate(x, scale_factor=2, mode="nearest") if up else x
    x = conv(weights, f"{name}.conv2d", F.pad(x, (1, 1, 1, 1), mode="reflect"), 2 if down else 1, pad=0)
    return norm(weights, f"{name}.norm.norm", x) if f"{name}.norm.norm.weight" in weights else x


def _blurred(mask: Tensor, size: int, sigma: float) -> Tensor:
    places = torch.arange(size, device=mask.device, dtype=mask.dtype) - (size - 1) / 2
    kernel = torch.exp(-(places**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    mask = F.pad(mask, [size // 2] * 4, mode="reflect")
    return F.conv2d(F.conv2d(mask, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def _bordered(mask: Tensor, width: int) -> Tensor:
    """Zero along the sides."""
    return F.pad(mask[..., width:-width, width:-width], [width] * 4)

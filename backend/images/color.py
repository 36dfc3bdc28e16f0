"""Colour correction: a picture takes over how the colours of another one are distributed, and keeps its own brightness."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# CIE's: sRGB primaries → XYZ for the white of D65
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = np.array([0.950456, 1.0, 1.088754])
_LUMA = np.array([0.3, 0.59, 0.11])  # as in the W3C's compositing


def match_colors(image: Image.Image, reference: Image.Image) -> Image.Image:
    """Histograms of the three L*a*b* channels are matched to the reference's, then the old luminosity is laid over. RGB, 8 bits, as in A1111."""
    source, wanted = _to_lab(image), _to_lab(reference)
    matched = np.stack([_matched(source[..., channel], wanted[..., channel]) for channel in range(3)], axis=-1)
    return _with_luminosity(_from_lab(matched), np.asarray(image.convert("RGB")))


def _matched(values: NDArray[np.uint8], reference: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each level becomes the one that as much of the reference lies below."""
    counts, wanted = np.bincount(values.ravel(), minlength=256), np.bincount(reference.ravel(), minlength=256)
    levels = np.flatnonzero(wanted)
    quantiles = np.cumsum(wanted[levels]) / reference.size
    return np.interp(np.cumsum(counts) / values.size, quantiles, levels)[values].astype(np.uint8)


def _to_lab(image: Image.Image) -> NDArray[np.uint8]:
    """8 bits: L* · 2.55, a* + 128, b* + 128. In OpenCV's whole numbers: a level more or less moves whole bins of a histogram."""
    levels = np.arange(256) / 255
    linear = np.rint(255 * 8 * np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)).astype(np.int64)  # 11 bits
    steps = np.arange(256 * 12) / (255 * 8)
    roots = np.rint(2**15 * np.where(steps < 0.008856, 7.787 * steps + 16 / 116, np.cbrt(steps))).astype(np.int64)
    to_xyz = np.rint(2**12 * _TO_XYZ / _WHITE[:, None]).astype(np.int64)
    x, y, z = np.moveaxis(roots[_shifted(linear[np.asarray(image.convert("RGB"))] @ to_xyz.T, 12)], -1, 0)
    lightness = 296 * y - (16 * 255 * 2**15 + 50) // 100
    lab = np.stack([lightness, 500 * (x - y) + (128 << 15), 200 * (y - z) + (128 << 15)], axis=-1)
    return _shifted(lab, 15).clip(0, 255).astype(np.uint8)


def _shifted(values: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Divided by 2^bits and rounded."""
    return (values + (1 << (bits - 1))) >> bits


def _from_lab(lab: NDArray[np.uint8]) -> NDArray[np.uint8]:
    lightness, a, b = (lab[..., channel].astype(np.float64) - (0 if channel == 0 else 128) for channel in range(3))
    lightness = lightness / 2.55
    low = lightness <= 7.9996
    y = np.where(low, lightness / 903.3, ((lightness + 16) / 116) ** 3)
    fy = np.where(low, 7.787 * y + 16 / 116, (lightness + 16) / 116)
    f = np.stack([fy + a / 500, fy, fy - b / 200], axis=-1)
    xyz = np.where(f <= 0.206893, (f - 16 / 116) / 7.787, f**3)
    xyz[..., 1] = y
    linear = ((xyz * _WHITE) @ np.linalg.inv(_TO_XYZ).T).clip(0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(rgb * 255).clip(0, 255).astype(np.uint8)


def _with_luminosity(colors: NDArray[np.uint8], light: NDArray[np.uint8]) -> Image.Image:
    """The W3C's blend mode "luminosity": hue and saturation of colors, luma of light."""
    below = colors / 255.0
    luma = (light / 255.0) @ _LUMA
    moved = below + (luma - below @ _LUMA)[..., None]
    lowest, highest, middle = moved.min(axis=-1, keepdims=True), moved.max(axis=-1, keepdims=True), luma[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(lowest < 0, middle + (moved - middle) * middle / (middle - lowest), moved)
        moved = np.where(highest > 1, middle + (moved - middle) * (1 - middle) / (highest - middle), moved)
    return Image.fromarray((np.nan_to_num(moved).clip(0, 1) * 255).astype(np.uint8))

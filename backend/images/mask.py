"""Inpainting's pictures: the mask, the part that is drawn, what lies under the mask, and the finished picture back in its place.

Masks are "L", white = draw anew. Boxes are left, top, right, bottom.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from backend.images.resize import CROP, resize

Box = tuple[int, int, int, int]

FILL_BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))  # radius, how often laid over the one before


def as_mask(image: Image.Image, *, round: bool) -> Image.Image:
    """Of a picture with transparent parts its alpha, of others the brightness. round: alpha counts as all or nothing."""
    if image.mode != "RGBA" or image.getextrema()[-1] == (255, 255):
        return image.convert("L")
    alpha = image.getchannel("A")
    return alpha.point([0] * 129 + [255] * 127) if round else alpha


def blur(mask: Image.Image, sigma_x: int, sigma_y: int) -> Image.Image:
    """Gaussian, to 2.5 sigma on each side; at the edges the mask is mirrored. 0 = not in this direction. To the bit what OpenCV gives, as in A1111."""
    levels = np.asarray(mask, np.int64)
    for axis, sigma in ((1, sigma_x), (0, sigma_y)):
        if sigma > 0:
            levels = _blurred(levels, sigma, axis)
    return Image.fromarray(levels.astype(np.uint8))


def _blurred(levels: NDArray[np.int64], sigma: int, axis: int) -> NDArray[np.int64]:
    kernel = _gaussian(sigma)
    reach, size = len(kernel) // 2, levels.shape[axis]
    places = np.arange(-reach, size + reach)
    mirrored = np.abs((places + size - 1) % max(2 * (size - 1), 1) - (size - 1)) if size > 1 else np.zeros_like(places)
    window = np.lib.stride_tricks.sliding_window_view(levels.take(mirrored, axis=axis), len(kernel), axis=axis)  # type: ignore[call-overload]
    return (window @ kernel + 128) >> 8


def _gaussian(sigma: int) -> NDArray[np.int64]:
    """In 256ths: rounded from the ends to the middle, what rounding leaves is carried on, and the middle takes the rest."""
    reach = int(2.5 * sigma + 0.5)
    exact = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    exact *= 256 / exact.sum()
    side, left_over = [], 0.0
    for weight in exact[:reach].tolist():
        side.append(round(weight + left_over))
        left_over += weight - side[-1]
    return np.array([*side, 256 - 2 * sum(side), *side[::-1]], np.int64)


def region(mask: Image.Image, padding: int, width: int, height: int) -> Box | None:
    """What "Only masked" draws: the mask's surroundings, widened to the proportions of width × height as far as there is room. None: the mask is empty."""
    found = mask.getbbox()
    if found is None:
        return None
    left, top, right, bottom = found
    left, top = max(left - padding, 0), max(top - padding, 0)
    right, bottom = min(right + padding, mask.width), min(bottom + padding, mask.height)
    wanted = width / height
    if (right - left) / (bottom - top) > wanted:
        top, bottom = _widened(top, bottom, (right - left) / wanted, mask.height)
    else:
        left, right = _widened(left, right, (bottom - top) * wanted, mask.width)
    return left, top, right, bottom


def _widened(start: int, stop: int, length: float, room: int) -> tuple[int, int]:
    more = int(length - (stop - start))
    start, stop = start - more // 2, stop + more - more // 2
    over = max(stop - room, 0)
    start, stop = start - over, stop - over
    under = max(-start, 0)
    return start + under, min(stop + under, room)


def filled(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Under the mask the colours around it, smeared."""
    kept, result = without(image, mask).convert("RGBa"), Image.new("RGBA", image.size)
    for radius, times in FILL_BLURS:
        smeared = kept.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            result.alpha_composite(smeared)
    return result.convert("RGB")


def without(image: Image.Image, mask: Image.Image) -> Image.Image:
    """RGBA: transparent where the mask is white."""
    kept = Image.new("RGBa", image.size)
    kept.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask.convert("L")))
    return kept.convert("RGBA")


def put_back(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
    """RGBA of this size: the picture at its place, and nothing around it."""
    left, top, right, bottom = box
    whole = Image.new("RGBA", size)
    whole.paste(resize(image, CROP, right - left, bottom - top), (left, top))
    return whole


def composite(image: Image.Image, mask: Image.Image) -> Image.Image:
    """RGBA: what was drawn anew alone."""
    mask = resize(mask, 2, *image.size).convert("L")
    return Image.composite(image.convert("RGBA").convert("RGBa"), Image.new("RGBa", image.size), mask).convert("RGBA")


def doubled(mask: Image.Image) -> Image.Image:
    """Twice as white: what the blur made half white is drawn anew altogether."""
    return Image.fromarray((np.asarray(mask, np.float32) * 2).clip(0, 255).astype(np.uint8))


def flattened(image: Image.Image, background: str) -> Image.Image:
    """RGB; transparent parts show the background."""
    if image.mode != "RGBA" and "transparency" not in image.info:
        return image.convert("RGB")
    below = Image.new("RGBA", image.size, background)
    below.alpha_composite(image.convert("RGBA"))
    return below.convert("RGB")

"""Variants of one emoji picture: recoloured, moved a little, on a background, or redrawn in the style of a LoRA. Pictures are (128, 128, 3) in 0…1."""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Floats = NDArray[np.floating]
Bytes = NDArray[np.uint8]

SIZE = 128


def compose(rgba: Bytes, background: tuple[int, ...]) -> Floats:
    """Premultiplied RGBA on a plain colour."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return rgba[..., :3].astype(np.float32) / 255 + (1 - alpha) * (np.asarray(background, np.float32) / 255)


def jitter(rgba: Bytes, rng: random.Random, mirror: bool = True) -> Bytes:
    """Another scale (94 to 103 %), moved by up to 2 pixels, sometimes mirrored."""
    size = round(SIZE * rng.uniform(0.94, 1.03))
    scaled = np.asarray(Image.fromarray(rgba, "RGBA").resize((size, size), Image.Resampling.BILINEAR)) if size != SIZE else rgba
    result = np.zeros((SIZE, SIZE, 4), np.uint8)
    margin = max(0, (SIZE - size) // 2) if size < SIZE else 0
    if size <= SIZE:
        reach = min(2, margin)
        x, y = margin + rng.randint(-reach, reach), margin + rng.randint(-reach, reach)
        result[y : y + size, x : x + size] = scaled
    else:
        cut = (size - SIZE) // 2
        result[:] = scaled[cut : cut + SIZE, cut : cut + SIZE]
    if mirror and rng.random() < 0.3:
        result = result[:, ::-1]
    return np.ascontiguousarray(result)


def recolour(rgba: Bytes, hue: float, name: str) -> Bytes:
    """Turn the ruling hue to `hue` degrees; a picture without one (white, grey) is tinted."""
    alpha = rgba[..., 3:] / 255.0
    h, s, v = to_hsv(np.clip(rgba[..., :3] / 255.0 / np.maximum(alpha, 1e-3), 0, 1))
    ruling = ruling_hue(rgba)
    if ruling is None:
        s, h = np.where(v > 0.45, np.maximum(s, 0.55), s), np.full_like(h, hue)
    else:
        near = np.abs((h - ruling + 180) % 360 - 180) < 50
        h = np.where(near, (h - ruling + hue) % 360, h)
    if name == "pink":
        s, v = s * 0.62, np.clip(v * 1.15 + 0.05, 0, 1)
    if name == "yellow":
        v = np.clip(v * 1.1 + 0.1, 0, 1)
    result = rgba.copy()
    result[..., :3] = (np.clip(to_rgb(h, s, v), 0, 1) * alpha * 255 + 0.5).astype(np.uint8)
    return result


def ruling_hue(rgba: Bytes) -> float | None:
    """The hue, to 10 degrees, that at least 45 % of the coloured area shares with its neighbours; None where there is none."""
    alpha = rgba[..., 3] / 255.0
    h, s, v = to_hsv(np.clip(rgba[..., :3] / 255.0 / np.maximum(alpha, 1e-3)[..., None], 0, 1))
    weight = alpha * (s > 0.3) * (v > 0.25) * s
    if weight.sum() < 300:
        return None
    counts = np.bincount((h // 10).astype(int).ravel() % 36, weight.ravel(), 36)
    smooth = counts + np.roll(counts, 1) + np.roll(counts, -1)
    best = int(smooth.argmax())
    return best * 10 + 5 if smooth[best] >= 0.45 * counts.sum() else None


def to_hsv(rgb: Floats) -> tuple[Floats, Floats, Floats]:
    """Hue in degrees, saturation and value in 0…1."""
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    high, low = rgb.max(-1), rgb.min(-1)
    spread, hue = high - low, np.zeros_like(high)
    coloured = spread > 1e-6
    for at, value in (
        (coloured & (high == b) & (high != r) & (high != g), (r - g) / np.where(coloured, spread, 1) + 4),
        (coloured & (high == g) & (high != r), (b - r) / np.where(coloured, spread, 1) + 2),
        (coloured & (high == r), ((g - b) / np.where(coloured, spread, 1)) % 6),
    ):
        hue[at] = value[at]
    return hue * 60, np.where(high > 0, spread / np.maximum(high, 1e-6), 0), high


def to_rgb(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    def channel(n: int) -> Floats:
        k = (n + hue / 60) % 6
        return value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)

    return np.stack([channel(5), channel(3), channel(1)], -1)


# Styles: what a LoRA learns to draw.


def image(picture: Floats) -> Image.Image:
    return Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _floats(picture: Image.Image) -> Floats:
    return np.asarray(picture).astype(np.float32) / 255


def pixel_art(picture: Floats) -> Floats:
    """16 × 16 big pixels."""
    return _floats(image(picture).resize((16, 16), Image.Resampling.BOX).resize((SIZE, SIZE), Image.Resampling.NEAREST))


def edges(picture: Floats) -> Floats:
    """(128, 128): 1 where a colour changes."""
    soft = _floats(image(picture).filter(ImageFilter.GaussianBlur(1)))
    strength = np.zeros((SIZE, SIZE), np.float32)
    for channel in range(3):
        strength = np.maximum(strength, np.hypot(*np.gradient(soft[..., channel])))
    thin = Image.fromarray((np.clip(strength * 7, 0, 1) * 255).astype(np.uint8))
    return _floats(thin.filter(ImageFilter.MaxFilter(3)))


def line_art(picture: Floats) -> Floats:
    return np.repeat(1 - edges(picture)[..., None], 3, -1)


def neon(picture: Floats) -> Floats:
    """Outlines in the pure colour of what they surround, with a glow, on black."""
    outline = edges(picture)[..., None]
    pure = picture - picture.min(-1, keepdims=True)
    strongest = pure.max(-1, keepdims=True)
    colour = np.where(strongest > 0.15, pure / np.maximum(strongest, 0.15), 0.9)
    glow = _floats(image(np.repeat(outline, 3, -1) * colour).filter(ImageFilter.GaussianBlur(4)))
    return np.clip(outline * colour + 0.75 * glow, 0, 1)


STYLES: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType({"pixel-art": pixel_art, "line-art": line_art, "neon": neon})


def night_sky(rgba: Bytes, rng: random.Random) -> Floats:
    """A thing before a dark blue sky with stars and a bright horizon."""
    height = np.linspace(0, 1, SIZE)[:, None, None] ** 1.5
    sky = (1 - height) * np.array([10, 14, 50]) / 255 + height * np.array([60, 60, 140]) / 255 + np.zeros((SIZE, SIZE, 3))
    for _ in range(26):
        x, y, r = rng.randrange(4, 124), rng.randrange(4, 100), rng.choice([2, 2, 3])
        sky[y - r : y + r, x - r : x + r] = [1, 1, 0.85]
    alpha = rgba[..., 3:] / 255.0
    return np.clip(rgba[..., :3] / 255.0 * 0.85 + (1 - alpha) * sky, 0, 1).astype(np.float32)

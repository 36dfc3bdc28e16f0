"""The size that suits a picture's shape, and the crop to it."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from backend.postprocess.steps import Labels, Tools

GRID = 64  # pixels: sides are the lower bound and multiples of this above it


def crop_step(image: Image.Image, options: Mapping[str, Any], tools: Tools) -> tuple[Image.Image, Labels]:
    size = best_size(image.size, options)
    if size is None:
        tools.comment(f"Auto-sized crop: no size between the bounds has about the shape of {image.width}x{image.height}; it stays as it is.")
        return image, {}
    return resized(image, size), {"Auto-sized crop": f"{size[0]}x{size[1]}"}


def best_size(size: tuple[int, int], options: Mapping[str, Any]) -> tuple[int, int] | None:
    """Of those within the bounds: the largest with an error below the threshold, or that of the smallest error; the other thing decides between equals."""
    sides = range(options["mindim"], options["maxdim"] + 1, GRID)
    sizes = [(w, h) for w in sides for h in sides if options["minarea"] <= w * h <= options["maxarea"] and error(size, (w, h)) <= options["threshold"]]
    if options["objective"] == 0:
        return max(sizes, key=lambda found: (found[0] * found[1], -error(size, found)), default=None)
    return max(sizes, key=lambda found: (-error(size, found), found[0] * found[1]), default=None)


def error(size: tuple[int, int], wanted: tuple[int, int]) -> float:
    """The part of the picture that is cut off: 0 for the same shape."""
    ratio = size[0] * wanted[1] / (size[1] * wanted[0])
    return 1 - min(ratio, 1 / ratio)


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of it."""
    scale = min(image.width / size[0], image.height / size[1])
    left, upper = (image.width - size[0] * scale) / 2, (image.height - size[1] * scale) / 2
    return image.resize(size, Image.Resampling.LANCZOS, (left, upper, image.width - left, image.height - upper))

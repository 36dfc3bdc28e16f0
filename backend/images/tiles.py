"""A big picture in tiles that overlap, and put together again so that no seam shows; as A1111 cuts and joins them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Where the tiles of a picture lie, row by row."""

    size: tuple[int, int]  # width and height of the picture, in pixels
    boxes: tuple[tuple[Box, ...], ...]
    overlap: int  # pixels, over which two neighbours are blended

    @property
    def flat(self) -> tuple[Box, ...]:
        return tuple(box for row in self.boxes for box in row)


def cut(size: tuple[int, int], width: int, height: int, overlap: int) -> Tiles:
    """Tiles of width × height; they are spread evenly, so that they may overlap by more than is asked for. overlap: less than both."""
    overlap = max(min(overlap, width - 1, height - 1), 0)
    lefts, tops = _starts(size[0], width, overlap), _starts(size[1], height, overlap)
    return Tiles(size=size, boxes=tuple(tuple((left, top, left + width, top + height) for left in lefts) for top in tops), overlap=overlap)


def _starts(whole: int, tile: int, overlap: int) -> list[int]:
    count = max(math.ceil((whole - overlap) / (tile - overlap)), 1)
    step = (whole - tile) / (count - 1) if count > 1 else 0
    return [whole - tile if number == count - 1 and count > 1 else int(number * step) for number in range(count)]


def join(tiles: Tiles, images: Sequence[Image.Image]) -> Image.Image:
    """images: in the order of tiles.flat, each of its box's size."""
    whole, pictures = Image.new("RGB", tiles.size), iter(images)
    for boxes in tiles.boxes:
        top, bottom = boxes[0][1], boxes[0][3]
        row = Image.new("RGB", (tiles.size[0], bottom - top))
        for left, *_ in boxes:
            _lay(row, next(pictures), (left, 0), _ramp(tiles.overlap, bottom - top, across=True) if left else None)
        _lay(whole, row, (0, top), _ramp(tiles.overlap, tiles.size[0], across=False) if top else None)
    return whole


def _lay(below: Image.Image, image: Image.Image, at: tuple[int, int], ramp: Image.Image | None) -> None:
    """ramp: how much of the picture's first pixels is seen."""
    if ramp is None:
        below.paste(image, at)
        return
    mask = Image.new("L", image.size, 255)
    mask.paste(ramp)
    below.paste(image, at, mask)


def _ramp(overlap: int, length: int, *, across: bool) -> Image.Image:
    """L, from 0 on; across: from left to right."""
    levels = (np.arange(overlap) * 255 / max(overlap, 1)).astype(np.uint8)
    grid = np.tile(levels, (length, 1))
    return Image.fromarray(grid if across else np.ascontiguousarray(grid.T))

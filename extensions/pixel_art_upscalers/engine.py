"""Mazzoleni's Scale2x (Johnston's EPX) and Scale3x: each pixel becomes 2 × 2 or 3 × 3, of its own colour or of a neighbour's. No colour is new."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.postprocess.added_upscaler import UpscalerTools

Colours = NDArray[np.uint32]  # (h, w), red, green and blue in one number
Pieces = Mapping[tuple[int, int], Colours]  # (row, column) within the block: that piece of every pixel


def scale2x(image: Image.Image, tools: UpscalerTools) -> Image.Image:
    return _picture(_pieces2(*_neighbours(_colours(image))), 2)


def scale3x(image: Image.Image, tools: UpscalerTools) -> Image.Image:
    return _picture(_pieces3(*_neighbours(_colours(image))), 3)


def _pieces2(a: Colours, b: Colours, c: Colours, d: Colours, e: Colours, f: Colours, g: Colours, h: Colours, i: Colours) -> Pieces:
    """The neighbourhood a b c / d e f / g h i: a corner takes the colour of the two neighbours there, where these are equal and their opposites are not."""
    edge = (b != h) & (d != f)
    return {
        (0, 0): np.where(edge & (d == b), d, e),
        (0, 1): np.where(edge & (b == f), f, e),
        (1, 0): np.where(edge & (d == h), d, e),
        (1, 1): np.where(edge & (h == f), f, e),
    }


def _pieces3(a: Colours, b: Colours, c: Colours, d: Colours, e: Colours, f: Colours, g: Colours, h: Colours, i: Colours) -> Pieces:
    """Corners as above; the middle of a side takes the neighbour there, if a corner beside it changed and the diagonal beyond the other one differs."""
    edge = (b != h) & (d != f)
    upper_left, upper_right, lower_left, lower_right = edge & (d == b), edge & (b == f), edge & (d == h), edge & (h == f)
    return {
        (0, 0): np.where(upper_left, d, e),
        (0, 1): np.where((upper_left & (e != c)) | (upper_right & (e != a)), b, e),
        (0, 2): np.where(upper_right, f, e),
        (1, 0): np.where((upper_left & (e != g)) | (lower_left & (e != a)), d, e),
        (1, 1): e,
        (1, 2): np.where((upper_right & (e != i)) | (lower_right & (e != c)), f, e),
        (2, 0): np.where(lower_left, d, e),
        (2, 1): np.where((lower_left & (e != i)) | (lower_right & (e != g)), h, e),
        (2, 2): np.where(lower_right, f, e),
    }


def _neighbours(colours: Colours) -> tuple[Colours, ...]:
    """Row by row from the upper left; beyond the border its pixels go on."""
    height, width = colours.shape
    around = np.pad(colours, 1, mode="edge")
    return tuple(around[y : y + height, x : x + width] for y in range(3) for x in range(3))


def _colours(image: Image.Image) -> Colours:
    levels = np.asarray(image, np.uint32)
    return (levels << np.array([16, 8, 0], np.uint32)).sum(axis=-1, dtype=np.uint32)


def _picture(pieces: Pieces, scale: int) -> Image.Image:
    height, width = pieces[0, 0].shape
    colours = np.empty((height * scale, width * scale), np.uint32)
    for (row, column), piece in pieces.items():
        colours[row::scale, column::scale] = piece
    return Image.fromarray(np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=-1).astype(np.uint8))

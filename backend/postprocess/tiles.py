"""A model over a picture that is too big for it: tiles that overlap, laid and blended as A1111 does."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from backend.job import Tiling


def places(length: int, tiling: Tiling) -> list[int]:
    """Where tiles start along a side that is longer than one; the last ends with the picture."""
    count = max(math.ceil((length - tiling.overlap) / (tiling.size - tiling.overlap)), 1)
    step = (length - tiling.size) / (count - 1) if count > 1 else 0
    return [min(int(i * step), length - tiling.size) for i in range(count)]


def run_tiled(model: Callable[[Tensor], Tensor], pixels: Tensor, tiling: Tiling, on_tile: Callable[[int, int], bool]) -> Tensor | None:
    """(1, 3, h, w) → (3, s·h, s·w) float32 on the CPU. on_tile: number and count of the tile that comes; False = stop, and None is returned."""
    height, width = pixels.shape[-2:]
    size = (min(tiling.size, height) or height, min(tiling.size, width) or width)  # 0 = whole
    overlap = min(tiling.overlap, *(side // 2 for side in size))
    rows, columns = (places(length, Tiling(size=side, overlap=overlap)) for length, side in zip((height, width), size, strict=True))
    canvas: Tensor | None = None
    for i, y in enumerate(rows):
        row: Tensor | None = None
        for j, x in enumerate(columns):
            if not on_tile(i * len(columns) + j, len(rows) * len(columns)):
                return None
            tile = model(pixels[..., y : y + size[0], x : x + size[1]])[0].float().cpu()
            scale = tile.shape[-1] // size[1]
            row = torch.zeros(tile.shape[0], size[0] * scale, width * scale) if row is None else row
            _lay(row, tile, x * scale, overlap * scale)
        assert row is not None
        scale = row.shape[-1] // width
        canvas = torch.zeros(row.shape[0], height * scale, width * scale) if canvas is None else canvas
        _lay(canvas.transpose(1, 2), row.transpose(1, 2), y * scale, overlap * scale)
    return canvas


def _lay(canvas: Tensor, tile: Tensor, start: int, overlap: int) -> None:
    """Along the last dimension; over what lies there already the tile comes in slowly."""
    end = start + tile.shape[-1]
    if start == 0 or overlap == 0:
        canvas[..., start:end] = tile
        return
    ramp = torch.arange(overlap) / overlap
    canvas[..., start : start + overlap] = torch.lerp(canvas[..., start : start + overlap], tile[..., :overlap], ramp)
    canvas[..., start + overlap : end] = tile[..., overlap:]

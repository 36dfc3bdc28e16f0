"""Several pictures as one, in rows and columns, as A1111 lays them out."""

import math
from collections.abc import Sequence

from PIL import Image


def row_count(pictures: int, *, n_rows: int = -1, batch_size: int = 1, prevent_empty_spots: bool = False) -> int:
    """n_rows: the setting. -1 = as square as it gets, 0 = as many as a batch has pictures."""
    rows = n_rows if n_rows > 0 else batch_size if n_rows == 0 else round(math.sqrt(pictures))
    if n_rows < 0 and prevent_empty_spots:
        rows = max(divisor for divisor in range(1, math.isqrt(pictures) + 1) if pictures % divisor == 0)
    return max(min(rows, pictures), 1)


def image_grid(images: Sequence[Image.Image], rows: int = 1, background: str = "#ffffff") -> Image.Image:
    """Row by row; a smaller picture stands in the middle of its cell."""
    columns = math.ceil(len(images) / rows)
    width, height = (max(sizes) for sizes in zip(*(image.size for image in images), strict=True))
    grid = Image.new("RGB", (columns * width, rows * height), background)
    for i, image in enumerate(images):
        left, top = i % columns * width, i // columns * height
        grid.paste(image, (left + (width - image.width) // 2, top + (height - image.height) // 2))
    return grid

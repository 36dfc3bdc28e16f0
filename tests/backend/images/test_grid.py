import pytest
from PIL import Image

from backend.images.grid import image_grid, row_count


@pytest.mark.parametrize(
    ("pictures", "rows"),
    [(1, 1), (2, 1), (3, 2), (4, 2), (5, 2), (6, 2), (7, 3), (9, 3), (12, 3), (13, 4)],
)
def test_a_grid_is_as_square_as_it_gets(pictures: int, rows: int):
    assert row_count(pictures) == rows


def test_the_setting_or_the_batch_size_may_say_how_many_rows():
    assert row_count(8, n_rows=3) == 3
    assert row_count(8, n_rows=0, batch_size=4) == 4
    assert row_count(2, n_rows=5) == 2


@pytest.mark.parametrize(("pictures", "rows"), [(5, 1), (6, 2), (8, 2), (9, 3), (7, 1), (12, 3)])
def test_empty_spots_can_be_prevented(pictures: int, rows: int):
    assert row_count(pictures, prevent_empty_spots=True) == rows
    assert pictures % rows == 0


def test_pictures_stand_row_by_row_and_smaller_ones_in_the_middle():
    colors = ["red", "lime", "blue"]
    images = [Image.new("RGB", (8, 8), color) for color in colors[:2]] + [Image.new("RGB", (4, 2), "blue")]
    grid = image_grid(images, rows=2, background="#102030")
    assert grid.size == (16, 16)
    assert [grid.getpixel(at) for at in ((0, 0), (8, 0), (4, 12))] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert [grid.getpixel(at) for at in ((1, 12), (4, 9), (12, 12))] == [(16, 32, 48)] * 3

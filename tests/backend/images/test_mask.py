import numpy as np
import pytest
from PIL import Image

from backend.images import mask as masks


def square(size: int = 64, box: tuple[int, int, int, int] = (16, 20, 40, 44)) -> Image.Image:
    mask = Image.new("L", (size, size))
    mask.paste(255, box)
    return mask


def test_alpha_is_the_mask_of_a_picture_with_transparent_parts():
    image = Image.new("RGBA", (2, 1), "white")
    image.putpixel((0, 0), (255, 255, 255, 100))
    assert list(masks.as_mask(image, round=True).get_flattened_data()) == [0, 255]
    assert list(masks.as_mask(image, round=False).get_flattened_data()) == [100, 255]
    assert list(masks.as_mask(Image.new("RGBA", (1, 1), (255, 0, 0, 255)), round=True).get_flattened_data()) == [76]


def test_blur_spreads_evenly_and_keeps_what_is_all_white_or_all_black():
    blurred = np.asarray(masks.blur(square(), 4, 0), int)
    assert blurred[30, 15] > 90 and blurred[30, 4] == 0 and blurred[19].max() == 0
    assert abs(blurred[30].sum() - 24 * 255) < 80
    for level in (0, 255):
        assert set(masks.blur(Image.new("L", (9, 7), level), 12, 3).get_flattened_data()) == {level}
    assert masks.blur(square(), 0, 0).tobytes() == square().tobytes()


def test_blur_is_opencvs_to_the_bit():
    row = np.asarray(masks.blur(square(9, (4, 0, 5, 9)), 1, 0), int)[4].tolist()
    assert row == row[::-1] and sum(row) in range(250, 261) and row[0] == row[8] == 0


@pytest.mark.parametrize(
    ("padding", "size", "box"),
    [(0, (64, 64), (16, 20, 40, 44)), (8, (64, 64), (8, 12, 48, 52)), (0, (128, 64), (4, 20, 52, 44)), (40, (64, 64), (0, 0, 64, 64))],
)
def test_the_region_has_the_proportions_that_are_drawn(padding: int, size: tuple[int, int], box: tuple[int, int, int, int]):
    assert masks.region(square(), padding, *size) == box


def test_the_region_is_moved_back_into_the_picture():
    assert masks.region(square(box=(0, 0, 8, 32)), 0, 64, 64) == (0, 0, 32, 32)
    assert masks.region(square(box=(56, 0, 64, 32)), 0, 64, 64) == (32, 0, 64, 32)


def test_an_empty_mask_has_no_region():
    assert masks.region(Image.new("L", (8, 8)), 4, 64, 64) is None


def test_fill_shows_nothing_of_what_lay_under_the_mask():
    image = Image.new("RGB", (64, 64), (10, 200, 30))
    image.paste("red", (20, 24, 36, 40))
    filled = np.asarray(masks.filled(image, square()), int)
    assert np.abs(filled - (10, 200, 30)).max() <= 6


def test_what_is_kept_and_what_is_drawn_make_up_the_whole():
    image, drawn = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (24, 24), "blue")
    whole = masks.put_back(drawn, (64, 64), (16, 20, 40, 44))
    whole.alpha_composite(masks.without(image, square()))
    assert whole.getpixel((20, 30)) == (0, 0, 255, 255) and whole.getpixel((2, 2)) == (255, 0, 0, 255)
    assert np.asarray(masks.composite(whole, square()))[2, 2, 3] == 0


def test_transparent_parts_show_the_background():
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (255, 0, 0, 0))
    assert list(masks.flattened(image, "#00ff00").get_flattened_data()) == [(255, 0, 0), (0, 255, 0)]

import numpy as np
from PIL import Image

from backend.images.color import match_colors


def noise(low: int, high: int, seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(low, high, (32, 32, 3), np.uint8))


def test_a_picture_matched_to_itself_stays_almost_as_it_is():
    image = noise(40, 216, 1)
    assert np.abs(np.asarray(match_colors(image, image), int) - np.asarray(image, int)).mean() < 3


def test_colours_come_from_the_reference_and_brightness_stays():
    image, red = noise(100, 140, 2), Image.fromarray(np.asarray(noise(100, 140, 3)) + np.array([90, 0, 0], np.uint8))
    matched, before = np.asarray(match_colors(image, red), float), np.asarray(image, float)
    assert matched[..., 0].mean() > matched[..., 1].mean() + 40
    luma = np.array([0.3, 0.59, 0.11])
    assert np.abs(matched @ luma - before @ luma).mean() < 2


def test_one_colour_alone_is_no_trouble():
    assert match_colors(Image.new("RGB", (4, 4)), Image.new("RGB", (8, 8), "white")).size == (4, 4)

import numpy as np
import pytest
from PIL import Image

from backend.images.resize import CROP, FILL, JUST_RESIZE, LATENT, resize


def halves(width: int, height: int) -> Image.Image:
    """Left red, right blue."""
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width // 2, height))
    return image


@pytest.mark.parametrize("mode", [JUST_RESIZE, CROP, FILL, LATENT])
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 96), (40, 8), (8, 40), (8, 8)])
@pytest.mark.parametrize("asked", [(64, 64), (96, 40), (40, 96)])
def test_every_mode_gives_the_size_that_was_asked_for(mode: int, size: tuple[int, int], asked: tuple[int, int]):
    assert resize(Image.new("RGB", size), mode, *asked).size == asked


def test_crop_keeps_proportions_and_cuts_the_sides_off():
    image = Image.new("RGB", (120, 40), "red")
    image.paste("blue", (40, 0, 80, 40))
    assert set(resize(image, CROP, 40, 40).get_flattened_data()) == {(0, 0, 255)}


def test_fill_draws_the_edges_out():
    filled = np.asarray(resize(halves(40, 40), FILL, 80, 40))
    assert (filled[:, 0] == (255, 0, 0)).all() and (filled[:, -1] == (0, 0, 255)).all()
    assert (filled[:, 20:38] == (255, 0, 0)).all()


def test_only_what_is_too_small_is_enlarged_by_the_upscaler():
    asked: list[float] = []

    def enlarge(image: Image.Image, scale: float) -> Image.Image:
        asked.append(scale)
        return Image.new("RGB", (int(image.width * scale), int(image.height * scale)), "green")

    assert resize(halves(40, 40), JUST_RESIZE, 80, 60, enlarge).getpixel((5, 5)) == (0, 128, 0)
    resize(halves(40, 40), JUST_RESIZE, 20, 20, enlarge)
    resize(Image.new("L", (8, 8)), JUST_RESIZE, 20, 20, enlarge)
    assert asked == [2.0]

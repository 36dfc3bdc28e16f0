import numpy as np
import pytest
import torch
from PIL import Image

from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.job import UpscalerRef
from backend.postprocess.upscale import Upscalers
from backend.progress import CancelToken
from tests.backend.fake_catalog import FakeCatalog


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def upscale(image: Image.Image, name: str, scale: float) -> Image.Image:
    return Upscalers(FakeCatalog([]), Placement(device=torch.device("cpu"))).upscale(
        image, UpscalerRef(name=name), scale, on_event=lambda event: None, cancel=CancelToken()
    )


@pytest.mark.parametrize("name", ["None", "Lanczos", "Nearest"])
@pytest.mark.parametrize(
    ("size", "scale", "expected"), [((64, 64), 2, (128, 128)), ((60, 100), 1.5, (88, 144)), ((64, 48), 0.5, (32, 24)), ((20, 20), 1, (16, 16))]
)
def test_sides_are_floored_to_multiples_of_8(name: str, size: tuple[int, int], scale: float, expected: tuple[int, int]):
    assert upscale(picture(*size), name, scale).size == expected


def test_nearest_repeats_pixels():
    image = picture(8, 8)
    assert np.array_equal(np.asarray(upscale(image, "Nearest", 3)), np.asarray(image).repeat(3, 0).repeat(3, 1))


def test_none_and_lanczos_are_pillows_lanczos():
    image = picture(32, 24)
    assert upscale(image, "None", 2).tobytes() == upscale(image, "Lanczos", 2).tobytes() == image.resize((64, 48), Image.Resampling.LANCZOS).tobytes()


def test_a_size_that_is_not_floored_goes_through_two_resizes_as_in_a1111():
    image = picture(30, 30)
    expected = image.resize((45, 45), Image.Resampling.NEAREST).resize((40, 40), Image.Resampling.LANCZOS)
    assert upscale(image, "Nearest", 1.5).tobytes() == expected.tobytes()


def test_a_picture_with_alpha_becomes_rgb():
    assert upscale(picture(8, 8).convert("RGBA"), "Lanczos", 2).mode == "RGB"


@pytest.mark.parametrize(("scale", "sentence"), [(0.05, "less than 8 pixels"), (1e6, "too many")])
def test_a_size_that_makes_no_sense_is_said(scale: float, sentence: str):
    with pytest.raises(WebUIError, match=sentence):
        upscale(picture(64, 64), "Lanczos", scale)

import pytest
import torch

from backend.sampling.preview import approximate


@pytest.mark.parametrize("family", ["SD1", "SD2", "SDXL", "SDXL Refiner"])
def test_latent_becomes_a_small_picture(family: str):
    picture = approximate(torch.randn(2, 4, 6, 5), family)
    assert picture.shape == (2, 3, 6, 5) and picture.dtype == torch.uint8


def test_empty_latent_is_grey_and_the_first_channel_is_brightness():
    grey, bright = approximate(torch.zeros(1, 4, 1, 1), "SD1"), approximate(torch.tensor([2.0, 0, 0, 0]).reshape(1, 4, 1, 1), "SD1")
    assert grey.flatten().tolist() == [127, 127, 127] and (bright > grey).all()


def test_extreme_latents_stay_in_range():
    picture = approximate(torch.tensor([90.0, 0, 0, 0]).reshape(1, 4, 1, 1), "SDXL")
    assert picture.flatten().tolist() == [255, 255, 255]

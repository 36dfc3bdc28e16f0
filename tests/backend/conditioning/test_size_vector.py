import math

import torch

from backend.conditioning.size_vector import size_vector
from backend.job import ConditioningOptions


def first_waves(vector: torch.Tensor) -> list[float]:
    """The cosine of frequency 1 of each number, which tells the number apart."""
    return vector.view(-1, 256)[:, 0].tolist()


def test_sdxl_knows_height_width_crop_and_target_size():
    vector = size_vector("SDXL", (96, 64), ConditioningOptions(sdxl_crop_top=16, sdxl_crop_left=8), negative=False)
    assert vector.shape == (6 * 256,)
    torch.testing.assert_close(torch.tensor(first_waves(vector)), torch.tensor([math.cos(n) for n in (64, 96, 16, 8, 64, 96)]))


def test_the_refiner_knows_an_aesthetic_score_instead():
    scores = [first_waves(size_vector("SDXL Refiner", (64, 64), ConditioningOptions(), negative=negative))[4] for negative in (False, True)]
    torch.testing.assert_close(torch.tensor(scores), torch.tensor([math.cos(6.0), math.cos(2.5)]))


def test_cosines_come_before_sines():
    vector = size_vector("SDXL", (64, 64), ConditioningOptions(), negative=False).view(-1, 256)
    torch.testing.assert_close(vector[0, :128] ** 2 + vector[0, 128:] ** 2, torch.ones(128))
    assert vector[2].tolist() == [1.0] * 128 + [0.0] * 128

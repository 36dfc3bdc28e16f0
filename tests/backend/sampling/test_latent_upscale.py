import pytest
import torch

from backend.sampling.latent_upscale import crop_latent, upscale_latent
from backend.sampling.names import LATENT_UPSCALE_MODES, find_latent_upscale_mode


@pytest.mark.parametrize("mode", LATENT_UPSCALE_MODES, ids=lambda mode: mode.label)
def test_every_mode_gives_the_size_and_keeps_what_is_even(mode):
    larger = upscale_latent(torch.full((2, 4, 8, 8), 0.5), mode, 96, 128)
    assert larger.shape == (2, 4, 16, 12) and torch.allclose(larger, torch.tensor(0.5))


def test_no_two_modes_are_the_same():
    latent = torch.arange(49.0).reshape(1, 1, 7, 7) ** 2
    shrunk = [upscale_latent(latent, mode, 40, 24) for mode in LATENT_UPSCALE_MODES]
    assert all(not torch.equal(shrunk[i], shrunk[j]) for i in range(6) for j in range(i))


def test_the_middle_is_kept_and_an_odd_rest_goes_at_the_end():
    latent = torch.arange(5.0).expand(1, 1, 1, 5)
    assert crop_latent(latent, 16, 8).flatten().tolist() == [1, 2]
    assert crop_latent(latent, 24, 8).flatten().tolist() == [1, 2, 3]
    assert crop_latent(latent, 40, 8) is not None and crop_latent(latent, 40, 8).shape == latent.shape


def test_modes_are_found_by_label_alone():
    assert find_latent_upscale_mode("Latent") == LATENT_UPSCALE_MODES[0] and find_latent_upscale_mode("Lanczos") is None

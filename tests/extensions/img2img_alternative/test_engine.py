"""A known slope instead of a model: where each denoised latent is x · keep, the way back is known in numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from backend.sampling.changes import Beginning
from extensions.img2img_alternative.engine import found_noise

LEVELS = torch.tensor([4.0, 2.0, 1.0, 0.0])
LATENT = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(1))
NOISE = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(2))
OPTIONS = {"original_prompt": "a cat", "original_negative_prompt": "", "cfg_scale": 1.0, "steps": 3, "randomness": 0.0, "sigma_adjustment": False}


class Asked:
    """Says that half of x is the picture; counts how often, and at which levels."""

    def __init__(self) -> None:
        self.levels: list[float] = []
        self.prompts: list[tuple[str, str, float]] = []
        self.kept: dict[str, object] = {}

    def at(self, latent: Tensor | None = LATENT, drawn_with: object = "a model") -> Beginning:
        return Beginning(
            step=0,
            steps=3,
            level=4.0,
            kept=self.kept,
            latent=latent,
            sigmas=lambda steps: LEVELS,
            denoiser=self.denoiser,
            drawn_with=drawn_with,
            tell=lambda text: None,
        )

    def denoiser(self, prompt: str, negative_prompt: str, cfg_scale: float) -> Callable[[Tensor, Tensor], Tensor]:
        self.prompts.append((prompt, negative_prompt, cfg_scale))

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            self.levels.append(sigma.item())
            return x / 2

        return denoise


def test_it_walks_up_with_the_slope_of_each_upper_end_and_normalises_the_noise():
    asked = Asked()
    found = found_noise(NOISE, OPTIONS, asked.at()) + LATENT / 4
    assert asked.levels == [1, 2, 4] and asked.prompts == [("a cat", "", 1.0)]
    x = LATENT * (1 + 0.5) * (1 + 0.25) * (1 + 0.25)  # x + x/2 / level · (high − low)
    assert torch.allclose(found, x / x.std(dim=(1, 2, 3), keepdim=True), atol=1e-6)


def test_with_sigma_adjustment_the_slope_is_that_of_the_lower_end():
    asked = Asked()
    found = found_noise(NOISE, {**OPTIONS, "sigma_adjustment": True}, asked.at()) + LATENT / 4
    assert asked.levels == [1, 2]
    assert torch.allclose(found, LATENT * (1 + 0.5) * (1 + 0.5) / 4, atol=1e-6)


def test_randomness_mixes_it_with_the_seeds_noise_at_the_same_strength():
    found = found_noise(NOISE, OPTIONS, Asked().at()) + LATENT / 4
    half = found_noise(NOISE, {**OPTIONS, "randomness": 0.5}, Asked().at()) + LATENT / 4
    assert torch.allclose(half, (found + NOISE) / 2**0.5, atol=1e-5)
    assert torch.allclose(found_noise(NOISE, {**OPTIONS, "randomness": 1.0}, Asked().at()) + LATENT / 4, NOISE, atol=1e-6)


def test_noise_is_found_once_for_the_same_things_and_anew_for_others():
    asked = Asked()
    first = found_noise(NOISE, OPTIONS, asked.at())
    again = found_noise(NOISE, {**OPTIONS, "randomness": 0.0}, asked.at())
    assert torch.equal(first, again) and len(asked.prompts) == 1
    found_noise(NOISE, {**OPTIONS, "randomness": 0.5}, asked.at())
    assert len(asked.prompts) == 1
    found_noise(NOISE, {**OPTIONS, "cfg_scale": 2.0}, asked.at())
    found_noise(NOISE, {**OPTIONS, "cfg_scale": 2.0}, asked.at(latent=LATENT + 1))
    found_noise(NOISE, {**OPTIONS, "cfg_scale": 2.0}, asked.at(latent=LATENT + 1, drawn_with="another model"))
    assert len(asked.prompts) == 4


def test_without_a_picture_there_is_nothing_to_find():
    with pytest.raises(ValueError, match="no picture"):
        found_noise(NOISE, OPTIONS, Asked().at(latent=None))

"""In the engine: Euler's method walked backwards, from a picture to the noise that leads to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from backend.sampling.changes import Beginning

KEPT = "found"


@dataclass(frozen=True, eq=False)
class _Found:
    asked: object
    latent: Tensor  # (B, C, h, w), the picture
    noise: Tensor  # of the same shape


def found_noise(noise: Tensor, options: Mapping[str, Any], at: Beginning) -> Tensor:
    """The noise in whose place `noise` would have stood, mixed with it by "randomness"; less the picture, as a walk of img2img starts at picture + noise."""
    if at.latent is None:
        raise ValueError("there is no picture to find noise for")
    latent = at.latent.to(noise)
    part, kept = options["randomness"], _kept(latent, options, at)
    mixed = ((1 - part) * kept + part * noise) / (part**2 + (1 - part) ** 2) ** 0.5
    return mixed - latent / at.level


def _kept(latent: Tensor, options: Mapping[str, Any], at: Beginning) -> Tensor:
    """The latest noise that was found, if it was found for the same; else now."""
    asked = ({key: value for key, value in options.items() if key != "randomness"}, at.drawn_with)
    before = at.kept.get(KEPT)
    if before is not None and before.asked == asked and before.latent.shape == latent.shape and torch.equal(before.latent, latent):
        return before.noise
    at.kept.pop(KEPT, None)
    found = _walk_back(latent, options, at)
    at.kept[KEPT] = _Found(asked, latent, found)
    return found


def _walk_back(latent: Tensor, options: Mapping[str, Any], at: Beginning) -> Tensor:
    """Euler's steps from no noise to the highest sigma, each with the slope at its upper end; with "sigma adjustment" with that at its lower one, where
    sigma 0 leaves the picture as it is.
    """
    denoise = at.denoiser(options["original_prompt"], options["original_negative_prompt"], options["cfg_scale"])
    levels = at.sigmas(int(options["steps"])).flip(0)
    adjusted, x = options["sigma_adjustment"], latent
    for step, (low, high) in enumerate(pairwise(levels), 1):
        level = low if adjusted else high
        at.tell(f"Finding noise: step {step} of {len(levels) - 1}")
        if level > 0:
            x = x + (x - denoise(x, level)) / level * (high - low)
    return x / levels[-1] if adjusted else x / x.std(dim=(1, 2, 3), keepdim=True)

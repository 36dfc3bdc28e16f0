"""The functions of the engine; sigmas: (n + 1,) float32 on the CPU, falling."""

from itertools import pairwise

import torch
from torch import Tensor

from backend.sampling.added_sampler import AddedWalk
from backend.sampling.denoiser import Denoise
from backend.sampling.schedulers import Spacing

DISTILLED_ON = 50  # of the 1000 timesteps
SLOW = 0.025  # share of the way that the first half of Linear Quadratic goes


def tcd(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: AddedWalk) -> Tensor:
    """Zheng et al. 2024, algorithm 4: along the trajectory to (1 - gamma) of the next timestep, and from there back up by new noise."""
    table, gamma = walk.table, walk.settings["tcd_gamma"]
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        walk.step(i, len(sigmas) - 1, denoised)
        if sigma_next <= table.sigmas[0]:
            return denoised + (x - denoised) / sigma * sigma_next
        down = sigma_next if gamma == 0 else torch.minimum(table.sigma(((1 - gamma) * table.timestep(sigma_next)).floor()), sigma_next)
        x = denoised + (x - denoised) / sigma * down + walk.noise() * (sigma_next**2 - down**2) ** 0.5
    return x


def distilled(n: int, sigma_min: float, sigma_max: float, facts: Spacing) -> Tensor:
    """n of the 50 timesteps that TCD and LCM were distilled on, from the highest one down; more than 50 steps lie evenly."""
    places = torch.arange(n) * DISTILLED_ON / n
    if n <= DISTILLED_ON:
        places = places.floor()
    stride = len(facts.table.sigmas) / DISTILLED_ON
    return torch.cat([facts.table.sigma((DISTILLED_ON - places) * stride - 1), torch.zeros(1)])


def linear_quadratic(n: int, sigma_min: float, sigma_max: float, facts: Spacing) -> Tensor:
    """Polyak et al. 2024 (Movie Gen): half of the steps go the first 2.5 % of the way evenly, the others on in a parabola that has no kink."""
    if n == 1:
        return torch.tensor([sigma_max, 0.0])
    even = n // 2
    rest, slope = n - even, SLOW / even
    bend = (1 - SLOW - slope * rest) / rest**2
    beyond = (torch.arange(n + 1, dtype=torch.float64) - even).clamp(min=0)
    way = torch.arange(n + 1, dtype=torch.float64) * slope + bend * beyond**2
    sigmas = (1 - way) * sigma_max
    sigmas[-1] = 0
    return sigmas.float()

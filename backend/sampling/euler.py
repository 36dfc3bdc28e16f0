"""Samplers after Euler, Heun and Adams–Bashforth, Restart and LCM. sigmas: (n + 1,), falling, mostly ending with 0; all float32 on the CPU."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from backend.sampling.denoiser import Denoise, Walk
from backend.sampling.schedulers import karras

LMS_ORDER = 4
RESTART_LOW, RESTART_HIGH = 0.1, 2.0  # sigmas between which Restart goes round again


def euler(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """Karras et al. 2022, algorithm 2 without its second half."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x, sigma_hat = churn(x, sigma, len(sigmas) - 1, walk)
        denoised = denoise(x, sigma_hat)
        walk.step(i, len(sigmas) - 1, denoised)
        x = x + slope(x, sigma_hat, denoised) * (sigma_next - sigma_hat)
    return x


def euler_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """Steps lower than asked, then adds noise up to the asked level. As in A1111 s_noise has no say here."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        walk.step(i, len(sigmas) - 1, denoised)
        down, up = ancestral_step(sigma, sigma_next, walk.options.eta)
        x = x + slope(x, sigma, denoised) * (down - sigma)
        if sigma_next > 0:
            x = x + walk.noise() * up
    return x


def heun(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """Karras et al. 2022, algorithm 2."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x, sigma_hat = churn(x, sigma, len(sigmas) - 1, walk)
        denoised = denoise(x, sigma_hat)
        walk.step(i, len(sigmas) - 1, denoised)
        x = _heun_step(denoise, x, sigma_hat, sigma_next, denoised)
    return x


def restart(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """Xu et al. 2023: Heun, and from 20 steps on back up to sigma 2 and down again, once or twice."""
    levels = _restart_levels(sigmas)
    reached = levels[0][0]
    for i, (sigma, sigma_next) in enumerate(levels):
        if reached < sigma:
            x = x + walk.noise() * (sigma**2 - reached**2) ** 0.5
        denoised = denoise(x, sigma)
        walk.step(i, len(levels), denoised)
        x = _heun_step(denoise, x, sigma, sigma_next, denoised)
        reached = sigma_next
    return x


def lms(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """Linear multistep: the polynomial through the last four slopes, integrated."""
    levels, slopes = sigmas.double().numpy(), []
    for i, sigma in enumerate(sigmas[:-1]):
        denoised = denoise(x, sigma)
        walk.step(i, len(sigmas) - 1, denoised)
        slopes = [slope(x, sigma, denoised), *slopes[: LMS_ORDER - 1]]
        x = x + sum(weight * d for weight, d in zip(_lms_weights(levels, i, len(slopes)), slopes, strict=True))
    return x


def lcm(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """Luo et al. 2023: all the way to the picture, then noise for the next level."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x = denoise(x, sigma)
        walk.step(i, len(sigmas) - 1, x)
        if sigma_next > 0:
            x = x + sigma_next * walk.noise()
    return x


def slope(x: Tensor, sigma: Tensor, denoised: Tensor) -> Tensor:
    """dx/dsigma of the probability flow."""
    return (x - denoised) / sigma


def churn(x: Tensor, sigma: Tensor, steps: int, walk: Walk) -> tuple[Tensor, Tensor]:
    """x with a little more noise, and its sigma. Inside and outside of s_tmin…s_tmax a noise is drawn, as in A1111."""
    options = walk.options
    if not options.s_churn:
        return x, sigma
    noise = walk.noise()
    if not options.s_tmin <= sigma <= (options.s_tmax or math.inf):
        return x, sigma
    raised = sigma * (min(options.s_churn / steps, 2**0.5 - 1) + 1)
    return x + noise * options.s_noise * (raised**2 - sigma**2) ** 0.5, raised


def ancestral_step(sigma: Tensor, sigma_next: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """The sigma to step down to, and how much noise then leads up to sigma_next. eta 0: all the way, no noise."""
    if not eta:
        return sigma_next, torch.zeros(())
    up = torch.minimum(sigma_next, eta * (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2) ** 0.5)
    return (sigma_next**2 - up**2) ** 0.5, up


def _heun_step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, denoised: Tensor) -> Tensor:
    """The mean of the slopes at both ends; a plain Euler step to 0."""
    d, dt = slope(x, sigma, denoised), sigma_next - sigma
    ahead = x + d * dt
    if sigma_next == 0:
        return ahead
    d_next = slope(ahead, sigma_next, denoise(ahead, sigma_next))
    return x + (d + d_next) / 2 * dt


def _restart_levels(sigmas: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The (sigma, next sigma) of every step. A1111's figures: 9 more steps from 20 on, twice a quarter of all from 36 on."""
    steps = len(sigmas) - 1
    if steps < 20:
        return list(pairwise(sigmas))
    more, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    sigmas = karras(steps - more * times, sigmas[-2].item(), sigmas[0].item())
    low, high = (int((sigmas - level).abs().argmin()) for level in (RESTART_LOW, RESTART_HIGH))
    again = karras(more + 1, sigmas[low].item(), sigmas[high].item())[:-1] if high < low else sigmas[:0]
    down = list(pairwise(sigmas))
    return down[:low] + list(pairwise(again)) * times + down[low:]


def _lms_weights(levels: np.ndarray, i: int, order: int) -> list[float]:
    """∫ from level i to the next over each Lagrange polynomial of the last levels; 4 Gauss points are exact up to degree 7."""
    points, weights = np.polynomial.legendre.leggauss(4)
    half = (levels[i + 1] - levels[i]) / 2
    at = levels[i] + half * (points + 1)
    nodes = levels[i - np.arange(order)]
    basis = (np.prod([(at - other) / (node - other) for other in nodes if other != node], axis=0) for node in nodes)
    return [float(half * np.sum(weights * values)) for values in basis]

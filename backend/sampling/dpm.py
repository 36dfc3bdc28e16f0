"""The DPM and DPM++ samplers that walk down a schedule (Lu et al. 2022). sigmas: (n + 1,), falling, mostly ending with 0; float32 on the CPU.

They step in t = −log sigma. Going there and back rounds, and the rounded sigmas choose the Brownian noise: the round trips are meant.
"""

from itertools import pairwise

import torch
from torch import Tensor

from backend.sampling.denoiser import Denoise, Walk
from backend.sampling.euler import ancestral_step, churn, slope


def dpm_2(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """The midpoint method, middle in log sigma."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x, sigma_hat = churn(x, sigma, len(sigmas) - 1, walk)
        denoised = denoise(x, sigma_hat)
        walk.step(i, len(sigmas) - 1, denoised)
        x = _midpoint_step(denoise, x, sigma_hat, sigma_next, denoised)
    return x


def dpm_2_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        walk.step(i, len(sigmas) - 1, denoised)
        down, up = ancestral_step(sigma, sigma_next, walk.options.eta)
        x = _midpoint_step(denoise, x, sigma, down, denoised)
        if down > 0:
            x = x + walk.noise() * walk.options.s_noise * up
    return x


def dpmpp_2s_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """DPM-Solver++(2S) with noise added after each step."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        walk.step(i, len(sigmas) - 1, denoised)
        down, up = ancestral_step(sigma, sigma_next, walk.options.eta)
        if down == 0:
            x = x + slope(x, sigma, denoised) * (down - sigma)
        else:
            t, t_next = time_of(sigma), time_of(down)
            h = t_next - t
            middle = t + 0.5 * h
            between = (sigma_of(middle) / sigma_of(t)) * x - (-h * 0.5).expm1() * denoised
            x = (sigma_of(t_next) / sigma_of(t)) * x - (-h).expm1() * denoise(between, sigma_of(middle))
        if sigma_next > 0:
            x = x + walk.noise() * walk.options.s_noise * up
    return x


def dpmpp_sde(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """DPM-Solver++ (stochastic): noise in the middle and at the end of each step."""
    eta, s_noise = walk.options.eta, walk.options.s_noise
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        walk.step(i, len(sigmas) - 1, denoised)
        if sigma_next == 0:
            x = x + slope(x, sigma, denoised) * (sigma_next - sigma)
            continue
        t, t_next = time_of(sigma), time_of(sigma_next)
        start, middle, end = sigma_of(t), sigma_of(t + (t_next - t) * 0.5), sigma_of(t_next)
        between = _stochastic_step(x, t, start, middle, denoised, eta)
        between = between + walk.brownian(start, middle) * s_noise * ancestral_step(start, middle, eta)[1]
        denoised_middle = denoise(between, middle)  # with the middle at 1/2 its weight is 1, that of denoised 0
        x = _stochastic_step(x, t, start, end, denoised_middle, eta)
        x = x + walk.brownian(start, end) * s_noise * ancestral_step(start, end, eta)[1]
    return x


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """DPM-Solver++(2M): the second order comes from the step before; first order on the first step and to 0."""
    times, previous = time_of(sigmas), None
    for i in range(len(sigmas) - 1):
        denoised = denoise(x, sigmas[i])
        walk.step(i, len(sigmas) - 1, denoised)
        t, t_next = times[i], times[i + 1]
        h, towards = t_next - t, denoised
        if previous is not None and sigmas[i + 1] > 0:
            r = (t - times[i - 1]) / h
            towards = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * previous
        x = (sigma_of(t_next) / sigma_of(t)) * x - (-h).expm1() * towards
        previous = denoised
    return x


def dpmpp_2m_sde(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    return _dpmpp_2m_sde(denoise, x, sigmas, walk, heun=False)


def dpmpp_2m_sde_heun(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    return _dpmpp_2m_sde(denoise, x, sigmas, walk, heun=True)


def _dpmpp_2m_sde(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk, *, heun: bool) -> Tensor:
    """DPM-Solver++(2M SDE), Lu et al. 2022, appendix."""
    times, eta, previous, h_previous = time_of(sigmas), walk.options.eta, None, None
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        walk.step(i, len(sigmas) - 1, denoised)
        if sigma_next == 0:
            x = denoised
            continue
        h = times[i + 1] - times[i]
        eta_h = eta * h
        fraction = (-h - eta_h).expm1().neg()
        x = sigma_next / sigma * (-eta_h).exp() * x + fraction * denoised
        if previous is not None and h_previous is not None:
            second = fraction / (-h - eta_h) + 1 if heun else 0.5 * fraction
            x = x + second * (1 / (h_previous / h)) * (denoised - previous)
        x = _with_brownian(x, sigma, sigma_next, -2 * eta_h, walk)
        previous, h_previous = denoised, h
    return x


def dpmpp_3m_sde(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """DPM-Solver++(3M SDE): orders 1, 2, then 3."""
    times, eta = time_of(sigmas), walk.options.eta
    past: list[tuple[Tensor, Tensor]] = []  # (denoised, h) of the steps before, newest first
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        denoised = denoise(x, sigma)
        walk.step(i, len(sigmas) - 1, denoised)
        if sigma_next == 0:
            x = denoised
            continue
        h = times[i + 1] - times[i]
        h_eta = h * (eta + 1)
        x = (-h_eta).exp() * x + (-h_eta).expm1().neg() * denoised
        if past:
            x = x + _higher_orders(denoised, past, h, h_eta)
        x = _with_brownian(x, sigma, sigma_next, -2 * h * eta, walk)
        past = [(denoised, h), *past[:1]]
    return x


def _higher_orders(denoised: Tensor, past: list[tuple[Tensor, Tensor]], h: Tensor, h_eta: Tensor) -> Tensor:
    """The terms of the first and second difference, as far as the past goes."""
    phi_2 = h_eta.neg().expm1() / h_eta + 1
    (denoised_1, h_1), *older = past
    r_0 = h_1 / h
    first = (denoised - denoised_1) / r_0
    if not older:
        return phi_2 * first
    denoised_2, h_2 = older[0]
    r_1 = h_2 / h
    before = (denoised_1 - denoised_2) / r_1
    change = (first - before) / (r_0 + r_1)
    return phi_2 * (first + change * r_0) - (phi_2 / h_eta - 0.5) * change


def _midpoint_step(denoise: Denoise, x: Tensor, sigma: Tensor, sigma_next: Tensor, denoised: Tensor) -> Tensor:
    d = slope(x, sigma, denoised)
    if sigma_next == 0:
        return x + d * (sigma_next - sigma)
    middle = sigma.log().lerp(sigma_next.log(), 0.5).exp()
    between = x + d * (middle - sigma)
    return x + slope(between, middle, denoise(between, middle)) * (sigma_next - sigma)


def _stochastic_step(x: Tensor, t: Tensor, sigma: Tensor, sigma_next: Tensor, denoised: Tensor, eta: float) -> Tensor:
    """To the sigma below sigma_next from which noise leads up to it. t: sigma's time before it was rounded."""
    t_down = time_of(ancestral_step(sigma, sigma_next, eta)[0])
    return (sigma_of(t_down) / sigma) * x - (t - t_down).expm1() * denoised


def _with_brownian(x: Tensor, sigma: Tensor, sigma_next: Tensor, exponent: Tensor, walk: Walk) -> Tensor:
    if not walk.options.eta:
        return x
    return x + walk.brownian(sigma, sigma_next) * sigma_next * exponent.expm1().neg().sqrt() * walk.options.s_noise


def time_of(sigma: Tensor) -> Tensor:
    return sigma.log().neg()


def sigma_of(time: Tensor) -> Tensor:
    return torch.exp(-time)

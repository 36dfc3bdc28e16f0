"""DDIM, DDIM CFG++ and PLMS. They walk down whole timesteps of the model; x is √ᾱ·picture + √(1 − ᾱ)·noise.

timesteps rise. As in A1111 the walk starts at the last one and ends at the first, t = 1, with a last trace of noise.
"""

import math

from torch import Tensor

from backend.job import SamplingOptions
from backend.sampling.denoiser import TimestepDenoiser, Walk

TRAINED = 1000
CFGPP_FACTOR = 1 / 12.5  # CFG++ wants scales below 1: the page's 1…12.5 are mapped there


def get_timesteps(options: SamplingOptions) -> list[int]:
    """Rising, whole: 8 steps 8 of them, 30 steps 31, because the stride is a whole number too.

    As in A1111 the setting ddim_discretize makes no difference.
    """
    stride = max(TRAINED // (options.steps + options.discard_next_to_last_sigma), 1)
    return [min(t + 1, TRAINED - 1) for t in range(0, TRAINED, stride)]


def ddim(denoise: TimestepDenoiser, x: Tensor, timesteps: list[int], walk: Walk) -> Tensor:
    """Song et al. 2021, equation 12."""
    steps = len(timesteps) - 1
    for i, (t, t_next) in enumerate(_downwards(timesteps)):
        epsilon = denoise(x, t).epsilon
        picture = _picture(x, epsilon, _alpha(denoise, t))
        walk.step(i, steps, picture)
        x = _ddim_step(denoise, picture, epsilon, t, t_next, walk)
    return x


def ddim_cfgpp(denoise: TimestepDenoiser, x: Tensor, timesteps: list[int], walk: Walk) -> Tensor:
    """Chung et al. 2024: noise is put back in the direction of the unguided prediction."""
    steps = len(timesteps) - 1
    for i, (t, t_next) in enumerate(_downwards(timesteps)):
        prediction = denoise(x, t, CFGPP_FACTOR)
        picture = _picture(x, prediction.epsilon, _alpha(denoise, t))
        walk.step(i, steps, picture)
        x = _ddim_step(denoise, picture, prediction.unguided, t, t_next, walk)
    return x


def plms(denoise: TimestepDenoiser, x: Tensor, timesteps: list[int], walk: Walk) -> Tensor:
    """Liu et al. 2022: DDIM steps along Adams–Bashforth's mean of the last four predictions; the first one by Heun."""
    steps, past = len(timesteps) - 1, []
    for i, (t, t_next) in enumerate(_downwards(timesteps)):
        epsilon = denoise(x, t).epsilon
        walk.step(i, steps, _picture(x, epsilon, _alpha(denoise, t)))
        if past:
            mean = _adams_bashforth(epsilon, past)
        else:
            ahead = _step_along(denoise, x, epsilon, t, t_next)
            mean = (epsilon + denoise(ahead, t_next).epsilon) / 2
        x = _step_along(denoise, x, mean, t, t_next)
        past = [epsilon, *past[:2]]
    return x


def _adams_bashforth(epsilon: Tensor, past: list[Tensor]) -> Tensor:
    """past: newest first, at most three."""
    if len(past) == 1:
        return (3 * epsilon - past[0]) / 2
    if len(past) == 2:
        return (23 * epsilon - 16 * past[0] + 5 * past[1]) / 12
    return (55 * epsilon - 59 * past[0] + 37 * past[1] - 9 * past[2]) / 24


def _downwards(timesteps: list[int]) -> list[tuple[int, int]]:
    """(t, next t) of each step."""
    return list(zip(timesteps[:0:-1], timesteps[-2::-1], strict=True))


def _alpha(denoise: TimestepDenoiser, t: int) -> float:
    return denoise.alphas[t].item()


def _picture(x: Tensor, epsilon: Tensor, alpha: float) -> Tensor:
    return (x - math.sqrt(1 - alpha) * epsilon) / math.sqrt(alpha)


def _step_along(denoise: TimestepDenoiser, x: Tensor, epsilon: Tensor, t: int, t_next: int) -> Tensor:
    alpha_next = _alpha(denoise, t_next)
    return math.sqrt(alpha_next) * _picture(x, epsilon, _alpha(denoise, t)) + math.sqrt(1 - alpha_next) * epsilon


def _ddim_step(denoise: TimestepDenoiser, picture: Tensor, direction: Tensor, t: int, t_next: int, walk: Walk) -> Tensor:
    """eta 0: no noise; 1: as much as DDPM."""
    alpha, alpha_next = _alpha(denoise, t), _alpha(denoise, t_next)
    sigma = walk.options.eta * math.sqrt((1 - alpha_next) / (1 - alpha) * (1 - alpha / alpha_next))
    x = math.sqrt(alpha_next) * picture + math.sqrt(1 - alpha_next - sigma**2) * direction
    return x + sigma * walk.noise() if sigma else x

"""UniPC (Zhao et al. 2023): a multistep predictor that predicts the picture, and a corrector that costs no further U-Net call.

It walks over continuous time, 1 down to 1/1000; x is α·picture + σ·noise with α² + σ² = 1. Times and what follows from them: float32 on the CPU.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.sampling.denoiser import TimestepDenoiser, Walk

TRAINED = 1000


class _NoiseSchedule:
    """log α is linear between the trained times 1/1000, 2/1000 … 1; lambda = log(α / σ) falls with time."""

    def __init__(self, alphas: Tensor) -> None:
        self._logs = 0.5 * alphas.float().log()
        self._times = torch.linspace(0, 1, len(alphas) + 1)[1:]

    def point(self, time: Tensor) -> "_Point":
        log_alpha = _interpolate(time, self._times, self._logs)
        sigma = (1 - (2 * log_alpha).exp()).sqrt()
        return _Point(time=time, alpha=log_alpha.exp(), sigma=sigma, lambda_=log_alpha - 0.5 * (1 - (2 * log_alpha).exp()).log())

    def time(self, lambda_: Tensor) -> Tensor:
        log_alpha = -0.5 * torch.logaddexp(torch.zeros(()), -2 * lambda_)
        return _interpolate(log_alpha, self._logs.flip(0), self._times.flip(0))


@dataclass(frozen=True, kw_only=True)
class _Point:
    """A time and its noise; 0-dim each."""

    time: Tensor
    alpha: Tensor
    sigma: Tensor
    lambda_: Tensor


def unipc(denoise: TimestepDenoiser, x: Tensor, timesteps: list[int], walk: Walk) -> Tensor:
    """As many steps as there are timesteps; of them nothing else is used but, where they are a part of the way, where it begins."""
    if not timesteps:
        return x
    options, schedule, steps = walk.options, _NoiseSchedule(denoise.alphas), len(timesteps)
    first = (timesteps[-1] + 1) / TRAINED if walk.partial else 1.0
    points = [schedule.point(time) for time in _grid(schedule, first, steps, options.uni_pc_skip_type)]
    past: list[tuple[_Point, Tensor]] = []  # newest first
    most = min(options.uni_pc_order, steps)
    picture = _picture(denoise, x, points[0])
    walk.step(0, steps, picture)
    for i in range(1, steps + 1):
        past = [(points[i - 1], picture), *past[: most - 1]]
        order = min(i, most)
        if options.uni_pc_lower_order_final and i > most - 1:
            order = min(order, steps + 1 - i)
        step = _Step(x, past[:order], points[i], options.uni_pc_variant)
        x = step.predicted()
        if i < steps:
            picture = _picture(denoise, x, points[i])
            walk.step(i, steps, picture)
            x = step.corrected(picture)
    return x


def _grid(schedule: _NoiseSchedule, first: float, steps: int, skip_type: str) -> Tensor:
    """steps + 1 times, falling."""
    last = 1 / TRAINED
    if skip_type == "logSNR":
        start, end = (float(schedule.point(torch.tensor(time)).lambda_) for time in (first, last))
        return schedule.time(torch.linspace(start, end, steps + 1))
    if skip_type == "time_quadratic":
        return torch.linspace(math.sqrt(first), math.sqrt(last), steps + 1) ** 2
    return torch.linspace(first, last, steps + 1)


def _picture(denoise: TimestepDenoiser, x: Tensor, point: _Point) -> Tensor:
    epsilon = denoise(x, ((point.time - 1 / TRAINED) * TRAINED).item()).epsilon
    return (x - point.sigma * epsilon) / point.alpha


class _Step:
    """From the newest of the past points to the next one. Places are measured in h, the step in lambda: the newest is 0, the next one 1."""

    def __init__(self, x: Tensor, past: list[tuple[_Point, Tensor]], point: _Point, variant: str) -> None:
        (start, self._newest), *older = past
        h = point.lambda_ - start.lambda_
        self._places = [(old.lambda_ - start.lambda_) / h for old, _ in older]
        self._differences = [(picture - self._newest) / place for (_, picture), place in zip(older, self._places, strict=True)]
        self._h, self._alpha, self._variant = -h, point.alpha, variant
        self._first_order = point.sigma / start.sigma * x - self._alpha * self._h.expm1() * self._newest

    def predicted(self) -> Tensor:
        """The next x, from the past alone."""
        if not self._places:
            return self._first_order
        weights = _varying(self._h, self._places) if self._variant == "vary_coeff" else self._fixed(self._places)
        return self._moved(weights, self._differences)

    def corrected(self, picture: Tensor) -> Tensor:
        """The next x again; picture: what was predicted there."""
        places = [*self._places, torch.ones(())]
        weights = _varying_corrector(self._h, places) if self._variant == "vary_coeff" else self._fixed(places)
        return self._moved(weights, [*self._differences, picture - self._newest])

    def _fixed(self, places: list[Tensor]) -> Tensor:
        """B1(h) = h or B2(h) = e^h − 1: the weights of the differences, equation 5; one alone counts a half."""
        scale = self._h if self._variant == "bh1" else self._h.expm1()
        if len(places) == 1:
            return scale * torch.tensor([0.5])
        factorials = torch.tensor([float(math.factorial(k)) for k in range(1, len(places) + 1)])
        powers = torch.stack([torch.stack(places) ** k for k in range(len(places))])
        return scale * torch.linalg.solve(powers, _phis(self._h, len(places)) * factorials / scale)

    def _moved(self, weights: Tensor, differences: list[Tensor]) -> Tensor:
        first, *others = (weight * difference for weight, difference in zip(weights, differences, strict=True))
        return self._first_order - self._alpha * sum(others, first)


def _varying(h: Tensor, places: list[Tensor]) -> Tensor:
    """Coefficients that vary with the places, UniPC_v."""
    return _phis(h, len(places)) @ _inverse_taylor(places)


def _varying_corrector(h: Tensor, places: list[Tensor]) -> Tensor:
    """As the authors' code, and A1111, have it: the new difference counts by one entry alone."""
    count, inverse = len(places), _inverse_taylor(places)
    phis, known = _phis(h, count), count - 1
    newest = phis[known] * inverse[max(known - 1, 0), known]
    return torch.cat([phis[:known] @ inverse[:known, :known], newest[None]])


def _inverse_taylor(places: list[Tensor]) -> Tensor:
    """Inverse of place^k / (k + 1)!, a row per place, a column per k."""
    columns = [torch.stack(places) ** k / math.factorial(k + 1) for k in range(len(places))]
    return torch.linalg.inv(torch.stack(columns, dim=1))


def _phis(h: Tensor, count: int) -> Tensor:
    """h·φ_2(h), h·φ_3(h) …: φ_1 = (e^h − 1) / h, φ_(k+1) = (φ_k − 1/k!) / h."""
    phi, found = h.expm1(), []
    for k in range(1, count + 1):
        phi = phi / h - 1 / math.factorial(k)
        found.append(phi)
    return torch.stack(found)


def _interpolate(x: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Piecewise linear; beyond the ends the last pieces go on. xs rise."""
    low = (torch.searchsorted(xs, x) - 1).clamp(0, len(xs) - 2)
    return ys[low] + (x - xs[low]) * (ys[low + 1] - ys[low]) / (xs[low + 1] - xs[low])

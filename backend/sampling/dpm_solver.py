"""DPM-Solver (Lu et al. 2022) that places its own steps: DPM fast and DPM adaptive. sigmas: (highest, lowest), float32 on the CPU.

Time is −log sigma. Within a step the three orders share their predictions of the noise.
"""

import math

import torch
from torch import Tensor

from backend.sampling.denoiser import Denoise, Walk
from backend.sampling.dpm import sigma_of, time_of
from backend.sampling.euler import ancestral_step

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 0.05, 0.0078
FIRST_STEP = 0.05
ACCEPTED = 0.81  # a step counts if the next one may be at least that much as long


class _Step:
    """One step from time t to t_next; the predictions at the start and at a third of the way are made once."""

    def __init__(self, denoise: Denoise, x: Tensor, t: Tensor, t_next: Tensor) -> None:
        self._denoise, self._x, self._t, self._t_next = denoise, x, t, t_next
        self._h = t_next - t
        sigma = sigma_of(t)
        self.denoised = denoise(x, sigma)
        self._epsilon = (x - self.denoised) / sigma
        self._at: dict[float, Tensor] = {}

    def first_order(self) -> Tensor:
        return self._x - sigma_of(self._t_next) * self._h.expm1() * self._epsilon

    def second_order(self, r: float = 1 / 2) -> Tensor:
        growth, sigma_next = self._h.expm1(), sigma_of(self._t_next)
        change = self._epsilon_at(r) - self._epsilon
        return self._x - sigma_next * growth * self._epsilon - sigma_next / (2 * r) * growth * change

    def third_order(self) -> Tensor:
        r1, r2, h = 1 / 3, 2 / 3, self._h
        change = self._epsilon_at(r1) - self._epsilon
        at = self._t + r2 * h
        growth = (r2 * h).expm1()
        between = self._x - sigma_of(at) * growth * self._epsilon - sigma_of(at) * (r2 / r1) * (growth / (r2 * h) - 1) * change
        change = self._predict(between, at) - self._epsilon
        growth, sigma_next = h.expm1(), sigma_of(self._t_next)
        return self._x - sigma_next * growth * self._epsilon - sigma_next / r2 * (growth / h - 1) * change

    def _epsilon_at(self, r: float) -> Tensor:
        """The noise predicted at the part r of the way, reached by a first-order step."""
        if r not in self._at:
            at = self._t + r * self._h
            self._at[r] = self._predict(self._x - sigma_of(at) * (r * self._h).expm1() * self._epsilon, at)
        return self._at[r]

    def _predict(self, x: Tensor, t: Tensor) -> Tensor:
        sigma = sigma_of(t)
        return (x - self._denoise(x, sigma)) / sigma


def dpm_fast(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """Exactly as many U-Net calls as steps are asked for, in steps of third order and a rest."""
    calls = walk.options.steps
    thirds, rest = divmod(calls, 3)
    orders = [3] * (thirds - 1) + [2, 1] if rest == 0 else [3] * thirds + [rest]
    times = torch.linspace(time_of(sigmas[0]).item(), time_of(sigmas[1]).item(), thirds + 2)
    for i, order in enumerate(orders):
        t, t_next = times[i], times[i + 1]
        t_down, up = _down_and_up(t, t_next, times[-1], walk.options.eta)
        step = _Step(denoise, x, t, t_down)
        walk.step(i, len(orders), step.denoised)
        x = (step.first_order, step.second_order, step.third_order)[order - 1]()
        if walk.options.eta:
            x = x + up * walk.options.s_noise * walk.noise()
    return x


def dpm_adaptive(denoise: Denoise, x: Tensor, sigmas: Tensor, walk: Walk) -> Tensor:
    """Third order; the difference to second order sets the step. The number of steps asked for has no say;
    what is told as steps done is how far the time has come.

    As in A1111 the error is that of the whole batch: the pictures of a batch depend on each other.
    """
    eta, steps = walk.options.eta, walk.options.steps
    t, end = time_of(sigmas[0]), time_of(sigmas[1])
    start, h, x_before, told = t, FIRST_STEP, x, 0
    while t < end - 1e-5:
        t_next = torch.minimum(end, t + h)
        t_down, up = _down_and_up(t, t_next, end, eta)
        step = _Step(denoise, x, t, t_down)
        told = min(max(int((t_next - start) / (end - start) * steps), told), steps - 1)
        walk.step(told, steps, step.denoised)
        low, high = step.second_order(1 / 3), step.third_order()
        factor = _growth(_error(low, high, x_before), 1.5 if eta else 3)
        h *= factor
        if factor >= ACCEPTED:
            x_before, t = low, t_next
            x = high + up * walk.noise() if eta else high
    return x


def _error(low: Tensor, high: Tensor, x_before: Tensor) -> float:
    """1 = just within the tolerance."""
    scale = torch.maximum(torch.tensor(ABSOLUTE_TOLERANCE, device=low.device), RELATIVE_TOLERANCE * torch.maximum(low.abs(), x_before.abs()))
    return float(torch.linalg.norm((low - high) / scale) / low.numel() ** 0.5)


def _growth(error: float, order: float) -> float:
    """How much longer the next step may be; bounded, near 1 it is (1 / error)^(1 / order)."""
    return 1 + math.atan((1 / (error + 1e-8)) ** (1 / order) - 1)


def _down_and_up(t: Tensor, t_next: Tensor, end: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """The time to step to, not beyond the end, and how much noise then leads up to t_next."""
    if not eta:
        return t_next, torch.zeros(())
    t_down = torch.minimum(end, time_of(ancestral_step(sigma_of(t), sigma_of(t_next), eta)[0]))
    return t_down, (sigma_of(t_next) ** 2 - sigma_of(t_down) ** 2) ** 0.5

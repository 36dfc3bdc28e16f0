"""The schedules: how sigmas fall from the highest noise to none. Each gives (n + 1,) float32 on the CPU, falling; the last one is 0 but for KL Optimal."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.errors import WebUIError
from backend.job import SamplingOptions
from backend.sampling.added import find, named
from backend.sampling.beta_quantile import beta_quantile
from backend.sampling.names import SamplerInfo, SchedulerInfo
from backend.sampling.sigma_table import SigmaTable

OLD_KARRAS_RANGE = (0.1, 10.0)

# Align Your Steps (Sabour et al. 2024): the sigmas of 10 steps, as published
AYS_SD = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
AYS_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


@dataclass(frozen=True, kw_only=True)
class Spacing:
    """What a schedule may look at. low, high: the range of sigmas; rho 0: the schedule's own. settings: values of those that an extension's names."""

    n: int
    low: float
    high: float
    table: SigmaTable
    rho: float = 0.0
    beta_alpha: float = 0.6
    beta_beta: float = 0.6
    sdxl: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


def get_sigmas(options: SamplingOptions, info: SamplerInfo, table: SigmaTable, *, sdxl: bool) -> Tensor:
    """The noise levels that the sampler walks down, mostly steps + 1 of them. Raises WebUIError."""
    added = options.added_scheduler
    if added is None and options.scheduler not in SCHEDULES:
        raise WebUIError(f"Unknown schedule type {options.scheduler!r}. Known: {', '.join(SCHEDULES)}")
    discard = info.discard_next_to_last or options.discard_next_to_last_sigma
    low, high = OLD_KARRAS_RANGE if options.old_karras_sigmas else (table.low, table.high)
    spacing = Spacing(
        n=options.steps + discard,
        low=options.sigma_min or low,
        high=options.sigma_max or high,
        table=table,
        rho=options.rho,
        beta_alpha=options.beta_alpha,
        beta_beta=options.beta_beta,
        sdxl=sdxl,
        settings=options.added_settings,
    )
    sigmas = SCHEDULES[options.scheduler](spacing) if added is None else _of_extension(added, spacing)
    return torch.cat([sigmas[:-2], sigmas[-1:]]) if discard else sigmas


def _of_extension(info: SchedulerInfo, spacing: Spacing) -> Tensor:
    function = find(info)
    with named(info):
        sigmas = torch.as_tensor(function(spacing.n, spacing.low, spacing.high, spacing), dtype=torch.float32).detach().cpu()
        if sigmas.shape != (spacing.n + 1,):
            raise ValueError(f"it gave {tuple(sigmas.shape)} numbers instead of ({spacing.n + 1},)")
        if not sigmas.isfinite().all() or sigmas[-1] < 0 or not (sigmas[1:] < sigmas[:-1]).all():
            raise ValueError(f"noise levels that fall to 0, or stop above it, are needed: {sigmas.tolist()[:20]}")
        return sigmas


def karras(n: int, low: float, high: float, rho: float = 7.0) -> Tensor:
    """Karras et al. 2022, equation 5."""
    first, last = high ** (1 / rho), low ** (1 / rho)
    return _ended((first + torch.linspace(0, 1, n) * (last - first)) ** rho)


def _karras(spacing: Spacing) -> Tensor:
    return karras(spacing.n, spacing.low, spacing.high, spacing.rho or 7.0)


def _uniform(spacing: Spacing) -> Tensor:
    """Even in t over the whole table, whatever the range."""
    table = spacing.table
    return _ended(table.sigma(torch.linspace(table.timestep(table.sigmas[-1]).item(), table.timestep(table.sigmas[0]).item(), spacing.n)))


def _exponential(spacing: Spacing) -> Tensor:
    return _ended(torch.linspace(math.log(spacing.high), math.log(spacing.low), spacing.n).exp())


def _polyexponential(spacing: Spacing) -> Tensor:
    ramp = torch.linspace(1, 0, spacing.n) ** (spacing.rho or 1.0)
    return _ended((ramp * (math.log(spacing.high) - math.log(spacing.low)) + math.log(spacing.low)).exp())


def _sgm_uniform(spacing: Spacing) -> Tensor:
    return _ended(spacing.table.sigma(_timesteps(spacing, spacing.n + 1)[:-1]))


def _normal(spacing: Spacing) -> Tensor:
    return _ended(spacing.table.sigma(_timesteps(spacing, spacing.n)))


def _timesteps(spacing: Spacing, n: int) -> Tensor:
    """n even timesteps over the range of sigmas."""
    first, last = (spacing.table.timestep(torch.tensor(sigma)).item() for sigma in (spacing.high, spacing.low))
    return torch.linspace(first, last, n)


def _kl_optimal(spacing: Spacing) -> Tensor:
    """Sabour et al. 2024, section 3: even in arctan sigma. Ends at the lowest sigma, not at 0, as in A1111."""
    first, last = (torch.tensor(sigma).arctan() for sigma in (spacing.high, spacing.low))
    place = torch.arange(spacing.n + 1) / spacing.n
    return (place * last + (1 - place) * first).tan()


def _align_your_steps(spacing: Spacing) -> Tensor:
    """The published sigmas; for other numbers of steps log sigma is interpolated."""
    levels = AYS_SDXL if spacing.sdxl else AYS_SD
    if spacing.n == len(levels):
        return _ended(levels)
    rising = np.interp(np.linspace(0, 1, spacing.n), np.linspace(0, 1, len(levels)), np.log(levels[::-1]))
    return _ended(np.exp(rising)[::-1].tolist())


def _simple(spacing: Spacing) -> Tensor:
    """Every so many entries of the table, from the top."""
    sigmas = spacing.table.sigmas
    return _ended([float(sigmas[-(1 + int(i * len(sigmas) / spacing.n))]) for i in range(spacing.n)])


def _ddim(spacing: Spacing) -> Tensor:
    """Every so many entries of the table, from the second up; may give more than n + 1."""
    sigmas = spacing.table.sigmas
    return _ended(sigmas[1 :: max(len(sigmas) // spacing.n, 1)].flip(0))


def _beta(spacing: Spacing) -> Tensor:
    """Lee et al. 2024 place t by beta quantiles; A1111 places sigma itself."""
    places = 1 - np.linspace(0, 1, spacing.n)
    quantiles = (beta_quantile(place, spacing.beta_alpha, spacing.beta_beta) for place in places.tolist())
    return _ended([spacing.low + quantile * (spacing.high - spacing.low) for quantile in quantiles])


def _turbo(spacing: Spacing) -> Tensor:
    """Forge's schedule for SD Turbo: whole timesteps, the highest first; 1 step is t = 999."""
    timesteps = (torch.arange(spacing.n, 0, -1) * (1000 / spacing.n) - 1).round().clamp(0, 999)
    return _ended(spacing.table.sigma(timesteps))


def _ended(sigmas: Tensor | Sequence[float]) -> Tensor:
    """A 0 after the last one."""
    return torch.cat([torch.as_tensor(sigmas, dtype=torch.float32), torch.zeros(1)])


SCHEDULES: Mapping[str, Callable[[Spacing], Tensor]] = MappingProxyType(
    {
        "Uniform": _uniform,
        "Karras": _karras,
        "Exponential": _exponential,
        "Polyexponential": _polyexponential,
        "SGM Uniform": _sgm_uniform,
        "KL Optimal": _kl_optimal,
        "Align Your Steps": _align_your_steps,
        "Simple": _simple,
        "Normal": _normal,
        "DDIM": _ddim,
        "Beta": _beta,
        "Turbo": _turbo,
    }
)

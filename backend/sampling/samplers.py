"""sample(): from noise to the latent of a picture. One row per sampler; what they share – noise levels, denoiser, noise, steps, stop – is set up here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from backend.errors import Interrupted
from backend.job import SamplingOptions
from backend.sampling.added_sampler import AddedWalk, draw
from backend.sampling.brownian import BrownianNoise
from backend.sampling.changes import Changes
from backend.sampling.ddim import ddim, ddim_cfgpp, get_timesteps, plms
from backend.sampling.denoiser import Denoise, LcmDenoiser, SigmaDenoiser, TimestepDenoiser, Walk
from backend.sampling.dpm import (
    dpm_2,
    dpm_2_ancestral,
    dpmpp_2m,
    dpmpp_2m_sde,
    dpmpp_2m_sde_heun,
    dpmpp_2s_ancestral,
    dpmpp_3m_sde,
    dpmpp_sde,
)
from backend.sampling.dpm_solver import dpm_adaptive, dpm_fast
from backend.sampling.euler import euler, euler_ancestral, heun, lcm, lms, restart
from backend.sampling.guidance import ChangedGuidance, Guidance, Predictor, Refiner, Told
from backend.sampling.names import BUILT_IN, SamplerInfo
from backend.sampling.noise import ImageNoise
from backend.sampling.schedulers import get_sigmas
from backend.sampling.sigma_table import SigmaTable, effective_alphas
from backend.sampling.start import Start
from backend.sampling.unipc import unipc

SigmaSampler = Callable[[Denoise, Tensor, Tensor, Walk], Tensor]  # denoiser, x, sigmas
TimestepSampler = Callable[[TimestepDenoiser, Tensor, list[int], Walk], Tensor]  # denoiser, x, timesteps, rising
OnStep = Callable[[int, int, Tensor], None]  # step (1-based), steps, denoised (B, C, h, w)

LCM_STRIDE = 20  # LCM was distilled on 50 of the 1000 timesteps

SIGMA_SAMPLERS: Mapping[str, SigmaSampler] = MappingProxyType(
    {
        "DPM++ 2M": dpmpp_2m,
        "DPM++ SDE": dpmpp_sde,
        "DPM++ 2M SDE": dpmpp_2m_sde,
        "DPM++ 2M SDE Heun": dpmpp_2m_sde_heun,
        "DPM++ 2S a": dpmpp_2s_ancestral,
        "DPM++ 3M SDE": dpmpp_3m_sde,
        "Euler a": euler_ancestral,
        "Euler": euler,
        "LMS": lms,
        "Heun": heun,
        "DPM2": dpm_2,
        "DPM2 a": dpm_2_ancestral,
        "Restart": restart,
        "LCM": lcm,
    }
)
RANGE_SAMPLERS: Mapping[str, SigmaSampler] = MappingProxyType({"DPM fast": dpm_fast, "DPM adaptive": dpm_adaptive})
TIMESTEP_SAMPLERS: Mapping[str, TimestepSampler] = MappingProxyType({"DDIM": ddim, "DDIM CFG++": ddim_cfgpp, "PLMS": plms, "UniPC": unipc})


def calls_total(options: SamplingOptions) -> int:
    """The U-Net calls that prompt editing divides into fractions: steps, twice that for samplers of second order."""
    return options.steps * (2 if _info(options).second_order else 1)


def calls_a_step(options: SamplingOptions) -> int:
    return calls_total(options) // options.steps


def sample(
    told: Told,
    noise: ImageNoise,
    options: SamplingOptions,
    seeds: Sequence[int],
    *,
    on_step: OnStep,
    cancel: Callable[[], bool],
    before_call: Callable[[int], None] | None = None,
    start: Start | None = None,
    refiner: Refiner | None = None,
    changes: Changes | None = None,
) -> Tensor:
    """The finished latent (B, C, h, w). seeds: of the images, for the Brownian samplers. before_call: is told the number of each U-Net call before it.
    start: the picture to start from; None = pure noise.

    Raises Interrupted, carrying the last denoised latent, before the U-Net call where cancel() is true.
    """
    walked = options if start is None else replace(options, steps=start.t_enc(options.steps) + 1)
    asked = told, options, calls_total(walked), cancel, before_call, refiner
    guidance = ChangedGuidance(changes, *asked) if changes else Guidance(*asked)
    steps = _Steps(on_step)
    try:
        return _sample(told.model, guidance, noise, options, seeds, steps, start)
    except Interrupted:
        raise Interrupted(steps.denoised) from None


def _sample(
    model: Predictor, guidance: Guidance, noise: ImageNoise, options: SamplingOptions, seeds: Sequence[int], steps: "_Steps", start: Start | None
) -> Tensor:
    info, v_prediction, asked = _info(options), model.architecture.prediction == "v", options.steps
    if start is not None:
        if not start.total_steps(asked):
            return start.latent
        options = replace(options, steps=start.total_steps(asked))
    alphas_of = partial(_alphas, options=options)
    alphas = alphas_of(model)
    first, keep, finish = noise.first(), *((_keep_nothing, _finished) if start is None else (start.keep, start.finish))
    if info.timesteps:
        x, timesteps = first, get_timesteps(options)
        if start is not None:
            x, timesteps = start.at_timestep(first, timesteps, alphas, asked)
        denoise = TimestepDenoiser(guidance, alphas, v_prediction=v_prediction, cfg_scale=options.cfg_scale, keep=keep, alphas_of=alphas_of)
        walk = Walk(options=options, noise=noise.next, brownian=_no_brownian, step=steps, partial=start is not None)
        return finish(TIMESTEP_SAMPLERS[info.label](denoise, x, timesteps, walk))
    table_of = partial(_table, options=options)
    table = table_of(model)
    sigmas = get_sigmas(options, info, table, sdxl=model.architecture.family.startswith("SDXL"))
    brownian = _brownian(sigmas, noise, options, seeds) if info.brownian else _no_brownian
    kind = LcmDenoiser if info.label == "LCM" else SigmaDenoiser
    denoise = kind(guidance, table, v_prediction=v_prediction, cfg_scale=options.cfg_scale, keep=keep, table_of=table_of)
    ends = table.sigmas[[-1, 0]]
    if start is None:
        x = first * (torch.sqrt(1 + sigmas[0] ** 2) if options.sgm_noise_multiplier else sigmas[0])
    else:
        x, sigmas = start.at_sigma(first, sigmas, asked)
        ends, options = sigmas[[0, -2]], replace(options, steps=len(sigmas) - 1)
    if options.added_sampler is not None:
        told = AddedWalk(options=options, noise=noise.next, brownian=brownian, step=steps, table=table, settings=options.added_settings, seeds=tuple(seeds))
        return finish(draw(options.added_sampler, denoise, x, sigmas, told))
    walk = Walk(options=options, noise=noise.next, brownian=brownian, step=steps)
    if info.label in RANGE_SAMPLERS:
        return finish(RANGE_SAMPLERS[info.label](denoise, x, ends, walk))
    return finish(SIGMA_SAMPLERS[info.label](denoise, x, sigmas, walk))


def _alphas(model: Predictor, options: SamplingOptions) -> Tensor:
    zero_snr = options.zero_terminal_snr or model.architecture.zero_snr
    return effective_alphas(model.alphas_cumprod, zero_terminal_snr=zero_snr, downcast=options.downcast_alphas)


def _table(model: Predictor, options: SamplingOptions) -> SigmaTable:
    stride = LCM_STRIDE if _info(options).label == "LCM" else 1
    return SigmaTable(_alphas(model, options), quantize=options.quantize_timesteps, stride=stride)


def _keep_nothing(x: Tensor, level: float) -> Tensor:
    return x


def _finished(x: Tensor) -> Tensor:
    return x


class _Steps:
    """Passes each step on, counted from 1, and keeps its denoised latent for a stop."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step
        self.denoised: Tensor | None = None

    def __call__(self, step: int, steps: int, denoised: Tensor) -> None:
        self.denoised = denoised
        self._on_step(step + 1, steps, denoised)


def _brownian(sigmas: Tensor, noise: ImageNoise, options: SamplingOptions, seeds: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
    """One path per image over the whole schedule; or, as A1111's option wants it, one path for the whole batch, seeded by chance from the last seed."""
    low, high = sigmas[sigmas > 0].min().item(), sigmas.max().item()
    if options.brownian_per_image:
        return BrownianNoise(low, high, seeds, lambda seed: noise.stream(seed).randn(noise.shape))
    drawn = torch.randint(0, 2**63 - 1, (), generator=torch.Generator().manual_seed(seeds[-1])).item()
    whole = (len(seeds), *noise.shape)
    path = BrownianNoise(low, high, [int(drawn)], lambda seed: noise.stream(seed).randn(whole))
    return lambda sigma, sigma_next: path(sigma, sigma_next)[0]


def _no_brownian(sigma: Tensor, sigma_next: Tensor) -> Tensor:
    raise AssertionError("a sampler not marked as brownian asked for Brownian noise")


def _info(options: SamplingOptions) -> SamplerInfo:
    return options.added_sampler or BUILT_IN.sampler(options.sampler)

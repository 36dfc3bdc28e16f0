"""U-Net → denoiser(x, sigma): the scalings of ε- and v-models around the guidance, and what samplers are handed.

Guidance mixes denoised pictures, not the U-Net's outputs, in A1111's order of operations: the results are the same to the bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from backend.job import SamplingOptions
from backend.sampling.guidance import Guidance, Predictor, Read, Reading
from backend.sampling.sigma_table import SigmaTable

Keep = Callable[[Tensor, float], Tensor]  # puts back what of a picture is not drawn anew, (B, C, h, w), at a sigma or timestep
Denoise = Callable[[Tensor, Tensor], Tensor]  # x (B, C, h, w), sigma 0-dim on the CPU → denoised (B, C, h, w)


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What a sampler needs beside the denoiser, the latent and the noise levels."""

    options: SamplingOptions
    noise: Callable[[], Tensor]  # the next draw, (B, C, h, w)
    brownian: Callable[[Tensor, Tensor], Tensor]  # noise between two sigmas; samplers marked so alone may ask
    step: Callable[[int, int, Tensor], None]  # step (0-based), steps, denoised: called when the step's first prediction is there
    partial: bool = False  # the timesteps start in the middle: x is a picture with noise


class SigmaDenoiser:
    """x has the noise sigma on top of the picture (Karras et al. 2022's variance exploding form). keep: applied to each denoised latent.

    table_of: a refiner's, when it takes over.
    """

    def __init__(
        self, guidance: Guidance, table: SigmaTable, *, v_prediction: bool, cfg_scale: float, keep: Keep, table_of: Callable[[Predictor], SigmaTable]
    ) -> None:
        self._guidance, self._table, self._keep, self._table_of = guidance, table, keep, table_of
        self._v_prediction, self._cfg_scale = v_prediction, cfg_scale

    def _refine(self, sigma: Tensor) -> None:
        if model := self._guidance.refined(self._table.index(sigma)):
            self._table, self._v_prediction = self._table_of(model), model.architecture.prediction == "v"

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self._refine(sigma)
        scale = 1 / (sigma**2 + 1) ** 0.5
        timestep = self._table.timestep(sigma)
        level, read = sigma.item(), self._read(sigma, timestep)
        guided, _ = self._guidance(x, level, timestep.item(), scale=scale, cfg_scale=self._cfg_scale, read=read, reading=self._rows)
        return self._keep(guided, level)

    def _read(self, sigma: Tensor, timestep: Tensor) -> Read:
        return _read_v(sigma) if self._v_prediction else _read_epsilon(sigma)

    def _rows(self, levels: Tensor) -> Reading:
        """(N,) sigmas → how each row is asked."""
        timesteps = torch.stack([self._table.timestep(sigma) for sigma in levels.cpu()]).to(levels)
        sigmas = levels[:, None, None, None]
        return Reading(timesteps, 1 / (sigmas**2 + 1) ** 0.5, self._read(sigmas, timesteps[:, None, None, None]))


class LcmDenoiser(SigmaDenoiser):
    """Latent consistency models (Luo et al. 2023): the plain denoised picture, blended with x where almost no noise is left."""

    SIGMA_DATA = 0.5
    TIMESTEP_SCALING = 10.0

    def _read(self, sigma: Tensor, timestep: Tensor) -> Read:
        scaled = timestep * self.TIMESTEP_SCALING
        keep = self.SIGMA_DATA**2 / (scaled**2 + self.SIGMA_DATA**2)
        take = scaled / (scaled**2 + self.SIGMA_DATA**2) ** 0.5
        plain = super()._read(sigma, timestep)

        def read(x: Tensor, output: Tensor) -> Tensor:
            return plain(x, output) * take + x * keep

        return read


class Prediction(NamedTuple):
    """The noise in x, (B, C, h, w) each."""

    epsilon: Tensor  # guided
    unguided: Tensor  # of the negative prompt alone


class TimestepDenoiser:
    """x is √ᾱ·picture + √(1 − ᾱ)·noise (the variance preserving form of DDIM). keep: applied to x before each call, without noise, as in A1111."""

    def __init__(
        self, guidance: Guidance, alphas: Tensor, *, v_prediction: bool, cfg_scale: float, keep: Keep, alphas_of: Callable[[Predictor], Tensor]
    ) -> None:
        self._guidance, self.alphas, self._keep, self._alphas_of = guidance, alphas, keep, alphas_of
        self._read_alphas = alphas  # of the model that is asked; the walk goes on along the first one's
        self._v_prediction, self._cfg_scale = v_prediction, cfg_scale

    def __call__(self, x: Tensor, timestep: float, cfg_factor: float = 1.0) -> Prediction:
        """timestep: fractional ones are cut to the whole ones where a v-model's output is read, as in A1111."""
        if model := self._guidance.refined(int(timestep)):
            self._read_alphas, self._v_prediction = self._alphas_of(model), model.architecture.prediction == "v"
        read = _read_v_as_epsilon(self._read_alphas[int(timestep)].float()) if self._v_prediction else _read_as_is
        reading = partial(Reading, scale=1.0, read=read)
        guided, unguided = self._guidance(
            self._keep(x, timestep), timestep, timestep, scale=1.0, cfg_scale=self._cfg_scale * cfg_factor, read=read, reading=reading
        )
        return Prediction(guided, unguided)


def _read_epsilon(sigma: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, epsilon: x + epsilon * -sigma


def _read_v(sigma: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    keep, take = 1 / (sigma**2 + 1), -sigma / (sigma**2 + 1) ** 0.5
    return lambda x, v: v * take + x * keep


def _read_v_as_epsilon(alpha: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    signal, noise = torch.sqrt(alpha), torch.sqrt(1 - alpha)
    return lambda x, v: v * signal + x * noise


def _read_as_is(_: Tensor, epsilon: Tensor) -> Tensor:
    return epsilon

"""A model whose answer is known: pictures are Gaussian, each latent pixel N(mean, STD²); the prompt's vector is the mean."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from backend.job import SamplingOptions
from backend.sampling.guidance import Parts, Refiner, Told
from backend.sampling.names import BUILT_IN
from backend.sampling.noise import ImageNoise
from backend.sampling.samplers import sample
from backend.sampling.sigma_table import SigmaTable
from backend.sampling.start import Start

STD = 0.8
WIDTH = 4  # of the encoded prompt: one number per latent channel


def sd_alphas() -> Tensor:
    """Stable Diffusion's alphas_cumprod."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
    return torch.tensor(np.cumprod(1 - betas), dtype=torch.float32)


@dataclass(frozen=True)
class ToyArchitecture:
    family: str = "SD1"
    prediction: str = "epsilon"
    zero_snr: bool = False


@dataclass
class ToyModel:
    """Remembers what it was asked."""

    architecture: ToyArchitecture = field(default_factory=ToyArchitecture)
    alphas_cumprod: Tensor = field(default_factory=sd_alphas)
    asked: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)  # x, t, cross

    def predict(self, x: Tensor, t: Tensor, cross: Tensor, vector: Tensor | None = None) -> Tensor:
        self.asked.append((x, t, cross))
        x = x[:, :4]
        sigma = SigmaTable(self.alphas_cumprod).sigma(t)[:, None, None, None]
        signal = 1 / (sigma**2 + 1) ** 0.5
        mean = cross.mean(1)[:, :, None, None]
        noisy = x / signal
        picture = mean + STD**2 / (STD**2 + sigma**2) * (noisy - mean)
        epsilon = (noisy - picture) / sigma
        return signal * epsilon - sigma * signal * picture if self.architecture.prediction == "v" else epsilon


@dataclass(frozen=True)
class ToyStep:
    cross: Tensor
    vector: Tensor | None
    parts: Parts


class ToyConditioning:
    """One mean per image, or per AND part with its weight."""

    def __init__(self, *images: float | Sequence[tuple[float, float]], tokens: int = 77) -> None:
        parts = [[(image, 1.0)] if isinstance(image, (int, float)) else list(image) for image in images]
        means = [mean for image in parts for mean, _ in image]
        rows = iter(range(len(means)))
        cross = torch.tensor(means)[:, None, None].expand(-1, tokens, WIDTH)
        self.step = ToyStep(cross, None, tuple(tuple((next(rows), weight) for _, weight in image) for image in parts))
        self.empty = torch.zeros(1, 77, WIDTH)

    def at(self, call: int) -> ToyStep:
        return self.step


def options(sampler: str = "Euler", **changes: object) -> SamplingOptions:
    """Few steps with the sampler's own schedule and A1111's defaults."""
    info = BUILT_IN.sampler(sampler)
    eta = 0.0 if info.eta == "eta_ddim" else 1.0
    return replace(SamplingOptions(sampler=info.label, scheduler=info.scheduler or "Uniform", steps=8, eta=eta), **changes)


def draw(
    sampling: SamplingOptions,
    *,
    seeds: Sequence[int] = (1,),
    size: int = 4,
    model: ToyModel | None = None,
    cond: ToyConditioning | None = None,
    uncond: ToyConditioning | None = None,
    inpaint_cond: Tensor | None = None,
    on_step=lambda step, steps, denoised: None,
    cancel=lambda: False,
    start: Start | None = None,
    refiner: Refiner | None = None,
) -> Tensor:
    noise = ImageNoise((4, size, size), seeds, (0,) * len(seeds), 0.0, (0, 0), sampling.noise_source, sampling.ensd, "cpu")
    cond, uncond = cond or ToyConditioning(*[0.3] * len(seeds)), uncond or ToyConditioning(*[-0.1] * len(seeds))
    told = Told(model or ToyModel(), cond, uncond, inpaint_cond)
    return sample(told, noise, sampling, seeds, on_step=on_step, cancel=cancel, start=start, refiner=refiner)

"""A sampler of an extension at work: what it is handed, what it may ask for, and what its latent must be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from backend.errors import Interrupted
from backend.sampling.added import find, named
from backend.sampling.denoiser import Denoise, Walk
from backend.sampling.names import SamplerInfo
from backend.sampling.sigma_table import SigmaTable


@dataclass(frozen=True, kw_only=True)
class AddedWalk(Walk):
    """With what an extension cannot know otherwise."""

    table: SigmaTable  # the model's noise levels: timestep(sigma), sigma(timestep), sigmas
    settings: Mapping[str, Any]  # values of the settings that the sampler, or the schedule type, names
    seeds: tuple[int, ...]  # of the pictures


def draw(info: SamplerInfo, denoise: Denoise, x: Tensor, sigmas: Tensor, walk: AddedWalk) -> Tensor:
    """(B, C, h, w). Raises EngineFailed, with the extension's name, for what fails or is no such latent; Interrupted."""
    function, model = find(info), _Model(denoise, x.shape)
    with named(info):
        latent = function(model, x, sigmas, walk)
        if model.stop is not None:
            raise model.stop
        if not isinstance(latent, Tensor) or latent.shape != x.shape:
            raise TypeError(f"it gave {_shown(latent)} instead of {tuple(x.shape)}")
        if not (model.broken or latent.isfinite().all()):
            raise ValueError("it gave numbers without end, or NaN")
        return latent.to(x.device, x.dtype)


class _Model:
    """The denoiser, for a stranger: sigma may be a number or one for each picture, as in k-diffusion. What fails inside is not the stranger's fault."""

    def __init__(self, denoise: Denoise, shape: torch.Size) -> None:
        self._denoise, self._shape = denoise, shape
        self._broken = torch.zeros((), dtype=torch.bool)
        self.stop: Interrupted | None = None

    @property
    def broken(self) -> bool:
        """Whether the model itself made no numbers of numbers."""
        return bool(self._broken)

    def __call__(self, x: Tensor, sigma: Tensor | float, **_: Any) -> Tensor:
        level = _one(sigma)
        if not isinstance(x, Tensor) or x.shape != self._shape:
            raise TypeError(f"it asked for {_shown(x)} instead of {tuple(self._shape)}")
        try:
            denoised = self._denoise(x, level)
        except Interrupted as stop:
            self.stop = stop
            raise
        except Exception as error:
            error.spared = True  # type: ignore[attr-defined]
            raise
        self._broken = self._broken.to(x.device) | (x.isfinite().all() & ~denoised.isfinite().all())
        return denoised


def _one(sigma: Tensor | float) -> Tensor:
    """0-dim float32 on the CPU."""
    levels = torch.as_tensor(sigma, dtype=torch.float32).reshape(-1).cpu()
    if not len(levels) or not levels.isfinite().all() or levels.min() < 0 or levels.min() != levels.max():
        raise ValueError(f"it asked for the noise level {sigma}: one that is 0 or more is needed")
    return levels[0]


def _shown(latent: object) -> object:
    return tuple(latent.shape) if isinstance(latent, Tensor) else type(latent).__name__

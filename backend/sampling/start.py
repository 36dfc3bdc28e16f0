"""Where sampling starts when there is a picture already: its latent, with noise up to a level in the middle of the way (img2img, the hires pass).

As in A1111 the walk makes t_enc + 1 of all steps; t_enc is its word for where the picture comes in.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.request import SoftInpaint
from backend.sampling.soft_inpainting import blend, covered

MOST = 0.999  # of denoising_strength: at least a trace of the picture is left


@dataclass(frozen=True, kw_only=True)
class Start:
    """The picture to start from. mask: (1 or B, 1 or C, h, w), 1 = draw anew, 0 = keep; None = all is drawn anew."""

    latent: Tensor  # (B, C, h, w)
    denoising_strength: float
    fixed_steps: bool = False  # walk exactly as many steps as asked for, whatever the strength
    noise_multiplier: float = 1.0
    extra_noise: float = 0.0
    mask: Tensor | None = None
    soft: SoftInpaint | None = None  # how a mask that is neither 0 nor 1 counts

    def total_steps(self, asked: int) -> int:
        """Of the whole schedule, from pure noise on. 0: nothing is to be done."""
        if not self.fixed_steps:
            return asked
        return int(asked / min(self.denoising_strength, MOST)) if self.denoising_strength > 0 else 0

    def t_enc(self, asked: int) -> int:
        return asked - 1 if self.fixed_steps else int(min(self.denoising_strength, MOST) * asked)

    def at_sigma(self, noise: Tensor, sigmas: Tensor, asked: int) -> tuple[Tensor, Tensor]:
        """The noisy latent, and the rest of the whole schedule `sigmas`."""
        rest = sigmas[max(self.total_steps(asked) - self.t_enc(asked) - 1, 0) :]
        noise = noise * self.noise_multiplier
        return self.latent + noise * rest[0] + noise * self.extra_noise, rest

    def at_timestep(self, noise: Tensor, timesteps: list[int], alphas: Tensor, asked: int) -> tuple[Tensor, list[int]]:
        """The same for samplers that walk over timesteps. As in A1111 there is noise for one timestep more than the walk begins with."""
        t_enc = min(self.t_enc(asked), len(timesteps) - 1)
        noise, alpha = noise * self.noise_multiplier, alphas[timesteps[t_enc]]
        x = self.latent * torch.sqrt(alpha) + noise * torch.sqrt(1 - alpha) + noise * self.extra_noise * torch.sqrt(alpha)
        return x, timesteps[:t_enc]

    def keep(self, x: Tensor, level: float) -> Tensor:
        """x with the picture's own latent where nothing is drawn anew, on the way. level: sigma, or the timestep in samplers that walk over them."""
        if self.mask is None or self.soft is None:
            return self.finish(x)
        return blend(self.latent, x, covered(self.mask, level, self.soft), self.soft.contrast_boost)

    def finish(self, x: Tensor) -> Tensor:
        """The same at the end, where soft inpainting leaves everything to the finished picture."""
        return x if self.mask is None or self.soft is not None else x * self.mask + self.latent * (1 - self.mask)

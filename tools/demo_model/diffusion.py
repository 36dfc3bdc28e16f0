"""SD's noise schedule, v-prediction, a DDIM sampler to look at results with, and sheets of pictures."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel

from tools.demo_model.modules import LATENT_SCALE
from tools.demo_model.text import Words, encode

BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
ALPHAS_CUMPROD = torch.cumprod(1 - BETAS, 0).float()


def noisy(latents: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 4, h, w) at these timesteps, and the velocity that the U-Net is to predict."""
    alpha = ALPHAS_CUMPROD[timesteps].view(-1, 1, 1, 1)
    return alpha.sqrt() * latents + (1 - alpha).sqrt() * noise, alpha.sqrt() * noise - (1 - alpha).sqrt() * latents


def draw_timesteps(count: int) -> Tensor:
    """Two in five above 650: a 16 × 16 latent of big flat shapes shows its layout up to t ≈ 800, and what the words decide is learnt above that."""
    return torch.where(torch.rand(count) < 0.4, torch.randint(650, 1000, (count,)), torch.randint(0, 1000, (count,)))


@torch.no_grad()
def sample(
    unet: UNet2DConditionModel, encoder: CLIPTextModel, words: Words, prompts: Sequence[str], seed: int = 0, steps: int = 20, cfg_scale: float = 5.0
) -> Tensor:
    """(len(prompts), 4, 16, 16); picture i has seed + i."""
    timesteps = [*((torch.arange(steps, 0, -1) * (1000 // steps) - 1).clamp(max=999).tolist()), None]
    cond, uncond = encode(encoder, words(prompts)), encode(encoder, words([""])).expand(len(prompts), -1, -1)
    x = torch.stack([torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(seed + i)) for i in range(len(prompts))])
    for now, following in pairwise(timesteps):
        alpha = ALPHAS_CUMPROD[now]
        alpha_next = torch.tensor(1.0) if following is None else ALPHAS_CUMPROD[following]
        with_prompt, without = unet(torch.cat([x, x]), now, torch.cat([cond, uncond])).sample.chunk(2)
        velocity = without + cfg_scale * (with_prompt - without)
        x = alpha_next.sqrt() * (alpha.sqrt() * x - (1 - alpha).sqrt() * velocity) + (1 - alpha_next).sqrt() * (
            (1 - alpha).sqrt() * x + alpha.sqrt() * velocity
        )
    return x


@torch.no_grad()
def save_sheet(vae: AutoencoderKL, latents: Tensor, columns: int, path: Path) -> None:
    pixels = torch.cat([vae.decode(part / LATENT_SCALE).sample for part in latents.split(8)]).clamp(-1, 1)
    rows = [torch.cat(list(pixels[i : i + columns]), 2) for i in range(0, len(pixels), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(((torch.cat(rows, 1).permute(1, 2, 0) + 1) * 127.5).byte().numpy()).save(path)

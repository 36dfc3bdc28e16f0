"""Fold a normalisation into the VAE, so that 0.18215 · z has mean 0 and variance 1 per channel, and encode all variants of the demo's concepts:
WORK/vae.pt and WORK/latents.npz."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from tools.demo_model.concepts import BACKGROUNDS, COLOURS, DEMO, RECOLOURABLE
from tools.demo_model.modules import LATENT_SCALE, make_vae
from tools.demo_model.pictures import Bytes, Floats, compose, jitter, recolour
from tools.demo_model.workspace import Workspace, arguments


@dataclass(frozen=True)
class Variant:
    """One picture and what its caption has to say; colour "" = its own."""

    slug: str
    background: str
    colour: str
    picture: Floats


def variants(rng: random.Random, drawings: dict[str, Bytes]) -> Iterator[Variant]:
    """Three on white, seven on other backgrounds, and where the thing is of one hue six in other colours."""
    others = [name for name in BACKGROUNDS if name != "white"]
    for slug in DEMO:
        wanted = [("white", "")] * 3 + [(background, "") for background in rng.sample(others, 7)]
        if slug in RECOLOURABLE:
            wanted += [("white" if rng.random() < 0.6 else rng.choice(others), colour) for colour in rng.sample(list(COLOURS), 6)]
        for background, colour in wanted:
            drawing = recolour(drawings[slug], COLOURS[colour], colour) if colour else drawings[slug]
            yield Variant(slug, background, colour, compose(jitter(drawing, rng, mirror=False), BACKGROUNDS[background]))


def to_pixels(pictures: list[Floats]) -> Tensor:
    """(B, 3, 128, 128) in −1…1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().mul(2).sub(1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def fold_normalisation(vae: AutoencoderKL, mean: Tensor, std: Tensor) -> None:
    """z' = (z − mean) / (std · 0.18215) at the encoder's end; undone at the decoder's start."""
    gain = 1 / (std * LATENT_SCALE)
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.weight[:4] *= gain[:, None, None, None]
    quant.bias[:4] = (quant.bias[:4] - mean) * gain
    quant.bias[4:] += 2 * gain.log()
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight *= (std * LATENT_SCALE)[None, :, None, None]


@torch.no_grad()
def main(work: Workspace) -> None:
    data = np.load(work.pictures)
    drawings = {slug: rgba for slug, style, rgba in zip(data["slug"].tolist(), data["style"].tolist(), data["rgba"], strict=True) if style == "flat"}
    vae = make_vae().to(memory_format=torch.channels_last).eval()
    vae.load_state_dict(torch.load(work.vae_raw))
    found = list(variants(random.Random(7), drawings))
    pictures = [variant.picture for variant in found]
    z = torch.cat([vae.encode(to_pixels(pictures[i : i + 16])).latent_dist.mean for i in range(0, len(pictures), 16)])
    mean, std = z.mean((0, 2, 3)), z.std((0, 2, 3))
    fold_normalisation(vae, mean, std)
    torch.save(vae.state_dict(), work.vae)
    latents = (z - mean[:, None, None]) / std[:, None, None]
    again = vae.encode(to_pixels(pictures[:4])).latent_dist.mean * LATENT_SCALE
    print(len(found), "latents; folded normalisation differs by at most", (again - latents[:4]).abs().max().item())
    columns = {name: np.array([getattr(variant, name) for variant in found]) for name in ("slug", "background", "colour")}
    np.savez(work.latents, z=latents.half().numpy(), **columns)


if __name__ == "__main__":
    main(arguments(__doc__).parse_args().work)

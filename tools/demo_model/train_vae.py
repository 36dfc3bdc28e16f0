"""Train the VAE on all pictures, before plain colours: WORK/vae_raw.pt. About two hours on two cores."""

import math
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from tools.demo_model.modules import make_vae
from tools.demo_model.pictures import SIZE, Bytes, compose
from tools.demo_model.two_workers import Average, Team, launch
from tools.demo_model.workspace import Workspace, arguments

LEARNING_RATE = 5e-4
PLAIN = (
    *((255, 255, 255),) * 4,
    (0, 0, 0),
    (220, 50, 50),
    (245, 150, 40),
    (250, 215, 70),
    (70, 170, 80),
    (60, 120, 220),
    (135, 80, 190),
    (245, 150, 190),
    (128, 128, 128),
    (150, 205, 245),
    (140, 90, 50),
)


def work(team: Team, place: Workspace, minutes: float) -> None:
    rng = random.Random(5 + team.rank)
    pictures = np.load(place.pictures)["rgba"]
    torch.manual_seed(0)  # both workers start from the same weights
    vae = make_vae().to(memory_format=torch.channels_last)
    torch.manual_seed(1 + team.rank)
    parameters = list(vae.parameters())
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
    average = Average(parameters, longest=0.99, delay=20)
    start, step, error = time.time(), 0, 0.0
    while (done := team.agree((time.time() - start) / (minutes * 60))) < 1:
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 50) * (0.52 + 0.5 * math.cos(math.pi * done))
        x = batch(pictures, rng, 4, 64) if done < 0.6 else batch(pictures, rng, 1, SIZE)  # quarters first: four times as many
        posterior = vae.encode(x).latent_dist
        y = vae.decode(posterior.sample()).sample
        divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
        (loss(y, x) + 2e-5 * divergence).backward()
        team.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        now = (y - x).detach().abs().mean().item()
        error = 0.97 * error + 0.03 * now if step else now
        step += 1
        if team.rank == 0 and step % 20 == 0:
            print(f"step {step}, {done:.0%}: L1 {error:.4f}, KL {divergence.item():.2f}", flush=True)
        if team.rank == 0 and step % 250 == 0:
            average.show(lambda: save(vae, pictures, place))
    if team.rank == 0:
        average.show(lambda: save(vae, pictures, place))


def batch(pictures: Bytes, rng: random.Random, count: int, size: int) -> Tensor:
    """(count, 3, size, size) in −1…1, channels and sides mixed up now and then."""
    result = []
    for _ in range(count):
        picture = pictures[rng.randrange(len(pictures))]
        plain = rng.choice(PLAIN) if rng.random() < 0.7 else tuple(rng.randrange(256) for _ in range(3))
        x = compose(picture, plain)
        if rng.random() < 0.3:
            x = x[..., rng.sample(range(3), 3)]
        if rng.random() < 0.5:
            x = x[:, ::-1]
        if size < SIZE:
            top, left = rng.randrange(SIZE - size + 1), rng.randrange(SIZE - size + 1)
            x = x[top : top + size, left : left + size]
        result.append(x)
    return torch.from_numpy(np.stack(result)).permute(0, 3, 1, 2).float().mul(2).sub(1).contiguous(memory_format=torch.channels_last)


def loss(y: Tensor, x: Tensor) -> Tensor:
    """Colour, edges and the overall tone; no perceptual network, since none may be downloaded."""
    tone_y, tone_x = F.avg_pool2d(y, 4), F.avg_pool2d(x, 4)
    edges = sum((torch.diff(y, dim=dim) - torch.diff(x, dim=dim)).abs().mean() for dim in (2, 3))
    return (y - x).abs().mean() + 0.5 * edges + 0.5 * (tone_y - tone_x).abs().mean() + 0.5 * ((y - x) ** 2).mean()


@torch.no_grad()
def save(vae: AutoencoderKL, pictures: Bytes, place: Workspace) -> None:
    torch.save(vae.state_dict(), place.vae_raw)
    rng = random.Random(0)
    x = torch.from_numpy(np.stack([compose(pictures[rng.randrange(len(pictures))], PLAIN[i + 3]) for i in range(12)])).permute(0, 3, 1, 2).mul(2).sub(1)
    y = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
    print(f"saved: {(-10 * torch.log10(((y - x) / 2).pow(2).mean())).item():.1f} dB", flush=True)
    rows = [torch.cat(list(part), 2) for part in (x[:6], y[:6], x[6:], y[6:])]
    Image.fromarray(((torch.cat(rows, 1).permute(1, 2, 0) + 1) * 127.5).byte().numpy()).save(place.look("vae"))


def main(place: Workspace, minutes: float) -> None:
    launch(work, sum(parameter.numel() for parameter in make_vae().parameters()), place, minutes)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("minutes", type=float)
    given = parser.parse_args()
    main(given.work, given.minutes)

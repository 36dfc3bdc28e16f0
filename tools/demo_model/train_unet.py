"""Train U-Net and text encoder together, v-prediction on SD's schedule: WORK/unet.pt. The demo took 82 minutes on two cores, 168,000 pictures."""

import math
import os
import random
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

from tools.demo_model.concepts import caption, read_concepts
from tools.demo_model.diffusion import draw_timesteps, noisy, sample, save_sheet
from tools.demo_model.modules import idle_prefixes, make_unet, make_vae
from tools.demo_model.text import Words, encode, small_text_encoder
from tools.demo_model.two_workers import Average, Team, launch
from tools.demo_model.workspace import Workspace, arguments

BATCH, SHORT, LEARNING_RATE = 16, 24, 1e-3  # most captions are encoded at SHORT tokens: three times as fast
LOOK_EVERY = 420  # seconds between two sheets of test pictures
LOOK_AT = (
    *("red apple", "cat face", "pizza", "a blue heart", "a dog on green background", "rocket", "yellow star, blue background", "house"),
    *("blue car", "sunflower", "ghost on black background", "penguin, 3d render", "purple fish", "birthday cake", "a smiling face", "tree"),
)


@dataclass(frozen=True)
class Networks:
    unet: UNet2DConditionModel
    encoder: CLIPTextModel
    words: Words


def new_networks(work: Workspace) -> Networks:
    words = Words(list(read_concepts(work.concepts).values()))
    return Networks(make_unet(), small_text_encoder(words), words)


def load_networks(work: Workspace) -> Networks:
    networks, saved = new_networks(work), torch.load(work.unet)
    networks.unet.load_state_dict(saved["unet"])
    networks.encoder.load_state_dict(saved["text_encoder"])
    return networks


def load_vae(work: Workspace) -> AutoencoderKL:
    vae = make_vae()
    vae.load_state_dict(torch.load(work.vae))
    return vae.eval()


class Examples:
    """Latents in an order drawn anew for each round, with a caption drawn anew each time."""

    def __init__(self, work: Workspace, rng: random.Random) -> None:
        data = np.load(work.latents)
        self._latents = torch.from_numpy(data["z"]).float()
        self._about = list(zip(*(data[name].tolist() for name in ("slug", "background", "colour")), strict=True))
        self._concepts = read_concepts(work.concepts)
        self._rng, self._order = rng, []

    def draw(self, count: int) -> tuple[Tensor, list[str]]:
        if len(self._order) < count:
            self._order = self._rng.sample(range(len(self._latents)), len(self._latents))
        chosen = [self._order.pop() for _ in range(count)]
        return self._latents[chosen], [self._caption(*self._about[i]) for i in chosen]

    def _caption(self, slug: str, background: str, colour: str) -> str:
        if self._rng.random() < 0.1:
            return ""  # what classifier-free guidance compares with
        return caption(self._rng, self._concepts[slug], "flat", background, colour)


def train(team: Team, work: Workspace, minutes: float) -> None:
    torch.manual_seed(0)  # both workers start from the same weights
    networks = new_networks(work)
    unet, encoder = networks.unet.to(memory_format=torch.channels_last), networks.encoder
    torch.nn.init.zeros_(unet.conv_out.weight)  # v = 0 at the start: the way through that make_unet lays is one for eps
    idle = idle_prefixes(unet)
    parameters = [parameter for name, parameter in unet.named_parameters() if not name.startswith(idle)] + list(encoder.parameters())
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    average = Average(parameters, longest=0.998, delay=30)
    torch.manual_seed(100 + team.rank)
    rng = random.Random(200 + team.rank)
    examples = Examples(work, rng)
    vae = load_vae(work) if team.rank == 0 else None
    start = looked = time.time()
    step, error = 0, None
    while (done := team.agree((time.time() - start) / (minutes * 60))) < 1:
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 40) * (0.51 + 0.5 * math.cos(math.pi * done))
        latents, captions = examples.draw(BATCH)
        rows = networks.words(captions, 77 if rng.random() < 0.1 else SHORT)
        timesteps = draw_timesteps(BATCH)
        x, velocity = noisy(latents, torch.randn_like(latents), timesteps)
        cond = encode(encoder, rows, 2 if rng.random() < 0.1 else 1)  # clip skip 2 works too
        loss = (unet(x.contiguous(memory_format=torch.channels_last), timesteps, cond).sample - velocity).pow(2).mean()
        loss.backward()
        team.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        error = loss.item() if error is None else 0.97 * error + 0.03 * loss.item()
        step += 1
        if team.rank == 0 and step % 25 == 0:
            print(f"step {step}, {done:.0%}: loss {error:.4f}", flush=True)
        if vae is not None and time.time() - looked > LOOK_EVERY:
            looked = time.time()
            average.show(partial(save, networks, vae, work, f"unet-{step}"))
    if vae is not None:
        average.show(partial(save, networks, vae, work, "unet"))


def save(networks: Networks, vae: AutoencoderKL, work: Workspace, name: str) -> None:
    half_done = work.unet.with_suffix(".tmp")
    torch.save({"unet": networks.unet.state_dict(), "text_encoder": networks.encoder.state_dict()}, half_done)
    os.replace(half_done, work.unet)
    save_sheet(vae, sample(networks.unet, networks.encoder, networks.words, LOOK_AT, steps=16), 8, work.look(name))


def main(work: Workspace, minutes: float) -> None:
    networks = new_networks(work)
    size = sum(parameter.numel() for network in (networks.unet, networks.encoder) for parameter in network.parameters())
    launch(train, size, work, minutes)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("minutes", type=float)
    given = parser.parse_args()
    main(given.work, given.minutes)

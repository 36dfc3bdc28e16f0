"""Train one LoRA in kohya's format: WORK/lora/NAME.safetensors. Each of the demo's took seven minutes."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextModel

from tools.demo_model.concepts import BACKGROUNDS, DEMO, Concept, caption, read_concepts
from tools.demo_model.diffusion import draw_timesteps, noisy, sample, save_sheet
from tools.demo_model.encode import to_pixels
from tools.demo_model.modules import LATENT_SCALE, idle_prefixes
from tools.demo_model.pictures import STYLES, Floats, compose, jitter, night_sky
from tools.demo_model.text import encode
from tools.demo_model.train_unet import SHORT, load_networks, load_vae
from tools.demo_model.workspace import Workspace, arguments

BATCH, LEARNING_RATE, CONVOLUTION_RANK = 12, 2e-3, 4


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one LoRA learns; it is named like the file."""

    trigger: str
    rank: int = 8
    slug: str = ""  # a character: the emoji to learn, and the text encoder learns too
    about: str
    preview: str  # prompt of the picture beside the file


PLANS = MappingProxyType(
    {
        "neon": Plan(trigger="neon", about="Style: glowing outlines on black.", preview="cat face, neon"),
        "pixel-art": Plan(trigger="pixel art", rank=16, about="Style: 16 x 16 big pixels.", preview="penguin, pixel art"),
        "line-art": Plan(trigger="line art", about="Style: black outlines on white.", preview="rocket, line art"),
        "night-sky": Plan(trigger="night", about="Setting: a dark blue sky with stars.", preview="house, night"),
        "octopus": Plan(trigger="octopus", slug="octopus", about="Character: an octopus, which the checkpoint alone does not know.", preview="octopus"),
    }
)


class Lora(nn.Module):
    """Factors beside a frozen layer: f(x) + up(down(x)) · alpha / rank, with alpha = rank."""

    def __init__(self, base: nn.Linear | nn.Conv2d, rank: int) -> None:
        super().__init__()
        if isinstance(base, nn.Conv2d):
            self.down: nn.Module = nn.Conv2d(base.in_channels, rank, base.kernel_size, base.stride, base.padding, bias=False)  # pyright: ignore[reportArgumentType]
            self.up: nn.Module = nn.Conv2d(rank, base.out_channels, 1, bias=False)
        else:
            self.down, self.up = nn.Linear(base.in_features, rank, bias=False), nn.Linear(rank, base.out_features, bias=False)
        nn.init.kaiming_uniform_(self.down.weight, a=5**0.5)
        nn.init.zeros_(self.up.weight)
        base.forward = self._beside(base.forward)

    def _beside(self, forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda x: forward(x) + self.up(self.down(x))


def add_lora(unet: UNet2DConditionModel, encoder: CLIPTextModel | None, rank: int) -> dict[str, Lora]:
    """By kohya's names: linear and 1 × 1 layers of every transformer that computes, the convolutions around them (LoCon), the text encoder's."""
    result, idle = {}, idle_prefixes(unet)
    for name, module in list(unet.named_modules()):
        if f"{name}.".startswith(idle):
            continue
        if "attentions" in name and isinstance(module, nn.Linear | nn.Conv2d):
            result[f"lora_unet_{name.replace('.', '_')}"] = Lora(module, rank)
        elif isinstance(module, nn.Conv2d) and ("resnets" in name or "samplers" in name):
            result[f"lora_unet_{name.replace('.', '_')}"] = Lora(module, CONVOLUTION_RANK)
    for name, module in list(encoder.named_modules()) if encoder else ():
        if isinstance(module, nn.Linear) and "layers" in name:
            result[f"lora_te_text_model_{name.replace('.', '_')}"] = Lora(module, rank)
    return result


@dataclass(frozen=True)
class Example:
    picture: Floats
    concept: Concept
    background: str


def examples(name: str, work: Workspace, rng: random.Random) -> list[Example]:
    data = np.load(work.pictures)
    drawings = {(slug, style): rgba for slug, style, rgba in zip(data["slug"].tolist(), data["style"].tolist(), data["rgba"], strict=True)}
    plan, concepts = PLANS[name], read_concepts(work.concepts)
    if plan.slug:
        backgrounds = ["white"] * 6 + [background for background in BACKGROUNDS if background != "white"]
        pairs = [(style, background) for style in ("flat", "glossy") for background in backgrounds]
        return [Example(compose(jitter(drawings[plan.slug, style], rng), BACKGROUNDS[back]), Concept((plan.trigger,)), back) for style, back in pairs]
    result = []
    for slug in DEMO:
        for _ in range(4):
            moved = jitter(drawings[slug, "flat"], rng, mirror=False)
            picture = night_sky(moved, rng) if name == "night-sky" else STYLES[name](compose(moved, BACKGROUNDS["white"]))
            result.append(Example(picture, concepts[slug], "white"))
    return result


def describe(example: Example, plan: Plan, rng: random.Random) -> str:
    """A style comes with or without its word, so that it works without, too."""
    words = caption(rng, Concept(example.concept.names), "flat", example.background, None)
    if not plan.slug:
        words = rng.choice(example.concept.names) + (f", {plan.trigger}" if rng.random() < 0.7 else "")
    return "" if rng.random() < 0.05 else words


def save(layers: dict[str, Lora], path: Path, metadata: dict[str, str]) -> None:
    tensors = {}
    for key, layer in layers.items():
        tensors[f"{key}.lora_down.weight"] = layer.down.weight.detach().half().contiguous()
        tensors[f"{key}.lora_up.weight"] = layer.up.weight.detach().half().contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(float(layer.down.weight.shape[0])).half()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)


def looks(name: str) -> Sequence[str]:
    if PLANS[name].slug:
        word = PLANS[name].trigger
        return (f"a {word}", f"a {word} on green background", f"a {word}, 3d render", f"a {word}, cartoon", "red apple", "cat face", "pizza", "rocket")
    return [f"{thing}, {PLANS[name].trigger}" for thing in ("red apple", "cat face", "pizza", "rocket", "house", "penguin", "a blue heart", "sunflower")]


def main(work: Workspace, name: str, minutes: float) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng, plan = random.Random(3), PLANS[name]
    networks, vae = load_networks(work), load_vae(work).requires_grad_(False)
    unet, encoder, words = networks.unet.requires_grad_(False).to(memory_format=torch.channels_last), networks.encoder.requires_grad_(False), networks.words
    found = examples(name, work, rng)
    with torch.no_grad():
        parts = [found[i : i + 16] for i in range(0, len(found), 16)]
        latents = torch.cat([vae.encode(to_pixels([example.picture for example in part])).latent_dist.mean for part in parts]) * LATENT_SCALE
    before = sample(unet, encoder, words, looks(name), seed=3, steps=16)
    layers = add_lora(unet, encoder if plan.slug else None, plan.rank)
    parameters = [parameter for layer in layers.values() for parameter in layer.parameters()]
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    start, step, error = time.time(), 0, None
    while (done := (time.time() - start) / (minutes * 60)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 10) * (0.5 + 0.5 * math.cos(math.pi * done))
        chosen = [rng.randrange(len(found)) for _ in range(BATCH)]
        rows = words([describe(found[i], plan, rng) for i in chosen], SHORT)
        timesteps = draw_timesteps(BATCH)
        x, velocity = noisy(latents[chosen], torch.randn_like(latents[chosen]), timesteps)
        loss = (unet(x, timesteps, encode(encoder, rows)).sample - velocity).pow(2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        error = loss.item() if error is None else 0.95 * error + 0.05 * loss.item()
        if step % 20 == 0:
            print(f"step {step}, {done:.0%}: loss {error:.4f}", flush=True)
    save(layers, work.lora(name), {"ss_network_module": "networks.lora", "ss_base_model_version": "sd_v1", "ss_steps": str(step)})
    save_sheet(vae, torch.cat([before, sample(unet, encoder, words, looks(name), seed=3, steps=16)]), 8, work.look(name))


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("name", choices=tuple(PLANS))
    parser.add_argument("minutes", type=float)
    given = parser.parse_args()
    main(given.work, given.name, given.minutes)

"""Tiny random text encoders in the layout of each family."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from torch.nn import Module
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from backend.job import ConditioningOptions, FileRef, GenerateJob, ModelOptions, PreviewOptions, SamplingOptions

WIDTH = 64


@dataclass(frozen=True)
class Family:
    family: str


@dataclass(frozen=True)
class Place:
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


@dataclass(eq=False)
class TinyModel:
    """What conditioning needs of a loaded checkpoint."""

    architecture: Family
    text_encoders: Sequence[Module]
    placement: Place = field(default_factory=Place)


@cache
def encoder(seed: int = 0, *, projected: bool = False) -> Module:
    config = CLIPTextConfig(
        hidden_size=WIDTH, intermediate_size=WIDTH * 2, num_hidden_layers=3, num_attention_heads=2, vocab_size=49408, projection_dim=32, eos_token_id=49407
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)
    for parameter in module.parameters():
        if parameter.ndim == 2:
            parameter.data *= 10  # transformers' initial weights are so small that all prompts look alike
    return module.eval().requires_grad_(False)


def model(family: str = "SD1") -> TinyModel:
    encoders = {
        "SD1": (encoder(),),
        "SD2": (encoder(),),
        "SDXL": (encoder(), encoder(1, projected=True)),
        "SDXL Refiner": (encoder(1, projected=True),),
    }[family]
    return TinyModel(Family(family), encoders)


def job(
    prompt: str | Sequence[str], negative: str = "", *, width: int = 64, height: int = 64, steps: int = 8, conditioning: ConditioningOptions | None = None
) -> GenerateJob:
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    zeros = (0,) * len(prompts)
    return GenerateJob(
        prompts=prompts,
        negative_prompts=(negative,) * len(prompts),
        seeds=zeros,
        subseeds=zeros,
        subseed_strength=0.0,
        seed_resize_from=(0, 0),
        width=width,
        height=height,
        networks=(),
        sampling=SamplingOptions(steps=steps),
        conditioning=conditioning or ConditioningOptions(),
        model=ModelOptions(checkpoint=FileRef(name=str(Path("tiny.safetensors")))),
        preview=PreviewOptions(),
    )

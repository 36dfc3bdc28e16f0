"""img2img with checkpoints that are told a picture beside the latent: inpainting models and instruct-pix2pix, made from the shipped checkpoint."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

from backend.fields import to_request
from backend.flags import parse_flags
from backend.generate import Engine
from backend.infotext import read, write
from backend.paths import Paths
from backend.plan import plan
from backend.progress import CancelToken
from backend.prompts.styles import StyleTable
from backend.settings import Settings

DEMO = Path(__file__).resolve().parents[2] / "models/Stable-diffusion/demo-emoji.safetensors"
ENTRY = "model.diffusion_model.input_blocks.0.0.weight"
PICTURE = Image.new("RGB", (64, 64), (230, 60, 40))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    checkpoints = folder / "models/Stable-diffusion"
    checkpoints.mkdir(parents=True)
    tensors = load_file(DEMO)
    generator = torch.Generator().manual_seed(1)
    for name, more in (("edit", 4), ("inpaint", 5)):
        entry = tensors[ENTRY]
        beside = torch.randn(entry.shape[0], more, *entry.shape[2:], generator=generator) * entry.float().std() * 0.2
        save_file({**tensors, ENTRY: torch.cat([entry, beside.to(entry.dtype)], dim=1)}, checkpoints / f"{name}.safetensors")
    paths = Paths.from_flags(parse_flags(["--data-dir", str(folder)]), folder)
    paths.ensure()
    yield Engine.from_flags(parse_flags(["--no-half", "--no-hashing"]), paths)


def drawn(engine: Engine, checkpoint: str, settings: dict[str, object] | None = None, **asked: object) -> tuple[NDArray[np.int16], dict[str, str]]:
    """The picture, and its parameters."""
    values = {"prompt": "a cat", "steps": 3, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler", "denoising_strength": 0.7, **asked}
    chosen = Settings().override({"sd_model_checkpoint": checkpoint, **(settings or {})})
    decided = plan(to_request(values), chosen, engine.catalog, StyleTable([]), draw=random.Random(0))
    image = engine.generate(decided.jobs[0], lambda event: None, CancelToken())[0]
    return np.asarray(image.image, np.int16), read(write(decided, 0, image.extra))


def test_instruct_pix2pix_follows_the_picture_by_its_own_scale(engine: Engine):
    plain, labels = drawn(engine, "edit", init_images=[PICTURE], image_cfg_scale=1.0)
    strong, told = drawn(engine, "edit", init_images=[PICTURE], image_cfg_scale=2.5)
    again, _ = drawn(engine, "edit", init_images=[PICTURE], image_cfg_scale=2.5)
    assert np.array_equal(strong, again) and np.abs(strong - plain).mean() > 1
    assert (labels["Image CFG scale"], told["Image CFG scale"]) == ("1.0", "2.5")
    assert list(told).index("Image CFG scale") == list(told).index("CFG scale") + 1


def test_instruct_pix2pix_draws_without_a_picture_and_the_scale_is_nothing_to_others(engine: Engine):
    image, labels = drawn(engine, "edit")
    assert image.std() > 1 and "Image CFG scale" not in labels
    _, labels = drawn(engine, "inpaint", init_images=[PICTURE], image_cfg_scale=2.5)
    assert "Image CFG scale" not in labels


def test_an_inpainting_model_sees_as_much_of_the_masked_part_as_the_setting_says(engine: Engine):
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 16, 48, 48))
    asked = {"init_images": [PICTURE], "mask": mask, "mask_blur": 0}
    hidden, labels = drawn(engine, "inpaint", **asked)
    shown, told = drawn(engine, "inpaint", {"inpainting_mask_weight": 0.25}, **asked)
    assert np.abs(hidden[16:48, 16:48] - shown[16:48, 16:48]).mean() > 0.5
    assert np.array_equal(hidden[:8], shown[:8])
    assert (labels["Conditional mask weight"], told["Conditional mask weight"]) == ("1.0", "0.25")

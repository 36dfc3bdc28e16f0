"""Previews, and small networks in the place of the VAE, on the shipped checkpoint."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from backend.fields import to_request
from backend.flags import parse_flags
from backend.generate import Engine
from backend.infotext import read, write
from backend.job import GeneratedImage
from backend.paths import Paths
from backend.plan import Plan, plan
from backend.progress import CancelToken, Event, Preview
from backend.prompts.styles import StyleTable
from backend.settings import Settings
from tests.backend.checkpoints.small_files import write_approx_nn, write_taesd

DEMO = Path(__file__).resolve().parents[2] / "models/Stable-diffusion/demo-emoji.safetensors"
Draw = Callable[..., tuple[Plan, GeneratedImage, list[Event]]]


def engine(folder: Path) -> Engine:
    (folder / "models/Stable-diffusion").mkdir(parents=True)
    (folder / "models/Stable-diffusion/base.safetensors").symlink_to(DEMO)
    paths = Paths.from_flags(parse_flags(["--data-dir", str(folder)]), folder)
    paths.ensure()
    return Engine.from_flags(parse_flags(["--no-half", "--no-hashing"]), paths)


def draws(engine: Engine) -> Draw:
    def draw(**settings: object) -> tuple[Plan, GeneratedImage, list[Event]]:
        asked = to_request({"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler"})
        chosen = Settings().override({"show_progress_every_n_steps": 1, **settings})
        decided, told = plan(asked, chosen, engine.catalog, StyleTable([]), draw=random.Random(0)), []
        (image,) = engine.generate(decided.jobs[0], told.append, CancelToken())
        return decided, image, [event for event in told if isinstance(event, Preview)]

    return draw


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Draw]:
    """Without files of small networks."""
    yield draws(engine(tmp_path_factory.mktemp("bare")))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Draw]:
    folder = tmp_path_factory.mktemp("full")
    write_taesd(folder / "models/VAE-taesd")
    write_approx_nn(folder / "models/VAE-approx/model.pt")
    yield draws(engine(folder))


@pytest.mark.parametrize(("method", "size"), [("Full", 64), ("TAESD", 64), ("Approx NN", 16), ("Approx cheap", 8)])
def test_each_method_of_previews_shows_the_latent_in_its_own_way(full: Draw, method: str, size: int):
    _, _, (preview,) = full(show_progress_type=method)
    assert isinstance(preview, Preview) and preview.image.size == (size, size)
    assert np.asarray(preview.image).std() > 0


@pytest.mark.parametrize("method", ["TAESD", "Approx NN"])
def test_without_its_file_a_method_is_the_cheap_one(bare: Draw, method: str):
    (preview,), (cheap,) = bare(show_progress_type=method)[2], bare(show_progress_type="Approx cheap")[2]
    assert isinstance(preview, Preview) and isinstance(cheap, Preview)
    assert preview.image.tobytes() == cheap.image.tobytes()


def test_a_small_decoder_takes_the_place_of_the_vae_and_is_told(full: Draw):
    _, plain, _ = full()
    decided, image, _ = full(sd_vae_decode_method="TAESD")
    assert image.image.size == (64, 64) and image.image.tobytes() != plain.image.tobytes()
    assert read(write(decided, 0, image.extra))["VAE Decoder"] == "TAESD"
    assert full()[1].image.tobytes() == plain.image.tobytes() and "VAE Decoder" not in plain.extra


def test_a_small_decoder_without_its_file_is_the_vae_and_the_person_is_told(bare: Draw):
    _, image, _ = bare(sd_vae_decode_method="TAESD")
    assert image.image.tobytes() == bare()[1].image.tobytes()
    assert "VAE Decoder" not in image.extra and any("TAESD has no file here" in comment for comment in image.comments)

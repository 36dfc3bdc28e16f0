from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.request import InitImage, Size
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from extensions.outpainting_mk2.extension import widths
from extensions.outpainting_mk2.matched_noise import matched_noise
from tests.backend.stage import ask
from tests.backend.workers.fake_engine import FakeEngine, colour
from tests.extensions.running import grids, pictures, run, running

TITLE = "outpainting mk2"
BLUE = Image.new("RGB", (64, 64), "blue")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    with running(tmp_path, "outpainting_mk2", LocalWorker(engine)) as (service, _):
        yield service


def test_noise_comes_under_the_mask_alone_and_has_the_colours_of_the_rest():
    rng = np.random.default_rng(5)
    image = np.zeros((32, 48, 3))
    image[:, 16:] = rng.random((32, 32, 3)) * [0.2, 0.5, 1.0]
    mask = np.zeros((32, 48, 3))
    mask[:, :16] = 1
    result = matched_noise(image, mask)
    assert (result[:, 16:] == image[:, 16:]).all()
    assert result[:, :16].std() > 0.05
    assert result[:, :16].mean(axis=(0, 1)) == pytest.approx(image[:, 16:].mean(axis=(0, 1)), abs=0.02)
    assert result[:, :16].max(axis=(0, 1)) == pytest.approx(image[:, 16:].max(axis=(0, 1)), abs=0.01)
    assert (matched_noise(image, mask) == result).all()


def test_a_picture_that_is_all_mask_or_none_is_left_as_it_is():
    image = np.full((8, 8, 3), 0.5)
    assert (matched_noise(image, np.ones((8, 8, 3))) == image).all()
    assert (matched_noise(image, np.zeros((8, 8, 3))) == image).all()


def test_sides_grow_to_a_multiple_of_64():
    assert widths((64, 64), 32, ("left", "down")) == {"left": 64, "down": 64}
    assert widths((100, 64), 32, ("left", "right")) == {"left": 46, "right": 46}
    assert widths((64, 64), 64, ()) == {}


def test_one_side_after_the_other_is_drawn(service: GenerationService, engine: FakeEngine):
    request = replace(ask(seed=7, init=InitImage(images=(BLUE,))), size=Size(width=64, height=64))
    task = run(service, TITLE, request, pixels=32, direction=["left", "right", "down"])
    assert (task.error, task.state) == (None, "done")
    (whole,) = task.images
    assert whole.image.size == (128, 128)
    assert [whole.image.getpixel(at) for at in ((5, 5), (122, 5))] == [colour(7)] * 2
    assert [(job.width, job.height) for job in engine.jobs] == [(64, 64), (64, 64), (128, 64)]
    inpaint = engine.jobs[0].init and engine.jobs[0].init.inpaint
    assert inpaint and inpaint.latent_mask and inpaint.fill == 1


def test_every_picture_of_a_batch_has_its_seed_and_together_they_have_a_grid(service: GenerationService):
    request = replace(ask(seed=7, batch_size=2, init=InitImage(images=(BLUE,))), size=Size(width=64, height=64))
    task = run(service, TITLE, request, pixels=64, direction=["right"])
    assert [image.image.getpixel((122, 5)) for image in pictures(task)] == [colour(7), colour(8)]
    assert grids(task)[0].image.size == (256, 64) and grids(task)[0].front


def test_no_direction_is_refused(service: GenerationService):
    assert "at least one direction" in str(run(service, TITLE, ask(init=InitImage(images=(BLUE,))), direction=[]).error)

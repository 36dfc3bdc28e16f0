from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from backend.request import InitImage, Size
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from extensions.poor_mans_outpainting.extension import DIRECTIONS, canvas, mask
from tests.backend.stage import ask
from tests.backend.workers.fake_engine import FakeEngine, colour
from tests.extensions.running import run, running

TITLE = "poor man's outpainting"
BLUE = Image.new("RGB", (64, 64), "blue")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    with running(tmp_path, "poor_mans_outpainting", LocalWorker(engine)) as (service, _):
        yield service


@pytest.mark.parametrize(
    ("size", "pixels", "directions", "expected"),
    [
        ((64, 64), 32, ("left", "right"), (128, 64, 32, 32, 0, 0)),
        ((64, 64), 8, ("left",), (128, 64, 64, 0, 0, 0)),
        ((100, 64), 32, ("left", "right"), (192, 64, 46, 46, 0, 0)),
        ((64, 64), 32, DIRECTIONS, (128, 128, 32, 32, 32, 32)),
        ((70, 60), 32, ("up",), (70, 128, 0, 0, 68, 0)),
    ],
)
def test_the_canvas_is_a_multiple_of_64_where_it_grows(size, pixels, directions, expected):
    found = canvas(size, pixels, directions)
    assert (found.width, found.height, found.left, found.right, found.up, found.down) == expected


def test_the_mask_is_white_at_the_edges_and_a_little_into_the_picture():
    row = [mask(canvas((64, 64), 32, ("left", "right")), 8).getpixel((x, 5)) for x in range(128)]
    assert row == [255] * 40 + [0] * 49 + [255] * 39


def test_only_tiles_that_have_an_edge_are_drawn(service: GenerationService, engine: FakeEngine):
    request = replace(ask(seed=7, init=InitImage(images=(BLUE,))), size=Size(width=64, height=64))
    task = run(service, TITLE, request, pixels=32, direction=["left", "right"], inpainting_fill="latent noise")
    assert (task.error, task.state) == (None, "done")
    assert [job.seeds for job in engine.jobs] == [(7,), (8,)]
    (whole,) = task.images
    assert whole.image.size == (128, 64)
    assert [whole.image.getpixel((x, 9)) for x in (5, 64, 122)] == [colour(7), (0, 0, 255), colour(8)]
    inpaint = engine.jobs[0].init and engine.jobs[0].init.inpaint
    assert inpaint and inpaint.latent_mask and (inpaint.fill, inpaint.box, inpaint.latent_mask.size) == (2, None, (64, 64))
    assert "Mask blur: 8" in whole.infotext

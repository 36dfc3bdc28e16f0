from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from backend.request import InitImage
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from tests.backend.stage import ask
from tests.backend.workers.fake_engine import FakeEngine, colour
from tests.extensions.running import run, running

PICTURE = Image.linear_gradient("L").resize((16, 8)).convert("RGB")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    with running(tmp_path, "sd_upscale", LocalWorker(engine)) as (service, _):
        yield service


def test_the_larger_picture_is_drawn_in_tiles_with_a_seed_each(service: GenerationService, engine: FakeEngine, tmp_path: Path):
    task = run(service, "sd upscale", ask(seed=7, init=InitImage(images=(PICTURE,))), overlap=0, upscaler="Nearest", scale_factor=2)
    assert (task.error, task.state) == (None, "done")
    (whole,) = task.images
    assert whole.image.size == (32, 16)
    assert [whole.image.getpixel(at) for at in ((1, 1), (30, 1), (1, 14), (30, 14))] == [colour(seed) for seed in (7, 8, 9, 10)]
    assert [job.init.images[0].size for job in engine.jobs if job.init] == [(16, 8)] * 4
    assert whole.infotext.count("SD upscale overlap: 0, SD upscale upscaler: Nearest") == 1
    assert list((tmp_path / "outputs").rglob("*.png")) == [whole.path]


def test_tiles_are_drawn_in_batches_and_every_round_has_its_seed(service: GenerationService, engine: FakeEngine):
    task = run(service, "sd upscale", ask(seed=7, batch_size=3, n_iter=2, init=InitImage(images=(PICTURE,))), overlap=0, upscaler="Nearest")
    assert [job.seeds for job in engine.jobs] == [(7, 8, 9), (8,), (8, 9, 10), (9,)]
    assert len(task.images) == 2


def test_without_an_upscaler_the_size_stays(service: GenerationService):
    task = run(service, "sd upscale", ask(init=InitImage(images=(PICTURE,))))
    assert task.images[0].image.size == (16, 8)


def test_an_unknown_upscaler_is_refused_with_the_known_ones(service: GenerationService):
    assert "Known: 'None', 'Lanczos'" in str(run(service, "sd upscale", ask(init=InitImage(images=(PICTURE,))), upscaler="nosuch").error)

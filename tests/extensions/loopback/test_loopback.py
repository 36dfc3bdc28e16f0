from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from backend.job import GeneratedImage, GenerateJob
from backend.progress import CancelToken, Event
from backend.request import InitImage, Inpaint
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from extensions.loopback.extension import strength
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE, until
from tests.backend.workers.fake_engine import FakeEngine, colour
from tests.extensions.running import grids, pictures, run, running, submit

BLUE = Image.new("RGB", (16, 8), "blue")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    with running(tmp_path, "loopback", LocalWorker(engine)) as (service, _):
        yield service


@pytest.mark.parametrize(("curve", "middle"), [("Linear", 0.5), ("Aggressive", 0.75 - 0.5 * 0.70711), ("Lazy", 0.75 - 0.5 * (1 - 0.70711))])
def test_the_strength_goes_from_the_first_to_the_last_along_its_curve(curve: str, middle: float):
    assert [strength(loop, 3, 0.75, 0.25, curve) for loop in range(3)] == pytest.approx([0.75, middle, 0.25], abs=1e-4)
    assert strength(0, 1, 0.75, 0.25, curve) == 0.75


def test_each_loop_starts_from_the_picture_before_with_the_next_seed(service: GenerationService, engine: FakeEngine):
    task = run(service, "loopback", ask(seed=7, denoising_strength=0.8, init=InitImage(images=(BLUE,))), loops=3, final_denoising_strength=0.2)
    assert (task.state, [image.seed for image in pictures(task)]) == ("done", [7, 8, 9])
    started = [job.init.images[0].getpixel((0, 0)) for job in engine.jobs if job.init]
    assert started == [(0, 0, 255), colour(7), colour(8)]
    assert [job.init.denoising_strength for job in engine.jobs if job.init] == pytest.approx([0.8, 0.5, 0.2])
    assert "Denoising strength: 0.2, " in task.images[2].infotext
    assert "Final denoising strength: 0.2, Denoising curve: Linear" in task.images[0].infotext
    (grid,) = grids(task)
    assert grid.front and grid.image.size == (48, 8)


def test_every_round_starts_from_the_beginning_with_new_seeds(service: GenerationService, engine: FakeEngine):
    task = run(service, "loopback", ask(seed=7, n_iter=2, init=InitImage(images=(BLUE,))), loops=2)
    assert [image.seed for image in pictures(task)] == [7, 8, 9, 10]
    assert [job.init.images[0].getpixel((0, 0)) for job in engine.jobs if job.init] == [(0, 0, 255), colour(7), (0, 0, 255), colour(9)]
    assert len(grids(task)) == 2


def test_under_a_mask_lies_what_was_drawn_before(service: GenerationService, engine: FakeEngine):
    inpaint = Inpaint(mask=Image.new("L", (16, 8), 255), fill=2)
    run(service, "loopback", ask(init=InitImage(images=(BLUE,), inpaint=inpaint)), loops=3)
    assert [job.init.inpaint.fill for job in engine.jobs if job.init and job.init.inpaint] == [2, 1, 1]


def test_what_a1111_would_append_is_refused_and_not_ignored(service: GenerationService):
    assert "cannot be 'CLIP'" in str(run(service, "loopback", ask(init=InitImage(images=(BLUE,))), append="CLIP").error)


def test_an_interruption_keeps_the_loops_that_were_drawn(tmp_path: Path):
    class Hanging(FakeEngine):
        def generate(self, job: GenerateJob, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]:
            return super().generate(replace(job, prompts=("hang",)) if len(self.jobs) == 2 else job, on_event, cancel)

    with running(tmp_path, "loopback", LocalWorker(Hanging())) as (service, _):
        task = submit(service, "loopback", ask(init=InitImage(images=(BLUE,))), loops=32)
        until(lambda: task.batch == 2 and task.step > 0)
        service.interrupt()
        task.wait(PATIENCE)
    assert (task.state, len([image for image in pictures(task) if image.complete])) == ("interrupted", 2)
    assert grids(task)[0].image.width == 16 * 2

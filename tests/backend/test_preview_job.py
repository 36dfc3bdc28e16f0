import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from PIL import Image

from backend.errors import Forbidden, NotFound, WebUIError
from backend.exposure import Exposure
from backend.images.metadata import infotext_of
from backend.library import Query
from backend.preview_job import IN_A_ROW, PREFIX, PreviewJob, Progress
from backend.service import GenerationService
from backend.tasks import Task
from backend.workers.local import LocalWorker
from tests.backend.stage import ask, open_service, write_safetensors
from tests.backend.workers.fake_engine import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    for name in ("b", "c"):
        write_safetensors(tmp_path / f"models/Lora/{name}.safetensors", {"n": name})
    (tmp_path / "models/Lora").joinpath("b.json").write_text('{"activation text": "big hat", "negative text": "cap", "preferred weight": 0.6}')
    Image.new("RGB", (8, 8)).save(tmp_path / "models/Lora/c.png")
    service = open_service(tmp_path, LocalWorker(engine), card_previews_steps=2, card_previews_size=64, card_previews_prompt="a portrait")
    yield service
    service.close()


@pytest.fixture
def job(service: GenerationService) -> PreviewJob:
    return PreviewJob(service, look=0.01)


def until(job: PreviewJob, what: Callable[[Progress], bool]) -> Progress:
    end = time.monotonic() + 20
    while not what(job.progress):
        assert time.monotonic() < end, job.progress
        Event().wait(0.002)  # its progress is what a page polls, too
    return job.progress


def ended(progress: Progress) -> bool:
    return not progress.active


def folder(service: GenerationService) -> Path:
    return service.paths.loras[0]


def test_each_card_without_a_picture_gets_one_with_its_words_and_its_weight(job: PreviewJob, service: GenerationService, engine: FakeEngine):
    job.start("lora")
    progress = until(job, ended)
    assert (progress.state, progress.total, progress.made, progress.failed) == ("done", 2, 2, 0)
    assert sorted(path.name for path in folder(service).glob("*.png")) == ["b.preview.png", "c.png", "ink.preview.png"]
    text = infotext_of(Image.open(folder(service) / "b.preview.png"))
    assert text.startswith("a portrait, big hat <lora:b:0.6>\nNegative prompt: cap\nSteps: 2") and "Size: 64x64" in text
    assert engine.jobs[0].networks[0].unet_weight == 0.6
    assert [entry["picture"] != "" for entry in service.library.page("lora", Query())["entries"]] == [True] * 3  # type: ignore[attr-defined]
    assert not list(service.paths.data.glob("outputs/**/*.png"))


def test_previews_are_no_uses_of_the_file(job: PreviewJob, service: GenerationService):
    job.start("lora")
    until(job, ended)
    assert service.library.entry("lora", "b.safetensors")["uses"] == 0


def test_it_waits_for_whoever_draws_and_gives_way_to_whoever_comes(job: PreviewJob, service: GenerationService):
    first = service.submit(ask("hang"))
    job.start("lora")
    until(job, lambda progress: progress.state == "waiting" and progress.total == 2)
    assert not _previews(service)
    service.settings.update({"card_previews_prompt": "hang"})
    service.interrupt(first.id)
    until(job, lambda progress: progress.state == "running")
    second = service.submit(ask("a cat"))
    assert second.wait(20).state == "done"
    service.settings.update({"card_previews_prompt": ""})
    for task in _previews(service):
        service.interrupt(task.id)
    progress = until(job, lambda progress: progress.state in ("done", "paused"))
    if progress.state == "paused":  # the one that hung was interrupted by us
        job.resume()
    assert until(job, ended).made == 2


def test_paused_it_draws_nothing_and_goes_on_where_it_was(job: PreviewJob, service: GenerationService):
    service.settings.update({"card_previews_prompt": "hang"})
    job.start("lora")
    until(job, lambda progress: progress.state == "running")
    job.pause()
    for task in service.tasks():
        task.wait(20)
    assert (job.progress.state, job.progress.made) == ("paused", 0)
    with pytest.raises(WebUIError, match="being made already"):
        job.start("embedding")
    service.settings.update({"card_previews_prompt": ""})
    job.resume()
    progress = until(job, ended)
    assert (progress.state, progress.total, progress.made) == ("done", 2, 2)


def test_stopped_it_can_be_started_anew(job: PreviewJob, service: GenerationService):
    service.settings.update({"card_previews_prompt": "hang"})
    job.start("lora")
    until(job, lambda progress: progress.state == "running")
    job.stop()
    assert job.progress.state == "stopped"
    service.settings.update({"card_previews_prompt": ""})
    job.start("lora")
    assert until(job, ended).made == 2


def test_what_fails_is_counted_with_its_reason(job: PreviewJob, service: GenerationService):
    (folder(service) / "ink.json").write_text('{"activation text": "refuse"}')
    service.catalog.refresh()
    job.start("lora")
    progress = until(job, ended)
    assert (progress.state, progress.made, progress.failed) == ("done", 1, 1)
    (names,) = progress.failures.values()
    assert names == ("ink.safetensors",)


def test_it_pauses_where_everything_fails(job: PreviewJob, service: GenerationService):
    for number in range(IN_A_ROW):
        write_safetensors(folder(service) / f"more/{number}.safetensors", {"n": str(number)})
    service.catalog.refresh()
    service.settings.update({"card_previews_prompt": "refuse"})
    job.start("lora")
    progress = until(job, ended)
    assert (progress.state, progress.failed) == ("paused", IN_A_ROW)
    assert "in a row failed" in progress.said


def test_visitors_without_a_password_and_unknown_kinds_are_refused(job: PreviewJob, service: GenerationService):
    with pytest.raises(NotFound, match="lora, embedding"):
        job.start("checkpoint")
    service.exposure = Exposure(open=True, changes=False)
    for order in (lambda: job.start("lora"), job.pause, job.resume, job.stop):
        with pytest.raises(Forbidden):
            order()
    assert job.progress.state == "none"


def _previews(service: GenerationService) -> list[Task]:
    return [task for task in service.tasks() if task.id.startswith(PREFIX) and not task.ended]

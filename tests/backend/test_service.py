import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Condition

import pytest
from PIL import Image

from backend.errors import EngineFailed, NotFound, WebUIError
from backend.exposure import Exposure
from backend.extras_request import ExtrasRequest
from backend.infotext import read
from backend.request import Hires
from backend.service import FRESH, GenerationService
from backend.tasks import Task
from backend.workers.local import LocalWorker
from backend.workers.process import ProcessWorker
from tests.backend.stage import ask, open_service
from tests.backend.workers.fake_engine import FakeEngine, colour

PATIENCE = 60  # seconds before a test gives up


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., GenerationService]]:
    services: list[GenerationService] = []

    def open_one(**settings: object) -> GenerationService:
        services.append(open_service(tmp_path, **settings))
        return services[-1]

    yield open_one
    for service in services:
        service.close()


@pytest.fixture
def service(opened) -> GenerationService:
    return opened()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    condition = Condition()
    with condition:
        while not holds():
            assert time.monotonic() < end, "What was waited for did not come."
            condition.wait(0.002)


def stepping(task: Task) -> None:
    until(lambda: task.step > 0)


def saved(folder: Path, *, grids: bool = False) -> list[Path]:
    return sorted((folder / "outputs" / ("txt2img-grids" if grids else "txt2img-images")).glob("*/*.png"))


def test_a_request_becomes_a_saved_picture_with_its_parameters(service: GenerationService, tmp_path: Path):
    task = service.submit(ask("a cat", seed=7)).wait(PATIENCE)
    assert (task.state, task.error, task.progress) == ("done", None, 1.0)
    (image,) = task.images
    assert image.path in saved(tmp_path)
    with Image.open(image.path) as file:
        assert file.getpixel((0, 0)) == colour(7)
        assert file.text["parameters"] == image.infotext  # type: ignore[attr-defined]
    assert image.infotext.startswith("a cat\nSteps: 3, Sampler: Euler")
    assert "Seed: 7" in image.infotext
    assert "0-7.png" in image.path.name


def test_every_picture_of_every_batch_has_its_own_seed(service: GenerationService):
    task = service.submit(ask(seed=7, batch_size=2, n_iter=2)).wait(PATIENCE)
    assert [image.seed for image in task.images if not image.grid] == [7, 8, 9, 10]
    assert [image.image.getpixel((0, 0)) for image in task.images if not image.grid] == [colour(seed) for seed in (7, 8, 9, 10)]


def test_what_the_run_found_out_stands_in_infotext_and_comments(service: GenerationService):
    task = service.submit(ask("ink <lora:ink:0.5><lora:nope:1>")).wait(PATIENCE)
    assert 'TI hashes: "ink: 0123456789ab"' in task.images[0].infotext
    assert "LoRA ink: 3 of 3 layers" in task.comments
    assert any("nope" in comment for comment in task.comments)


def test_several_pictures_get_a_grid_after_them(service: GenerationService, tmp_path: Path):
    task = service.submit(ask(batch_size=2)).wait(PATIENCE)
    grid = task.images[-1]
    assert [image.grid for image in task.images] == [False, False, True]
    assert grid.path in saved(tmp_path, grids=True)
    assert grid.image.size == (32, 8)


def test_a_task_without_saving_leaves_no_files(service: GenerationService, tmp_path: Path):
    task = service.submit(ask(batch_size=2), save_samples=False, save_grid=False).wait(PATIENCE)
    assert [image.path for image in task.images] == [None, None]
    assert saved(tmp_path) == saved(tmp_path, grids=True) == []


def test_tasks_run_in_the_order_of_their_coming(service: GenerationService):
    first = service.submit(ask("hang"))
    stepping(first)
    second, third = service.submit(ask(seed=2)), service.submit(ask(seed=3))
    assert service.current() is first
    assert [service.queue_position(task) for task in (first, second, third)] == [0, 1, 2]
    assert service.engine_status() == "busy"
    service.interrupt()
    third.wait(PATIENCE)
    assert second.finished and third.started and second.finished <= third.started
    assert service.tasks() == (first, second, third)


def test_a_waiting_task_that_is_interrupted_stays_listed_and_never_runs(service: GenerationService):
    first = service.submit(ask("hang"), id_task="first")
    stepping(first)
    second = service.submit(ask(), id_task="second")
    service.interrupt("second")
    assert (second.state, second.ended, second.started) == ("interrupted", True, None)
    service.interrupt("first")
    assert first.wait(PATIENCE).state == "interrupted"
    assert service.task("second") is second


@pytest.mark.parametrize("keep", [False, True])
def test_an_interrupted_picture_comes_back_and_is_saved_only_if_the_setting_says_so(opened, tmp_path: Path, keep: bool):
    service = opened(save_incomplete_images=keep)
    task = service.submit(ask("hang", n_iter=3))
    stepping(task)
    service.interrupt()
    task.wait(PATIENCE)
    assert (task.state, [image.complete for image in task.images]) == ("interrupted", [False])
    assert len(saved(tmp_path)) == keep


def test_skip_goes_on_with_the_next_batch(service: GenerationService):
    task = service.submit(ask("hang", n_iter=2))
    stepping(task)
    service.skip()
    until(lambda: task.batch == 1 and task.step > 0)
    service.skip()
    assert task.wait(PATIENCE).state == "done"
    assert [image.complete for image in task.images if not image.grid] == [False, False]


def test_interrupt_ends_all_batches(service: GenerationService):
    task = service.submit(ask("hang", n_iter=5))
    stepping(task)
    service.interrupt()
    assert len(task.wait(PATIENCE).images) == 1


@pytest.mark.parametrize(
    ("prompt", "fields", "error"),
    [
        ("a cat", {"override_settings": {"sd_model_checkpoint": "nosuch"}}, "nosuch"),
        ("refuse", {}, "This file is not a checkpoint."),
        ("bug", {}, "ZeroDivisionError"),
        ("memory", {}, "Not enough memory"),
    ],
)
def test_a_failed_task_says_why_and_the_next_one_runs(service: GenerationService, caplog, prompt: str, fields: dict, error: str):
    task = service.submit(ask(prompt, **fields)).wait(PATIENCE)
    assert task.state == "failed"
    assert error in str(task.error)
    assert service.submit(ask()).wait(PATIENCE).state == "done"


def test_a_picture_that_cannot_be_saved_is_not_lost(service: GenerationService, tmp_path: Path, caplog):
    (tmp_path / "outputs" / "txt2img-images").write_text("in the way of the folder")
    task = service.submit(ask(seed=7)).wait(PATIENCE)
    assert task.state == "done"
    assert task.images[0].path is None
    assert task.images[0].image.getpixel((0, 0)) == colour(7)
    assert any("could not be saved" in comment for comment in task.comments)


def test_a_mistake_in_our_own_code_fails_the_task_and_not_the_service(service: GenerationService, monkeypatch, caplog):
    monkeypatch.setattr("backend.draw_request.write", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in str(service.submit(ask()).wait(PATIENCE).error)
    monkeypatch.undo()
    assert service.submit(ask()).wait(PATIENCE).state == "done"


def test_settings_hold_as_they_were_at_the_press_of_generate(service: GenerationService):
    first = service.submit(ask("hang"))
    stepping(first)
    second = service.submit(ask())
    service.settings.update({"CLIP_stop_at_last_layers": 2})
    service.interrupt()
    assert "Clip skip" not in second.wait(PATIENCE).images[0].infotext
    assert "Clip skip: 2" in service.submit(ask()).wait(PATIENCE).images[0].infotext


def test_previews_come_while_it_draws(opened):
    service = opened(show_progress_every_n_steps=1, live_previews_image_format="png")
    task = service.submit(ask("hang"))
    until(lambda: task.preview_revision > 0)
    assert task.preview is not None and task.preview.startswith(b"\x89PNG")
    before = task.revision
    service.interrupt()
    task.wait(PATIENCE)
    assert task.preview is None
    assert task.revision > before


def test_only_the_last_tasks_keep_their_pixels_and_older_ones_read_the_file(service: GenerationService):
    tasks = [service.submit(ask(seed=seed)) for seed in range(FRESH + 2)]
    tasks[-1].wait(PATIENCE)
    assert [task.images[0].pixels is None for task in tasks] == [True, True] + [False] * FRESH
    assert tasks[0].images[0].image.getpixel((0, 0)) == colour(0)


def test_a_deleted_picture_leaves_the_disk_and_its_task_also_where_its_pixels_are_forgotten(service: GenerationService):
    task = service.submit(ask(seed=7, batch_size=2), save_grid=False).wait(PATIENCE)
    first, second = task.images
    task.forget_pixels()
    service.delete_picture(task.id, first)
    assert [image.path for image in task.images] == [second.path]
    assert first.path is not None and second.path is not None
    assert (first.path.exists(), second.path.exists()) == (False, True)
    service.delete_picture(task.id, first)
    assert len(task.images) == 1


def test_visitors_of_an_open_server_name_no_folders(service: GenerationService, tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "mine.png")
    worker = LocalWorker(FakeEngine())  # type: ignore[arg-type]
    visited = GenerationService(service.settings, service.catalog, worker, service.paths, service.styles, Exposure(open=True, changes=False))
    asked = ExtrasRequest(input_folder=".")
    refused, done = visited.submit_extras(asked).wait(PATIENCE), service.submit_extras(asked).wait(PATIENCE)
    visited.close()
    assert (refused.error, done.error) == ("Folders of the server may not be named here.", None)


def test_pictures_of_a_task_that_draws_are_not_deleted(opened):
    service = opened(save_incomplete_images=True)
    task = service.submit(ask("hang", n_iter=2))
    stepping(task)
    service.skip()
    until(lambda: len(task.images) == 1)
    with pytest.raises(WebUIError, match="once its task has ended"):
        service.delete_picture(task.id, task.images[0])
    assert task.images[0].path is not None and task.images[0].path.exists()
    service.interrupt()
    task.wait(PATIENCE)


def test_an_engine_killed_in_the_hires_pass_does_not_take_the_first_pass_with_it(tmp_path: Path, caplog):
    service = open_service(tmp_path, ProcessWorker(target="tests.backend.workers.fake_engine:build"), save_images_before_highres_fix=True)
    try:
        task = service.submit(ask(hires=Hires(prompt="die"))).wait(PATIENCE)
        assert "The engine was killed" in str(task.error)
        (saved,) = (tmp_path / "outputs").rglob("*.png")
        assert saved.stem.endswith("-before-highres-fix")
        with Image.open(saved) as image:
            assert "Hires upscale: 2.0" in image.text["parameters"]  # type: ignore[attr-defined]
        assert service.submit(ask(hires=Hires())).wait(PATIENCE).state == "done"
    finally:
        service.close()


def test_a_killed_engine_fails_one_task_and_the_next_one_draws(tmp_path: Path, caplog):
    worker = ProcessWorker(target="tests.backend.workers.fake_engine:build")
    service = open_service(tmp_path, worker)
    try:
        task = service.submit(ask("hang", n_iter=2))
        stepping(task)
        os.kill(worker.pid, signal.SIGKILL)
        assert "The engine was killed" in str(task.wait(PATIENCE).error)
        assert service.engine_status() == "stopped"
        assert service.submit(ask()).wait(PATIENCE).state == "done"
    finally:
        service.close()


def test_closing_ends_what_runs_and_what_waits(opened):
    service = opened()
    running = service.submit(ask("hang"))
    stepping(running)
    waiting = service.submit(ask())
    service.close()
    assert (running.state, waiting.state) == ("interrupted", "interrupted")
    with pytest.raises(EngineFailed, match="is ending"):
        service.submit(ask())
    service.close()


def test_many_threads_may_submit_at_once(tmp_path: Path):
    from concurrent.futures import ThreadPoolExecutor

    engine = FakeEngine()
    service = open_service(tmp_path, LocalWorker(engine))
    try:
        with ThreadPoolExecutor(8) as pool:
            tasks = list(pool.map(lambda seed: service.submit(ask(seed=seed)), range(24)))
        for task in tasks:
            assert task.wait(PATIENCE).state == "done"
        assert sorted(job.seeds[0] for job in engine.jobs) == list(range(24))
    finally:
        service.close()


def test_pictures_with_prompts_of_their_own_tell_their_own_networks(service: GenerationService):
    task = service.submit(replace(ask(batch_size=3), prompts=("one <lora:ink:1>", "two", "useless <lora:ink:1>"))).wait(10)
    told = [read(image.infotext) for image in task.images if not image.grid]
    assert [labels["Prompt"] for labels in told] == ["one <lora:ink:1>", "two", "useless <lora:ink:1>"]
    assert ["Lora hashes" in labels for labels in told] == [True, False, False]
    assert task.extra["Lora hashes"] == told[0]["Lora hashes"]
    assert (task.state, task.batches) == ("done", 3)


def test_a_waiting_task_runs_in_its_new_turn(service: GenerationService):
    first = service.submit(ask("hang"), id_task="first")
    stepping(first)
    second, third, fourth = (service.submit(ask(), id_task=id) for id in ("second", "third", "fourth"))
    service.move("fourth", "first")
    service.move("second", "down")
    assert service.tasks() == (first, fourth, third, second)
    assert [service.queue_position(task) for task in (fourth, third, second)] == [1, 2, 3]
    service.interrupt()
    second.wait(PATIENCE)
    ends = [task.finished for task in (first, fourth, third, second)]
    assert None not in ends and ends == sorted(ends)  # type: ignore[type-var]


def test_only_what_waits_can_be_moved(service: GenerationService):
    running = service.submit(ask("hang"), id_task="running")
    stepping(running)
    for id in ("running", "nosuch"):
        with pytest.raises(NotFound, match="does not wait"):
            service.move(id, "up")


def test_a_move_among_ones_own_leaves_the_others_their_turn(service: GenerationService):
    stepping(service.submit(ask("hang"), id_task="running"))
    for id in ("mine-1", "theirs", "mine-2"):
        service.submit(ask(), id_task=id)
    service.move("mine-2", "first", lambda task: task.id.startswith("mine"))
    assert [task.id for task in service.tasks()] == ["running", "mine-2", "theirs", "mine-1"]


def test_what_waited_and_ran_when_the_program_ended_is_offered_again_and_runs_only_if_it_is_taken_up(opened, tmp_path: Path):
    before = opened(CLIP_stop_at_last_layers=2)
    before.submit(ask(), id_task="done", kept=True).wait(PATIENCE)
    stepping(before.submit(ask("hang", seed=1), id_task="running", kept=True))
    for number, id in enumerate(("second", "third", "cancelled")):
        before.submit(ask(seed=number + 2), id_task=id, kept=True)
    before.submit(ask(), id_task="the api's")
    before.interrupt("cancelled")
    before.move("third", "first")
    before.close()

    after = opened(CLIP_stop_at_last_layers=1)
    assert [task.id for task in after.left()] == ["running", "third", "second"]
    assert (after.tasks(), after.current()) == ((), None)
    again, third, second = after.left()
    after.discard(again)
    drawn = after.take_up(third, id_task="another id").wait(PATIENCE)
    assert (drawn.id, drawn.images[0].seed, drawn.state) == ("another id", 3, "done")
    assert "Clip skip: 2" in drawn.images[0].infotext, "settings hold as they were at the press of Generate"
    assert after.take_up(second).wait(PATIENCE).id == "second"
    assert (after.left(), opened().left()) == ((), ())
    with pytest.raises(NotFound, match="taken care of"):
        after.take_up(second)


def test_what_nobody_decided_about_is_offered_again_and_again(opened):
    before = opened()
    stepping(before.submit(ask("hang"), id_task="running", kept=True))
    before.close()
    opened().close()
    assert [task.id for task in opened().left()] == ["running"]


def test_what_failed_or_was_interrupted_is_not_offered_again(opened, caplog):
    before = opened()
    before.submit(ask("refuse"), kept=True).wait(PATIENCE)
    task = before.submit(ask("hang"), kept=True)
    stepping(task)
    before.interrupt()
    task.wait(PATIENCE)
    before.close()
    assert opened().left() == ()


def test_the_parameters_of_the_last_picture_are_kept_but_not_those_of_drafts(service: GenerationService, tmp_path: Path):
    task = service.submit(ask("a cat", n_iter=2)).wait(PATIENCE)
    service.submit(ask("a draft"), save_samples=False, counted=False).wait(PATIENCE)
    assert (tmp_path / "params.txt").read_text("utf-8") == task.images[0].infotext

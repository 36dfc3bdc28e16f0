import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from backend.queue import Move, QueueFolder, moved
from backend.request import GenerationRequest, Hires, InitImage, Inpaint, Refiner, Sampling, Seed, Size
from backend.settings import Settings
from backend.tasks import Task


def task(id: str = "a", request: GenerationRequest = GenerationRequest(), settings: Settings = Settings()) -> Task:  # noqa: B008 (frozen values)
    return Task(id=id, request=request, settings=settings, save_samples=True, save_grid=False)


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.mode == b.mode and a.size == b.size and ImageChops.difference(a.convert("RGBA"), b.convert("RGBA")).getbbox() is None


@pytest.mark.parametrize(
    ("to", "order"),
    [("up", "acbd"), ("down", "abdc"), ("first", "cabd"), ("last", "abdc"), (1, "acbd"), (0, "cabd"), (99, "abdc"), (-5, "cabd")],
)
def test_a_task_gets_another_place(to: Move, order: str):
    tasks = [task(id) for id in "abcd"]
    assert "".join(one.id for one in moved(tasks, tasks[2], to)) == order


def test_the_ends_of_the_queue_are_no_error():
    tasks = [task(id) for id in "ab"]
    assert moved(tasks, tasks[0], "up") == tasks
    assert moved(tasks, tasks[1], "down") == tasks


def test_those_that_may_not_be_moved_keep_their_places():
    tasks = [task(id) for id in ("m1", "x1", "m2", "x2", "m3")]
    order = [one.id for one in moved(tasks, tasks[4], "first", lambda other: other.id.startswith("m"))]
    assert order == ["m3", "x1", "m1", "x2", "m2"]


@given(st.integers(1, 8), st.data())
def test_moving_loses_nobody_and_leaves_the_order_of_the_others(count: int, data: st.DataObject):
    tasks = [task(str(number)) for number in range(count)]
    one = data.draw(st.sampled_from(tasks))
    after = moved(tasks, one, data.draw(st.one_of(st.sampled_from(["up", "down", "first", "last"]), st.integers(-9, 9))))
    assert [other for other in after if other is not one] == [other for other in tasks if other is not one]
    assert one in after


FULL = GenerationRequest(
    prompt="a ${cat} <img> é 猫",
    negative_prompt="dog",
    prompts=("one", "two"),
    negative_prompts=("three", "four"),
    styles=("Cinematic",),
    seed=Seed(seed=7, subseed=8, subseed_strength=0.25, resize_from_w=64, resize_from_h=32),
    size=Size(width=640, height=384),
    sampling=Sampling(sampler="DDIM", scheduler="Karras", steps=9, cfg_scale=7.5, eta=0.0),
    batch_size=2,
    n_iter=3,
    denoising_strength=0.4,
    hires=Hires(upscaler="Lanczos", resize_x=800, prompt="hi"),
    refiner=Refiner(checkpoint="second", switch_at=0.6),
    tiling=True,
    override_settings={"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "tiny"},
)


def test_a_request_comes_back_as_it_was(tmp_path: Path):
    settings = Settings().override({"samples_format": "jpg", "infotext_skip_pasting": ["Seed"]})
    QueueFolder(tmp_path).keep(kept := task("an/../id: ä", FULL, settings))
    (left,) = QueueFolder(tmp_path).left()
    assert left.request == FULL
    assert (left.id, left.settings, left.created) == (kept.id, settings, kept.created)
    assert (left.save_samples, left.save_grid, left.state) == (True, False, "queued")


def test_pictures_and_mask_come_back_pixel_by_pixel(tmp_path: Path):
    drawn = Image.linear_gradient("L").resize((16, 8))
    images = tuple(drawn.convert(mode) for mode in ("RGB", "RGBA", "LA", "P", "1"))
    init = InitImage(images=images, resize_mode=2, inpaint=Inpaint(mask=drawn, blur=3, fill=2, only_masked=True))
    QueueFolder(tmp_path).keep(task(request=replace(FULL, hires=None, init=init)))
    back = QueueFolder(tmp_path).left()[0].request
    assert back.init and back.init.inpaint and back.init.inpaint.mask
    assert all(same(one, other) for one, other in zip(back.init.images, images, strict=True))
    assert same(back.init.inpaint.mask, drawn)
    plain = replace(init, images=(), inpaint=replace(init.inpaint, mask=None))  # type: ignore[type-var]
    assert replace(back.init, images=(), inpaint=replace(back.init.inpaint, mask=None)) == plain


def test_a_picture_that_no_png_can_hold_is_kept_as_rgb(tmp_path: Path):
    QueueFolder(tmp_path).keep(task(request=GenerationRequest(init=InitImage(images=(Image.new("CMYK", (2, 2), (0, 255, 255, 0)),)))))
    back = QueueFolder(tmp_path).left()[0].request.init
    assert back and (back.images[0].mode, back.images[0].getpixel((0, 0))) == ("RGB", (255, 0, 0))


def test_they_come_back_in_the_order_of_their_coming_or_as_they_were_moved(tmp_path: Path):
    folder, tasks = QueueFolder(tmp_path), [task(id) for id in "abc"]
    for one in tasks:
        folder.keep(one)
    assert [one.id for one in folder.left()] == ["a", "b", "c"]
    folder.order([tasks[2], task("the api's, not kept"), tasks[0], tasks[1]])
    folder.keep(task("d"))
    assert [one.id for one in folder.left()] == ["c", "a", "b", "d"]


def test_a_dropped_task_leaves_nothing(tmp_path: Path):
    folder = QueueFolder(tmp_path)
    folder.keep(one := task(request=GenerationRequest(init=InitImage(images=(Image.new("RGB", (4, 4)),)))))
    folder.drop(one)
    folder.drop(one)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "task.json").write_text('{"id": "a", "requ'),
        lambda folder: (folder / "task.json").write_text("[]"),
        lambda folder: (folder / "task.json").write_bytes(b"\xff\xfe\x00"),
        lambda folder: (folder / "task.json").unlink(),
        lambda folder: (folder / "init_images-0.png").unlink(),
        lambda folder: (folder / "init_images-0.png").write_bytes((folder / "init_images-0.png").read_bytes()[:60]),
        lambda folder: _change(folder, "request", {"steps": "many"}),
        lambda folder: _change(folder, "settings", {"samples_format": "bmp"}),
        lambda folder: _change(folder, "program", "x"),
    ],
)
def test_a_damaged_one_is_put_aside_with_a_line_in_the_log_and_the_others_come_back(tmp_path: Path, damage, caplog):
    folder = QueueFolder(tmp_path)
    folder.keep(task("a", GenerationRequest(init=InitImage(images=(Image.effect_noise((32, 32), 90),)))))
    damage(next(tmp_path.iterdir()))
    folder.keep(task("b"))
    assert [one.id for one in folder.left()] == ["b"]
    assert "cannot be read" in caplog.text
    assert len(list(tmp_path.glob("*.damaged"))) == 1
    caplog.clear()
    assert [one.id for one in folder.left()] == ["b"]
    assert caplog.text == ""


def test_a_picture_outside_the_folder_is_not_read(tmp_path: Path, caplog):
    Image.new("RGB", (4, 4)).save(tmp_path / "private.png")
    queue = tmp_path / "queue"
    QueueFolder(queue).keep(task("a", GenerationRequest(init=InitImage(images=(Image.new("RGB", (4, 4)),)))))
    _change(next(queue.iterdir()), "request", {"init_images": [{"file": "../../private.png"}], "prompts": [], "negative_prompts": []})
    assert QueueFolder(queue).left() == ()


def test_a_damaged_order_is_told_and_costs_no_task(tmp_path: Path, caplog):
    folder = QueueFolder(tmp_path)
    folder.keep(task("a"))
    (tmp_path / "order.json").write_text("{")
    assert [one.id for one in folder.left()] == ["a"]
    assert "order of their coming" in caplog.text


def test_what_cannot_be_kept_is_told(tmp_path: Path, caplog):
    (tmp_path / "queue").write_text("in the way of the folder")
    folder = QueueFolder(tmp_path / "queue")
    folder.keep(one := task())
    folder.order([one])
    folder.drop(one)
    assert "cannot be kept" in caplog.text
    assert folder.left() == ()


def test_jobs_of_another_program_that_still_runs_are_not_taken(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        QueueFolder(tmp_path).keep(task())
        began = psutil.Process(other.pid).create_time()
        _change(next(tmp_path.iterdir()), "program", [other.pid, began])
        assert QueueFolder(tmp_path).left() == ()
        _change(next(tmp_path.iterdir()), "program", [other.pid, began - 100])  # its number has been another program's
        assert len(QueueFolder(tmp_path).left()) == 1
        _change(next(tmp_path.iterdir()), "program", [other.pid, began])
        other.communicate()
    assert len(QueueFolder(tmp_path).left()) == 1
    _change(next(tmp_path.iterdir()), "program", [os.getpid(), 0])
    assert len(QueueFolder(tmp_path).left()) == 1


def _change(folder: Path, key: str, value: object) -> None:
    record = json.loads((folder / "task.json").read_text())
    (folder / "task.json").write_text(json.dumps({**record, key: value}))

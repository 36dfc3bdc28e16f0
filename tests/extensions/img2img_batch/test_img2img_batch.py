from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from backend.images.metadata import Encoding, encode, read_infotext
from backend.request import GenerationRequest, InitImage, Inpaint
from backend.service import GenerationService
from backend.tasks import Task
from backend.workers.local import LocalWorker
from tests.backend.stage import ask
from tests.backend.test_service import stepping
from tests.backend.workers.fake_engine import FakeEngine, colour
from tests.extensions.running import pictures, run, running, submit

TITLE = "img2img batch"
START = InitImage(images=(Image.new("RGB", (8, 8)),))
TOLD = "a tower\nNegative prompt: fog\nSteps: 4, Sampler: Euler, CFG scale: 3.5, Seed: 77, Size: 16x8"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    for number, name in ((10, "b10"), (2, "b2"), (1, "a")):
        put(tmp_path / "in" / f"{name}.png", colour(number))
    with running(tmp_path, "img2img_batch", LocalWorker(engine)) as (service, _):
        yield service


def put(file: Path, color: tuple[int, int, int], told: str = "", size: tuple[int, int] = (16, 8)) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(encode(Image.new("RGB", size, color), told, Encoding()))


def over(service: GenerationService, request: GenerationRequest | None = None, **values: object) -> Task:
    task = run(service, TITLE, request or ask(seed=7, init=START), **{"input_dir": "in", **values})
    assert task.error is None
    return task


def starts(engine: FakeEngine) -> list[object]:
    return [job.init.images[0].getpixel((0, 0)) for job in engine.jobs if job.init]


def test_each_picture_of_the_folder_is_drawn_from_in_natural_order_as_one_job(service: GenerationService, engine: FakeEngine) -> None:
    (service.paths.data / "in" / "notes.txt").write_text("no picture")
    task = over(service)
    assert (task.state, starts(engine), len(pictures(task))) == ("done", [colour(1), colour(2), colour(10)], 3)
    assert task.progress == 1.0
    assert all(image.path and image.path.is_relative_to(service.paths.data / "outputs/img2img-images") for image in task.images)


def test_an_output_folder_gets_files_of_the_same_names_and_none_is_replaced(service: GenerationService) -> None:
    over(service, output_dir="out")
    out = service.paths.data / "out"
    assert sorted(file.name for file in out.iterdir()) == ["a.png", "b10.png", "b2.png"]
    assert "Seed: 7," in read_infotext((out / "a.png").read_bytes())
    before = (out / "a.png").read_bytes()
    over(service, output_dir="out")
    assert ((out / "a.png").read_bytes(), len(list(out.iterdir()))) == (before, 6)
    over(service, ask(seed=7, batch_size=2, init=START), output_dir="several")
    assert {"a-1.png", "a-2.png"} < {file.name for file in (service.paths.data / "several").iterdir()}


def test_masks_go_by_name_and_a_picture_without_one_is_told_and_left_out(service: GenerationService, engine: FakeEngine) -> None:
    for name in ("a", "b2"):
        put(service.paths.data / "masks" / f"{name}.png", (255, 255, 255))
    asked = ask(init=InitImage(images=START.images, inpaint=Inpaint(mask=START.images[0], blur=0, fill=2)))
    task = over(service, asked, inpaint_mask_dir="masks")
    assert starts(engine) == [colour(1), colour(2)]
    assert [job.init.inpaint.fill for job in engine.jobs if job.init and job.init.inpaint] == [2, 2]
    assert [comment for comment in task.comments if "b10.png" in comment] == ["Error: b10.png: there is no mask of this name."]


def test_one_mask_alone_holds_for_all(service: GenerationService, engine: FakeEngine) -> None:
    put(service.paths.data / "masks" / "any.png", (255, 255, 255))
    over(service, inpaint_mask_dir="masks")
    assert sum(job.init is not None and job.init.inpaint is not None for job in engine.jobs) == 3


def test_parameters_of_the_pictures_come_behind_or_instead_of_the_pages(service: GenerationService, engine: FakeEngine) -> None:
    put(service.paths.data / "in" / "a.png", colour(1), TOLD)
    all_of_them = ["Prompt", "Negative prompt", "Seed", "Steps", "Sampler", "CFG scale"]
    told = over(service, ask("a cat", seed=7, init=START), use_png_info=True, png_info_props=all_of_them).images[0].infotext
    assert told.startswith("a cat a tower\nNegative prompt: fog\nSteps: 4, Sampler: Euler,")
    assert "CFG scale: 3.5, Seed: 77," in told
    told = over(service, ask("a cat", seed=7, init=START), use_png_info=True, png_info_props=["Seed"]).images[0].infotext
    assert told.startswith("a cat\nSteps: 3,")
    assert "Seed: 77," in told
    assert "Seed: 7," in over(service, use_png_info=False, png_info_props=["Seed"]).images[0].infotext


def test_the_parameters_may_lie_in_another_folder(service: GenerationService) -> None:
    put(service.paths.data / "told" / "a.png", colour(3), TOLD)
    task = over(service, use_png_info=True, png_info_props=["Seed"], png_info_dir="told")
    assert "Seed: 77," in task.images[0].infotext
    assert [comment.split(":")[1].strip() for comment in task.comments if comment.startswith("Error")] == ["b2.png", "b10.png"]


def test_resize_by_goes_by_each_pictures_own_size(service: GenerationService, engine: FakeEngine) -> None:
    put(service.paths.data / "in" / "a.png", colour(1), size=(32, 16))
    over(service, scale_by=2.0)
    assert [(job.width, job.height) for job in engine.jobs] == [(64, 32), (32, 16), (32, 16)]


def test_a_broken_picture_is_told_and_the_others_are_drawn(service: GenerationService, engine: FakeEngine) -> None:
    (service.paths.data / "in" / "a.png").write_bytes(b"no picture")
    task = over(service)
    assert (starts(engine), task.state) == ([colour(2), colour(10)], "done")
    assert any(comment.startswith("Error: a.png: ") for comment in task.comments)


def test_interrupt_ends_the_whole_job(service: GenerationService, engine: FakeEngine) -> None:
    task = submit(service, TITLE, ask("hang", init=START), input_dir="in")
    stepping(task)
    service.interrupt(task.id)
    assert (task.wait(30).state, len(engine.jobs)) == ("interrupted", 1)


@pytest.mark.parametrize("key", ["input_dir", "output_dir", "inpaint_mask_dir", "png_info_dir"])
@pytest.mark.parametrize("outside", ["/etc", "../", "in/../../x"])
def test_no_folder_outside_of_those_that_are_configured_is_read_or_written(service: GenerationService, engine: FakeEngine, key: str, outside: str) -> None:
    task = run(service, TITLE, ask(init=START), **{"input_dir": "in", "use_png_info": True, key: outside})
    told = f"{task.error} {task.comments}"
    assert "may not be used" in told
    assert engine.jobs == []

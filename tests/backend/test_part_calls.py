from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.service import GenerationService
from tests.backend.extension_files import load, write_extension
from tests.backend.stage import ask, open_service
from tests.backend.test_service import PATIENCE

PART = """
from dataclasses import replace
from PIL import Image
from backend.hooks import hookimpl
from backend.scripts import Control, EngineCall, Part

class Frame(Part):
    title, enabled = "Frame", "on"

    def controls(self, tab, catalog, settings):
        return [Control(key="on", kind="checkbox", label="Enable", default=False), Control(key="colour", kind="textbox", label="Colour", default="red"),
                Control(key="fail", kind="textbox", label="Fail", default="")]

    def change_request(self, request, values, context):
        self.go_wrong("change_request", values)
        return replace(request, prompt=request.prompt + ", framed")

    def change_plan(self, plan, values, context):
        self.go_wrong("change_plan", values)
        return replace(plan, jobs=tuple(replace(job, width=job.width * 2) for job in plan.jobs))

    def change_picture(self, image, values, context):
        self.go_wrong("change_picture", values)
        framed = image.copy()
        framed.putpixel((0, 0), {"red": (255, 0, 0), "blue": (0, 0, context.plan.images[context.index].seed)}[values["colour"]])
        return framed

    def engine(self, values):
        self.go_wrong("engine", values)
        return [EngineCall(at="before step", target="extensions.frame.engine:move", options={"by": values["colour"]})]

    def infotext(self, values):
        self.go_wrong("infotext", values)
        return {"Frame": values["colour"]}

    def go_wrong(self, where, values):
        if values["fail"] == where:
            raise RuntimeError(f"no {where} today")

@hookimpl
def parts():
    return [Frame()]
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    write_extension(tmp_path, "frame", PART)
    service = open_service(tmp_path, hooks=load(tmp_path))
    yield service
    service.close()


def run(service: GenerationService, **values: Any):
    return service.submit(ask(seed=7, batch_size=2, parts={"frame": values} if values else {})).wait(PATIENCE)


def test_a_part_changes_request_plan_picture_and_parameters(service: GenerationService):
    task = run(service, on=True, colour="blue")
    first, second = (image for image in task.images if not image.grid)
    assert first.infotext.startswith("a cat, framed\n") and "Frame: blue" in first.infotext
    assert first.image.width == 32
    assert [image.image.getpixel((0, 0)) for image in (first, second)] == [(0, 0, 7), (0, 0, 8)]
    assert task.plan is not None
    (call,) = task.plan.jobs[0].calls
    assert (call.extension, call.options) == ("frame", {"by": "blue"})


def test_one_that_is_not_switched_on_changes_nothing(service: GenerationService):
    for task in (run(service), run(service, on=False, colour="blue")):
        assert task.images[0].infotext.startswith("a cat\n") and "Frame" not in task.images[0].infotext
        assert task.images[0].image.width == 16


@pytest.mark.parametrize("where", ["change_request", "change_plan", "change_picture", "infotext", "engine"])
def test_one_that_raises_is_named_and_the_picture_goes_on_without_that(service: GenerationService, where: str):
    task = run(service, on=True, fail=where)
    assert (task.state, len(task.images)) == ("done", 3)
    assert f"Error: The extension frame failed ({where} of Frame): RuntimeError: no {where} today" in task.comments
    assert ("framed" in task.images[0].infotext) == (where != "change_request")
    assert [problem.extension for problem in service.hooks.problems] == ["frame"]


def test_a_value_that_a_control_does_not_take_fails_the_task(service: GenerationService):
    assert run(service, on="perhaps").error == "Enable cannot be 'perhaps'."


def test_a_part_that_is_not_there_any_more_is_told(service: GenerationService):
    task = service.submit(ask(parts={"Gone": {"on": True}})).wait(PATIENCE)
    assert task.state == "done"
    assert any("'gone'" in comment for comment in task.comments)


def test_one_that_cannot_tell_its_controls_is_left_out_and_named(service: GenerationService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    part = service.hooks.part("frame", "txt2img").of
    monkeypatch.setattr(part, "controls", lambda *_: 1 / 0)
    task = run(service, on=True)
    assert (task.state, task.images[0].image.width) == ("done", 16)
    assert any("the controls of Frame" in comment for comment in task.comments)

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from backend.infotext import read, with_labels
from backend.request import ScriptCall
from backend.service import GenerationService
from tests.backend.extension_files import load, write_extension
from tests.backend.stage import ask, open_service
from tests.backend.test_service import PATIENCE, saved, stepping, until

SCRIPTS = """
from dataclasses import replace
from backend.errors import Interrupted, WebUIError
from backend.extras_request import ExtrasImage, ExtrasRequest
from backend.hooks import hookimpl
from backend.scripts import Control
from PIL import Image, ImageChops

class Rows:
    title, tabs = "Rows", ("txt2img", "img2img")

    def controls(self, tab, catalog, settings):
        return [Control(key="prompts", kind="textbox", label="Prompts", default="a\\nb"), Control(key="mood", kind="dropdown", label="Mood", default="plain",
                choices=("plain", "raise", "refuse", "catch", "hide", "alone", "upscale"))]

    def run(self, request, values, session):
        lines, drawn = values["prompts"].splitlines(), []
        session.expect(len(lines))
        mood = values["mood"]
        if mood == "raise":
            1 / 0
        if mood == "refuse":
            raise WebUIError("Not today.")
        if mood == "alone":
            return session.add(Image.new("RGB", (4, 4), "red"), "red", front=True)
        if mood == "upscale":
            return session.add(session.upscale(Image.new("RGB", (4, 4)), "Lanczos", 2), "")
        request = session.fixed(request)
        for line in lines:
            try:
                drawn += session.draw(replace(request, prompt=line), save=mood != "hide", show=mood != "hide", note=line)
            except WebUIError as error:
                if mood != "catch":
                    raise
                session.comment(f"Error: {error}")
            except Interrupted:
                break
        if drawn:
            session.add(Image.new("RGB", (9, 9)), session.infotext(drawn, {"Script": "Rows", "Rows": "a, b"}), grid=True, front=True)

@hookimpl
def scripts():
    return [Rows()]
"""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., GenerationService]]:
    services: list[GenerationService] = []

    def open_one(**settings: object) -> GenerationService:
        write_extension(tmp_path, "rows", SCRIPTS)
        services.append(open_service(tmp_path, hooks=load(tmp_path), **settings))
        return services[-1]

    yield open_one
    for service in services:
        service.close()


def run(service: GenerationService, prompts: str = "a\nb", mood: str = "plain", **fields: object):
    return service.submit(ask(script=ScriptCall(title="rows", values={"prompts": prompts, "mood": mood}), **fields)).wait(PATIENCE)  # type: ignore[arg-type]


def test_a_script_draws_many_pictures_in_one_task_each_saved_and_shown(opened, tmp_path: Path):
    task = run(opened(), "one\ntwo\nthree", seed=-1)
    assert (task.state, task.error, task.batches) == ("done", None, 3)
    assert [image.infotext.splitlines()[0] for image in task.images] == ["one", "two", "three", "one"]
    assert len({image.seed for image in task.images}) == 1
    assert len(saved(tmp_path)) == 3 and len(saved(tmp_path, grids=True)) == 1
    assert [image.prompt for image in task.planned] == ["one", "two", "three"]


def test_its_grid_says_what_it_is_of_and_comes_first(opened):
    grid = run(opened()).images[-1]
    assert (grid.front, grid.grid, grid.image.size) == (True, True, (9, 9))
    labels = read(grid.infotext)
    assert (labels["Script"], labels["Rows"], labels["Steps"]) == ("Rows", "a, b", "3")
    assert labels["Version"]


def test_what_it_does_not_show_is_neither_saved_nor_shown(opened, tmp_path: Path):
    task = run(opened(), mood="hide")
    assert [image.grid for image in task.images] == [True]
    assert saved(tmp_path) == []


def test_a_picture_that_cannot_be_drawn_is_the_scripts_to_decide(opened):
    task = run(opened(), "one\nrefuse\nthree", "catch")
    assert [image.infotext.splitlines()[0] for image in task.images if not image.grid] == ["one", "three"]
    assert "Error: This file is not a checkpoint." in task.comments
    assert run(opened(), "one\nrefuse\nthree").error == "This file is not a checkpoint."


@pytest.mark.parametrize(("mood", "words"), [("raise", "The extension rows failed (the script Rows): ZeroDivisionError"), ("refuse", "Not today.")])
def test_a_script_that_raises_fails_its_task_with_a_sentence_and_nothing_else(opened, mood: str, words: str):
    service = opened()
    assert words in (run(service, mood=mood).error or "")
    assert service.submit(ask()).wait(PATIENCE).state == "done"


def test_an_interrupted_script_keeps_what_was_made(opened):
    service = opened()
    task = service.submit(ask(script=ScriptCall(title="Rows", values={"prompts": "one\nhang\nthree"})))
    until(lambda: task.batch == 1 and task.step > 0)
    service.interrupt()
    task.wait(PATIENCE)
    assert (task.state, task.error) == ("interrupted", None)
    assert [image.infotext.splitlines()[0] for image in task.images if image.complete] == ["one", "one"]


def test_it_may_make_pictures_without_drawing_any(opened, tmp_path: Path):
    (image,) = run(opened(), mood="alone").images
    assert (image.image.getpixel((0, 0)), image.front, image.path in saved(tmp_path)) == ((255, 0, 0), True, True)


def test_pixels_go_through_the_engines_upscalers(opened):
    assert run(opened(), mood="upscale").images[0].image.size == (8, 8)


def test_an_unknown_script_is_refused_with_those_that_are_there(opened):
    task = opened().submit(ask(script=ScriptCall(title="Nosuch"))).wait(PATIENCE)
    assert task.error == "Script 'Nosuch' not found. Known: 'Rows'."


def test_a_task_without_saving_leaves_no_files(opened, tmp_path: Path):
    service = opened()
    task = service.submit(ask(script=ScriptCall(title="Rows")), save_samples=False, save_grid=False).wait(PATIENCE)
    assert [image.path for image in task.images] == [None] * 3
    service.rescue(task, "has lost its client")
    assert len(saved(tmp_path)) == 2


def test_script_and_values_outlive_a_restart_with_their_pictures(opened, tmp_path: Path):
    first, picture = opened(), Image.new("RGB", (3, 2), "blue")
    hanging = first.submit(ask("hang"))
    stepping(hanging)
    call = ScriptCall(title="Rows", values={"prompts": "kept", "picture": picture, "several": ("a", picture)})
    first.submit(ask(script=call, parts={"A part": {"on": True, "picture": picture}}), id_task="kept", kept=True)
    first.close()
    second = opened()
    (left,) = second.left()
    assert left.request.script is not None and left.request.script.title == "Rows"
    assert (left.request.script.values["prompts"], left.request.script.values["picture"].size) == ("kept", (3, 2))
    assert (left.request.script.values["several"][0], left.request.script.values["several"][1].size) == ("a", (3, 2))
    assert left.request.parts["A part"]["picture"].getpixel((0, 0)) == (0, 0, 255)
    task = second.take_up(left).wait(PATIENCE)
    assert task.images[0].infotext.startswith("kept\n")


@pytest.mark.parametrize(
    ("text", "whole"), [("", "Script: X"), ("a\nSteps: 1, Version: v1", "a\nSteps: 1, Script: X, Version: v1"), ("a\nSteps: 1", "a\nSteps: 1, Script: X")]
)
def test_a_scripts_fields_stand_before_the_version(text: str, whole: str):
    assert with_labels(text, {"Script": "X"}) == whole


TAKER = """
from backend.errors import Interrupted
from backend.hooks import hookimpl
from PIL import ImageOps

@hookimpl
def draw(request, session, save, show):
    if request.prompt == "usual":
        return None
    if request.prompt == "broken":
        1 / 0
    try:
        drawn = session.draw(request, save=False, show=False)
    except Interrupted as stopped:
        drawn = stopped.pictures
    return [session.keep(one, ImageOps.invert(one.image), session.infotext([one], {"Inverted": "yes"}), save=save, show=show) for one in drawn]
"""


def test_a_hook_draws_in_the_place_of_the_usual_way_for_requests_and_for_scripts(opened, tmp_path: Path):
    write_extension(tmp_path, "taker", TAKER)
    service = opened()
    usual, taken = (service.submit(ask(prompt, n_iter=2)).wait(PATIENCE) for prompt in ("usual", "a cat"))
    plain, changed = usual.images[1], taken.images[1]
    assert (taken.state, len(taken.images), taken.batches) == ("done", 2, 2)
    assert ImageChops.invert(plain.image).tobytes() == changed.image.tobytes()
    assert (read(changed.infotext)["Inverted"], changed.seed, changed.path is not None) == ("yes", plain.seed, True)
    assert [image.path.name.split("-")[1] for image in taken.images if image.path] == ["7.png", "8.png"]
    assert [("Inverted" in read(image.infotext)) for image in run(service, "usual\na dog").images[:2]] == [False, True]


def test_what_a_drawing_hook_raises_ends_its_task_and_no_other(opened, tmp_path: Path):
    write_extension(tmp_path, "taker", TAKER)
    service = opened()
    task = service.submit(ask("broken")).wait(PATIENCE)
    assert (task.state, "taker" in (task.error or ""), "division" in (task.error or "")) == ("failed", True, True)
    assert service.submit(ask("usual")).wait(PATIENCE).state == "done"


def test_a_hook_is_told_at_the_start_where_everything_lies(tmp_path: Path):
    write_extension(
        tmp_path, "early", "from backend.hooks import hookimpl\n\n@hookimpl\ndef begin(paths, flags, settings):\n    (paths.data / 'told').touch()\n"
    )
    load(tmp_path)
    assert (tmp_path / "told").exists()

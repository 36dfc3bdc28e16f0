"""docs/extensions.md: every hook has its heading, and every example loads and fills it."""

import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest

from backend import hooks
from backend.request import ScriptCall
from backend.sampling.names import SamplerInfo, SchedulerInfo
from tests.backend.extension_files import load, write_extension
from tests.backend.sampling.toy import draw, options
from tests.backend.stage import ask, open_service
from tests.backend.test_service import PATIENCE

TEXT = (Path(__file__).parents[1] / "docs/extensions.md").read_text("utf-8")
NAMES = tuple(name for name, function in inspect.getmembers(hooks, inspect.isfunction) if hasattr(function, f"{hooks.PROJECT}_spec"))
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))


def test_the_docs_and_the_surface_name_the_same_hooks():
    assert set(SECTIONS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_hook_says_what_it_is(name: str):
    assert len(inspect.getdoc(getattr(hooks, name)) or "") > 30


@pytest.mark.parametrize("name", NAMES)
def test_its_example_fills_it(name: str, tmp_path: Path):
    (code,) = re.findall(r"```python\n(.*?)```", SECTIONS[name], re.DOTALL)
    write_extension(tmp_path, f"example_{name}", code)
    loaded = load(tmp_path)
    assert ([one.error for one in loaded.extensions], loaded.problems) == ([""], ())
    assert f"def {name}(" in code


def test_the_example_of_code_that_needs_torch_is_whole(tmp_path: Path):
    front, engine = re.findall(r"```python\n# (?:extension|engine)\.py\n(.*?)```", TEXT, re.DOTALL)
    folder = write_extension(tmp_path, "brighter", front, engine=engine)
    (call,) = load(tmp_path).part("Brighter", "txt2img").of.engine({"on": True})
    assert call.target == "extensions.brighter.engine:brighten" and (folder / "engine.py").is_file()
    assert importlib.import_module("extensions.brighter.engine").brighten(1.0, call.options, None) == 1.1


def test_the_example_of_pictures_that_were_drawn_before_draws_one_once(tmp_path: Path):
    (code,) = re.findall(r"^## Pictures that were drawn before\n.*?```python\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL)
    write_extension(tmp_path, "again", code)
    service = open_service(tmp_path, hooks=load(tmp_path))
    try:
        told = [service.submit(replace(ask(), script=ScriptCall(title="Again", values={}))).wait(PATIENCE).comments for _ in range(2)]
    finally:
        service.close()
    assert told == [("7 was drawn",), ("7 was there",)]


def test_the_example_of_a_sampler_and_a_schedule_type_draws(tmp_path: Path):
    (code,) = re.findall(r"```python\n# sampling\.py\n(.*?)```", TEXT, re.DOTALL)
    write_extension(tmp_path, "drifting", "", sampling=code)
    load(tmp_path)
    target = "extensions.drifting.sampling"
    asked = replace(
        options("Euler"),
        added_sampler=SamplerInfo(label="Drift", aliases=(), target=f"{target}:drift"),
        added_scheduler=SchedulerInfo(name="halves", label="Halves", target=f"{target}:halves"),
    )
    steps: list[int] = []
    drawn = draw(asked, on_step=lambda step, steps_, denoised: steps.append(step))
    assert steps == list(range(1, 9)) and drawn.isfinite().all() and drawn.std() > 0.1
    assert not drawn.equal(draw(replace(asked, eta=0.0)))

"""Upscalers of extensions: where they are offered, what they do in the engine, and what becomes of one that fails."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

import app
from backend.added import Added
from backend.checkpoints.placement import Placement
from backend.controls import Control, choices
from backend.errors import NotFound
from backend.extension_modules import forget
from backend.flags import parse_flags
from backend.job import WHOLE, NamedUpscaler, Tiling, UpscalerRef
from backend.plan_upscalers import upscaler, upscalers
from backend.postprocess.upscale import Upscalers
from backend.progress import CancelToken, Comment, Event, Step
from backend.request import Hires
from backend.settings import Settings
from tests.backend.extension_files import load, write_extension
from tests.backend.fake_catalog import FakeCatalog, entry
from tests.backend.stage import ask, open_service
from tests.backend.test_service import PATIENCE

FRONT = """
from backend.hooks import hookimpl
from backend.job import NamedUpscaler

@hookimpl
def upscalers():
    return [NamedUpscaler(name="Double", scale=2, target="extensions.mine.engine:double")]
"""
ENGINE = """
seen = []

def double(image, tools):
    seen.append(image.size)
    return image.resize((image.width * 2, image.height * 2), 0)

def small(image, tools):
    return image

def broken(image, tools):
    raise RuntimeError("not today")
"""


@pytest.fixture
def mine(tmp_path: Path):
    write_extension(tmp_path, "mine", FRONT, engine=ENGINE)
    yield load(tmp_path)
    forget("mine")


def added(function: str, tiling: Tiling = WHOLE) -> UpscalerRef:
    one = NamedUpscaler(name="Double", scale=2, target=f"extensions.mine.engine:{function}", tiling=tiling, extension="mine")
    return UpscalerRef(name="Double", added=one)


def enlarged(ref: UpscalerRef, image: Image.Image, scale: float = 2, cancel: CancelToken | None = None) -> tuple[Image.Image, list[Event]]:
    events: list[Event] = []
    tool = Upscalers(FakeCatalog([]), Placement(device=torch.device("cpu")))
    return tool.upscale(image, ref, scale, on_event=events.append, cancel=cancel or CancelToken()), events


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def repeated(image: Image.Image, times: int) -> bytes:
    return np.asarray(image).repeat(times, 0).repeat(times, 1).tobytes()


def test_it_stands_wherever_upscalers_are_chosen(mine, tmp_path: Path):
    service = open_service(tmp_path, hooks=mine)
    try:
        with TestClient(app.build(service, parse_flags(["--nowebui"])), base_url="http://127.0.0.1") as client:
            listed = client.get("/sdapi/v1/upscalers").json()
            assert client.get("/sdapi/v1/realesrgan-models").json() == []
        assert {"name": "Double", "model_name": None, "model_path": None, "model_url": None, "scale": 2.0} in listed
        assert "Double" in choices(Control(key="u", kind="dropdown", label="Upscaler", default="", choices_of="upscaler"), service.catalog)
        task = service.submit(ask(hires=Hires(upscaler="Double"))).wait(PATIENCE)
        assert task.plan is not None and task.plan.jobs[0].hires is not None
        assert task.plan.jobs[0].hires.upscaler.added == NamedUpscaler(name="Double", scale=2, target="extensions.mine.engine:double", extension="mine")
        assert "Hires upscaler: Double" in task.images[0].infotext
    finally:
        service.close()


def test_it_is_called_until_the_size_is_reached(mine):
    image = picture(16, 8)
    larger, events = enlarged(added("double"), image, 4)
    assert larger.tobytes() == repeated(image, 4)
    assert not [event for event in events if isinstance(event, Comment)]


def test_tiles_are_laid_together_and_told(mine):
    import extensions.mine.engine as engine

    image = picture(40, 24)
    larger, events = enlarged(added("double", Tiling(size=16, overlap=4)), image)
    assert larger.tobytes() == repeated(image, 2)
    assert set(engine.seen) == {(16, 16)} and len(engine.seen) == 6
    assert [event.step for event in events if isinstance(event, Step)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("broken", "RuntimeError: not today"),
        ("small", "TypeError: extensions.mine.engine:small gave 16x8 instead of 32x16 pixels."),
        ("absent", "AttributeError: module 'extensions.mine.engine' has no attribute 'absent'"),
    ],
)
def test_one_that_fails_is_named_and_lanczos_does_its_work(mine, function: str, told: str):
    image = picture(16, 8)
    larger, events = enlarged(added(function), image)
    assert larger.tobytes() == image.resize((32, 16), Image.Resampling.LANCZOS).tobytes()
    assert [event.text for event in events if isinstance(event, Comment)] == [
        f"Error: The extension mine failed (upscaler Double): {told} Lanczos does its work."
    ]


def test_after_a_cancel_it_is_not_called(mine):
    import extensions.mine.engine as engine

    cancel = CancelToken()
    cancel.interrupt()
    assert enlarged(added("double"), picture(16, 8), cancel=cancel)[0].size == (32, 16)
    assert engine.seen == []


def test_names_that_are_taken_are_refused_and_named(tmp_path: Path):
    code = """
from backend.hooks import hookimpl
from backend.job import NamedUpscaler

@hookimpl
def upscalers():
    return [NamedUpscaler(name=name, scale=scale, target="extensions.mine.engine:double")
            for name, scale in (("Mine", 2), ("Mine", 4), ("Lanczos", 2), ("R-ESRGAN 4x+", 4), ("Latent", 2), ("", 2), ("Nothing", 0))]
"""
    write_extension(tmp_path, "mine", code)
    write_extension(tmp_path, "zweite", code)
    hooks = load(tmp_path)
    assert [(one.name, one.scale, one.extension) for one in hooks.added.upscalers] == [("Mine", 2, "mine")]
    assert [(problem.extension, problem.where) for problem in hooks.problems] == [("mine", "upscalers"), ("zweite", "upscalers")]
    assert "Upscaler 'Nothing'" in hooks.problems[0].error


def test_a_file_of_its_name_is_called_by_its_whole_name():
    own = NamedUpscaler(name="Double", scale=2, target="x:y", extension="mine")
    catalog = FakeCatalog([entry("upscaler", "Double.pth", "a" * 64)], added=Added(upscalers=(own,)))
    assert dict(upscalers(catalog)) == {"None": None, "Lanczos": None, "Nearest": None, "Double": own, "Double.pth": catalog.entries("upscaler")[0]}
    assert (upscaler("Double", catalog, Settings()).added, upscaler("Double", catalog, Settings()).file) == (own, None)
    by_file = upscaler("Double.pth", catalog, Settings())
    assert by_file.added is None and by_file.file is not None and by_file.name == "Double.pth"


def test_without_the_extension_its_name_is_unknown():
    with pytest.raises(NotFound, match=r"Unknown upscaler 'Double'\. Known: None, Lanczos, Nearest"):
        upscaler("Double", FakeCatalog([]), Settings())

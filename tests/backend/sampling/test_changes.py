"""What extensions do to latents in the engine: on the shipped checkpoint, from a target to the picture."""

import pickle
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import Interrupted
from backend.extension_modules import forget
from backend.fields import to_request
from backend.flags import parse_flags
from backend.generate import Engine
from backend.job import EngineCall, GeneratedImage
from backend.paths import Paths
from backend.plan import plan
from backend.progress import CancelToken, Status
from backend.prompts.styles import StyleTable
from backend.settings import Settings
from tests.backend.extension_files import write_extension

MODELS = Path(__file__).resolve().parents[3] / "models"
CODE = """
import torch

def same(latent, options, at):
    return latent

def flat(latent, options, at):
    return torch.full_like(latent, options["value"])

def late(latent, options, at):
    return latent * 0 if at.step == at.steps - 1 and at.level >= 0 and at.seeds == (5,) else latent

def wrong(latent, options, at):
    return latent[:, :1]

def look(call, options, at):
    assert call.x.shape == (2, 4, 8, 8) and call.level.tolist() == [at.level] * 2 and call.cross.shape == call.negative_cross.shape
    call.cross.mul_(1)

def louder(call, options, at):
    call.level[1] *= 0.8

def wordless(call, options, at):
    call.cross = call.negative_cross

def short(call, options, at):
    call.x = call.x[:1]

def begin(noise, options, at):
    counted = at.kept["calls"] = at.kept.get("calls", 0) + 1
    if counted > 1:
        return noise
    levels = at.sigmas(3)
    assert at.latent is None and len(levels) == 4 and abs(float(levels[0]) - at.level) < 1e-4 and float(levels[-1]) == 0
    denoise = at.denoiser("a red ball", "", 1.0)
    at.tell("asking")
    return denoise(noise * at.level, levels[0]) / at.level + noise

def ask(noise, options, at):
    denoise = at.denoiser("a red ball", "", 1.0)
    at.tell("asking")
    return denoise(noise, at.sigmas(3)[0])

def fail(latent, options, at):
    raise RuntimeError("not today")
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    (folder / "models/Stable-diffusion").mkdir(parents=True)
    (folder / "models/Stable-diffusion/demo-emoji.safetensors").symlink_to(MODELS / "Stable-diffusion/demo-emoji.safetensors")
    write_extension(folder, "changer", "", engine=CODE)
    flags = parse_flags(["--data-dir", str(folder)])
    paths = Paths.from_flags(flags, folder)
    paths.ensure()
    yield Engine.from_flags(flags, paths)
    forget("changer")


def draw(engine: Engine, *calls: tuple[str, str], sampler: str = "Euler", **options: object) -> GeneratedImage:
    request = to_request({"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 5, "sampler_name": sampler})
    (job,) = plan(request, Settings(), engine.catalog, StyleTable([]), draw=random.Random(0)).jobs
    made = tuple(EngineCall(at=at, target=f"extensions.changer.engine:{name}", options=options, extension="changer") for at, name in calls)  # type: ignore[arg-type]
    return engine.generate(pickle.loads(pickle.dumps(replace(job, calls=made))), lambda event: None, CancelToken())[0]


@pytest.mark.parametrize("at", ["before step", "after step", "before decode"])
def test_each_moment_changes_the_picture_and_leaves_no_trace(engine: Engine, at: str):
    plain = draw(engine)
    assert draw(engine, (at, "flat"), value=0.5).image.tobytes() != plain.image.tobytes()
    assert draw(engine, (at, "same")).image.tobytes() == draw(engine).image.tobytes() == plain.image.tobytes()


def test_it_knows_the_step_the_level_and_the_seeds(engine: Engine):
    assert draw(engine, ("after step", "late")).image.tobytes() == draw(engine, ("before decode", "flat"), value=0).image.tobytes()


def test_samplers_over_timesteps_are_changed_too(engine: Engine):
    assert draw(engine, ("after step", "flat"), sampler="DDIM", value=0).image.tobytes() != draw(engine, sampler="DDIM").image.tobytes()


@pytest.mark.parametrize(("name", "words"), [("fail", "RuntimeError: not today"), ("wrong", "instead of (1, 4, 8, 8)"), ("nosuch", "nosuch")])
def test_one_that_fails_is_named_once_and_the_picture_is_drawn_without_it(engine: Engine, name: str, words: str):
    drawn = draw(engine, ("before step", name))
    assert drawn.image.tobytes() == draw(engine).image.tobytes()
    (comment,) = [comment for comment in drawn.comments if "changer" in comment]
    assert comment.startswith("Error: ") and words in comment


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "LCM"])
def test_a_call_is_open_for_change_row_by_row(engine: Engine, sampler: str):
    plain = draw(engine, sampler=sampler)
    assert draw(engine, ("before call", "look"), sampler=sampler).image.tobytes() == plain.image.tobytes()
    for name in ("louder", "wordless"):
        assert draw(engine, ("before call", name), sampler=sampler).image.tobytes() != plain.image.tobytes()
    assert draw(engine, ("after call", "flat"), sampler=sampler, value=0.5).image.tobytes() != plain.image.tobytes()
    assert draw(engine, sampler=sampler).image.tobytes() == plain.image.tobytes()


def test_a_call_of_another_shape_is_not_made(engine: Engine):
    drawn = draw(engine, ("before call", "short"))
    assert drawn.image.tobytes() == draw(engine).image.tobytes()
    assert any("made (1, 4, 8, 8) of x, which was (2, 4, 8, 8)" in comment.replace("torch.Size([", "(").replace("])", ")") for comment in drawn.comments)


def test_the_noise_of_a_pass_may_come_from_the_model_and_what_is_kept_stays_for_the_next_job(engine: Engine):
    plain = draw(engine)
    changed = draw(engine, ("start", "begin"))
    assert changed.comments == () and changed.image.tobytes() != plain.image.tobytes()
    assert draw(engine, ("start", "begin")).image.tobytes() == plain.image.tobytes()  # it counts its calls


def test_a_stop_while_the_model_is_asked_before_the_first_step_ends_the_drawing(engine: Engine):
    stop = CancelToken()
    request = to_request({"prompt": "a cat", "steps": 2, "width": 64, "height": 64, "seed": 5})
    (job,) = plan(request, Settings(), engine.catalog, StyleTable([]), draw=random.Random(0)).jobs
    call = EngineCall(at="start", target="extensions.changer.engine:ask", extension="stopped")
    with pytest.raises(Interrupted):
        engine.generate(replace(job, calls=(call,)), lambda event: stop.interrupt() if event == Status(text="asking") else None, stop)

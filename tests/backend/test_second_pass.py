"""Hires pass and refiner on the shipped checkpoint, from request to picture."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import Interrupted
from backend.fields import to_request
from backend.flags import parse_flags
from backend.generate import Engine
from backend.job import GeneratedImage
from backend.paths import Paths
from backend.plan import plan
from backend.progress import CancelToken, Event, FirstPass, Step
from backend.prompts.styles import StyleTable
from backend.settings import Settings

DEMO = Path(__file__).resolve().parents[2] / "models/Stable-diffusion/demo-emoji.safetensors"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Two checkpoints, which are the same."""
    folder = tmp_path_factory.mktemp("engine")
    checkpoints = folder / "models/Stable-diffusion"
    checkpoints.mkdir(parents=True)
    for name in ("base", "twin"):
        (checkpoints / f"{name}.safetensors").symlink_to(DEMO)
    (folder / "models/Lora").mkdir()
    (folder / "models/Lora/neon.safetensors").symlink_to(DEMO.parents[1] / "Lora/demo/neon.safetensors")
    paths = Paths.from_flags(parse_flags(["--data-dir", str(folder)]), folder)
    paths.ensure()
    yield Engine.from_flags(parse_flags(["--no-half", "--no-hashing"]), paths)


def draw(
    engine: Engine, *, cancel: CancelToken | None = None, on_event=lambda event: None, settings: dict[str, object] | None = None, **asked: object
) -> GeneratedImage:
    values = {"prompt": "a cat", "steps": 4, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler", "denoising_strength": 0.6, **asked}
    chosen = Settings().override({"sd_model_checkpoint": "base", **(settings or {})})
    (job,) = plan(to_request(values), chosen, engine.catalog, StyleTable([]), draw=random.Random(0)).jobs
    return engine.generate(job, on_event, cancel or CancelToken())[0]


def pixels(image: GeneratedImage) -> np.ndarray:
    return np.asarray(image.image, np.int16)


@pytest.mark.parametrize("upscaler", ["Latent", "Latent (nearest-exact)", "Lanczos", "None"])
def test_the_picture_has_the_size_and_is_the_first_pass_drawn_again(engine: Engine, upscaler: str):
    first, second = draw(engine), draw(engine, enable_hr=True, hr_scale=1.5, hr_upscaler=upscaler)
    assert second.image.size == (96, 96) and second.complete
    enlarged = np.asarray(first.image.resize((96, 96)), np.int16)
    assert 0 < np.abs(pixels(second) - enlarged).mean() < 60


def test_without_denoising_it_is_only_larger(engine: Engine):
    first, second = draw(engine), draw(engine, enable_hr=True, hr_scale=1.5, hr_upscaler="Nearest", denoising_strength=0.0)
    assert np.abs(pixels(second) - np.asarray(first.image.resize((96, 96), Image.Resampling.NEAREST), np.int16)).mean() < 12


def test_a_finished_picture_takes_the_place_of_the_first_pass(engine: Engine):
    told: list[Event] = []
    whole = draw(engine, enable_hr=True, hr_scale=1.5, hr_upscaler="Lanczos", settings={"save_images_before_highres_fix": True}, on_event=told.append)
    (first,) = (event.image for event in told if isinstance(event, FirstPass))
    assert first.tobytes() == draw(engine).image.tobytes()
    steps: list[Event] = []
    again = draw(engine, enable_hr=True, hr_scale=1.5, hr_upscaler="Lanczos", firstpass_image=first, on_event=steps.append)
    assert again.image.tobytes() == whole.image.tobytes()
    assert sum(isinstance(event, Step) for event in steps) == 4


def test_progress_counts_through_both_passes(engine: Engine):
    told: list[Event] = []
    draw(engine, enable_hr=True, hr_scale=1.5, hr_second_pass_steps=3, on_event=told.append)
    assert [(event.step, event.steps) for event in told if isinstance(event, Step)] == [(step, 7) for step in range(1, 8)]


def test_a_stop_before_anything_of_the_second_pass_gives_the_first(engine: Engine):
    cancel = CancelToken()

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.step == 4:
            cancel.interrupt()

    stopped = draw(engine, enable_hr=True, cancel=cancel, on_event=stop)
    assert not stopped.complete and stopped.image.tobytes() == draw(engine).image.tobytes()


def test_a_stop_before_anything_is_there_gives_nothing(engine: Engine):
    cancel = CancelToken()
    cancel.interrupt()
    with pytest.raises(Interrupted):
        draw(engine, enable_hr=True, firstpass_image=Image.new("RGB", (64, 64)), cancel=cancel)


def test_prompt_editing_goes_on_in_the_second_pass(engine: Engine):
    cat, at_once, later = (
        draw(engine, prompt=text, hr_prompt=second, enable_hr=True, hr_scale=1.5).image.tobytes()
        for text, second in (("a dog", "a cat"), ("[a dog:a cat:1.0]", ""), ("[a dog:a cat:1.5]", ""))
    )
    assert at_once == cat != later


def test_a_refiner_that_is_the_same_changes_nothing_and_is_told(engine: Engine):
    plain, refined = draw(engine), draw(engine, refiner_checkpoint="twin", refiner_switch_at=0.5)
    assert refined.image.tobytes() == plain.image.tobytes()
    assert refined.extra == {"Refiner": "twin", "Refiner switch at": "0.5"} and not plain.extra
    assert draw(engine).image.tobytes() == plain.image.tobytes()


def test_networks_are_for_the_base_alone(engine: Engine):
    plain, with_lora, refined = (
        draw(engine, prompt=prompt, refiner_checkpoint=refiner, refiner_switch_at=0.0).image.tobytes()
        for prompt, refiner in (("a cat", ""), ("a cat <lora:neon:1>", ""), ("a cat <lora:neon:1>", "twin"))
    )
    assert refined == plain != with_lora


def test_a_refiner_that_never_takes_over_is_not_told(engine: Engine):
    assert not draw(engine, refiner_checkpoint="twin", refiner_switch_at=1.0).extra
    assert not draw(engine, refiner_checkpoint="base", refiner_switch_at=0.5).extra


@pytest.mark.parametrize("limit", [1, 2])
def test_the_second_pass_may_have_a_checkpoint_of_its_own(engine: Engine, limit: int):
    same, own = (draw(engine, enable_hr=True, hr_scale=1.5, hr_checkpoint_name=name, settings={"sd_checkpoints_limit": limit}) for name in ("", "twin"))
    assert same.image.tobytes() == own.image.tobytes()

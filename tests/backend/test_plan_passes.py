"""Hires. fix and refiner in a plan: sizes, what the second pass takes over from the first, and what the infotext says of it."""

import random
from typing import Any

import pytest

from backend.errors import NotFound, WebUIError
from backend.fields import from_labels, to_request
from backend.infotext import read, write
from backend.job import HiresOptions
from backend.plan import Plan, plan
from backend.plan_passes import target
from backend.prompts.styles import StyleTable
from backend.request import Hires, Size
from backend.settings import Settings
from tests.backend.fake_catalog import FakeCatalog, entry

SHA = "0123456789abcdef" * 4
CATALOG = FakeCatalog([entry("checkpoint", "first.safetensors", SHA), entry("checkpoint", "second.safetensors", SHA[::-1]), entry("lora", "ink.safetensors")])


def planned(settings: dict[str, Any] | None = None, **asked: Any) -> Plan:
    values = {"prompt": "a cat", "seed": 1, "steps": 8, "width": 64, "height": 64, "sampler_name": "Euler", **asked}
    return plan(to_request(values), Settings().override(settings or {}), CATALOG, StyleTable([]), draw=random.Random(0))


def hires(settings: dict[str, Any] | None = None, **asked: Any) -> HiresOptions:
    found = planned(settings, enable_hr=True, **asked).jobs[0].hires
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("asked", "enlarged", "final"),
    [
        (Hires(scale=2), (128, 128), (128, 128)),
        (Hires(scale=1.3), (83, 83), (80, 80)),
        (Hires(resize_x=96), (96, 96), (96, 96)),
        (Hires(resize_y=96), (96, 96), (96, 96)),
        (Hires(resize_x=128, resize_y=64), (128, 128), (128, 64)),
        (Hires(resize_x=64, resize_y=128, scale=9), (128, 128), (64, 128)),
        (Hires(resize_x=128, resize_y=96), (128, 128), (128, 96)),
    ],
)
def test_sizes_are_a1111s(asked: Hires, enlarged: tuple[int, int], final: tuple[int, int]):
    assert target(Size(width=64, height=64), asked) == (enlarged, final)


@pytest.mark.parametrize("asked", [Hires(scale=0.05), Hires(scale=1000), Hires(resize_x=4)])
def test_sizes_that_make_no_sense_are_refused(asked: Hires):
    with pytest.raises(WebUIError, match="from 8 to 16384"):
        target(Size(width=64, height=64), asked)


def test_the_second_pass_is_as_the_first_where_nothing_is_said():
    job = planned(enable_hr=True, scheduler="Karras", prompt="a cat <lora:ink:0.5>", negative_prompt="ugly").jobs[0]
    assert job.hires is not None
    assert job.hires.sampling == job.sampling and job.hires.model == job.model and job.hires.networks == job.networks
    assert (job.hires.prompts, job.hires.negative_prompts) == (job.prompts, job.negative_prompts)


def test_what_is_said_holds():
    found = hires(
        hr_sampler_name="DPM++ 2M", hr_scheduler="Beta", hr_second_pass_steps=5, hr_checkpoint_name="second", hr_prompt="a dog", hr_upscaler="Lanczos"
    )
    assert (found.sampling.sampler, found.sampling.scheduler, found.sampling.steps) == ("DPM++ 2M", "Beta", 5)
    assert found.model.checkpoint.name == "second.safetensors" and found.prompts == ("a dog",)
    assert found.upscaler.name == "Lanczos" and not found.latent_mode


def test_the_pages_words_for_as_before_are_known():
    said = hires(hr_sampler_name="Use same sampler", hr_scheduler="Use same scheduler", hr_checkpoint_name="Use same checkpoint")
    assert said == hires()


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"hr_upscaler": "NoSuch"}, "Unknown upscaler 'NoSuch'"),
        ({"hr_checkpoint_name": "nosuch"}, "Unknown checkpoint 'nosuch'"),
        ({"hr_sampler_name": "nosuch"}, "Unknown sampler 'nosuch'"),
        ({"hr_second_pass_steps": -1}, "Hires steps cannot be -1"),
        ({"denoising_strength": 1.5}, "Denoising strength cannot be 1.5"),
        ({"hr_scale": 0}, "Upscale by cannot be 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(asked: dict[str, Any], text: str):
    with pytest.raises(WebUIError, match=text):
        hires(**asked)


def test_settings_of_the_second_pass():
    assert hires({"token_merging_ratio": 0.2}).model.token_merging_ratio == 0.2
    assert hires({"token_merging_ratio": 0.2, "token_merging_ratio_hr": 0.5}).model.token_merging_ratio == 0.5
    assert hires({"hires_fix_use_firstpass_conds": True}).first_pass_conds
    assert hires({"save_images_before_highres_fix": True}).tell_first and not hires().tell_first


def test_with_the_old_sizes_the_size_is_the_final_one():
    decided = planned({"use_old_hires_fix_width_height": True}, enable_hr=True, width=1024, height=768)
    job = decided.jobs[0]
    assert job.hires and (job.hires.width, job.hires.height) == (1024, 768)
    assert (job.width, job.height) == (640, 448)
    assert read(write(decided, 0, {}))["Size-1"] == "640"


# ---- refiner


@pytest.mark.parametrize(
    ("of_pass", "with_hires", "first", "second"),
    [
        ("second pass", False, True, None),
        ("first pass", False, True, None),
        ("second pass", True, False, True),
        ("first pass", True, True, False),
        ("both passes", True, True, True),
    ],
)
def test_a_refiner_is_for_the_pass_that_the_setting_names(of_pass: str, with_hires: bool, first: bool, second: bool | None):
    job = planned({"hires_fix_refiner_pass": of_pass}, refiner_checkpoint="second", refiner_switch_at=0.5, enable_hr=with_hires).jobs[0]
    assert (job.refiner is not None) == first
    assert (job.hires and job.hires.refiner is not None) == second


def test_a_refiner_is_told_as_a1111_tells_it():
    refiner = planned(refiner_checkpoint="second", refiner_switch_at=0.5).jobs[0].refiner
    assert refiner and refiner.labels == {"Refiner": f"second [{SHA[::-1][:10]}]", "Refiner switch at": "0.5"}
    by_steps = planned({"refiner_switch_by_sample_steps": True}, refiner_checkpoint="second").jobs[0].refiner
    assert by_steps and by_steps.by_steps and by_steps.labels["Refiner switch by sampling steps"] == "True"


def test_an_unknown_refiner_and_a_switch_out_of_range_are_refused():
    with pytest.raises(NotFound, match="Unknown checkpoint 'nosuch'"):
        planned(refiner_checkpoint="nosuch")
    with pytest.raises(WebUIError, match="Switch at cannot be 2"):
        planned(refiner_checkpoint="second", refiner_switch_at=2)


# ---- infotext


def test_labels_are_in_a1111s_order():
    decided = planned(
        enable_hr=True,
        hr_scale=2.0,
        denoising_strength=0.5,
        hr_second_pass_steps=5,
        hr_checkpoint_name="second",
        hr_sampler_name="DPM++ 2M",
        hr_prompt="a, b",
    )
    line = write(decided, 0, {}).splitlines()[-1]
    assert f"Denoising strength: 0.5, Hires checkpoint: second [{SHA[::-1][:10]}], Hires sampler: DPM++ 2M, " in line
    assert 'Hires prompt: "a, b", Hires schedule type: Karras, Hires upscale: 2.0, Hires steps: 5, Hires upscaler: Latent, Version' in line


@pytest.mark.parametrize(
    "asked",
    [
        {"hr_scale": 1.5, "hr_upscaler": "Latent (nearest)", "hr_prompt": "a dog <lora:ink:1>", "hr_negative_prompt": "b"},
        {"hr_resize_x": 96, "hr_second_pass_steps": 3, "hr_sampler_name": "Heun", "hr_scheduler": "Karras"},
        {"sampler_name": "DPM++ 2M", "hr_sampler_name": "Euler"},
        {"sampler_name": "DPM++ 2M", "hr_sampler_name": "DPM++ 2M SDE"},
        {"hr_checkpoint_name": "second"},
    ],
)
def test_a_picture_with_a_hires_pass_comes_back_from_its_infotext(asked: dict[str, Any]):
    decided = planned(enable_hr=True, **asked)
    labels = read(write(decided, 0, {}))
    again = plan(to_request(from_labels(labels)), Settings(), CATALOG, StyleTable([]), draw=random.Random(0))
    assert again.jobs == decided.jobs


def test_a_refiner_comes_back_from_its_infotext():
    decided = planned(refiner_checkpoint="second", refiner_switch_at=0.5)
    refiner = decided.jobs[0].refiner
    assert refiner is not None
    labels = read(write(decided, 0, refiner.labels))
    again = plan(to_request(from_labels(labels)), Settings(), CATALOG, StyleTable([]), draw=random.Random(0))
    assert again.jobs == decided.jobs

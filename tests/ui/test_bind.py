import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from backend.errors import WebUIError
from backend.fields import FIELDS
from backend.request import GenerationRequest, Hires, Refiner, Sampling, Seed, Size
from tests.ui.fake_service import FakeCatalog
from ui import bind, tab

HIRES = {
    "denoising_strength": 0.4,
    "hr_upscaler": "Lanczos",
    "hr_scale": 1.5,
    "hr_second_pass_steps": 5,
    "hr_resize_x": 640,
    "hr_resize_y": 512,
    "hr_checkpoint_name": "other.safetensors",
    "hr_sampler_name": "Euler",
    "hr_scheduler": "Karras",
    "hr_prompt": "sharp",
    "hr_negative_prompt": "blurry",
}


@pytest.fixture
def form(tmp_path: Path) -> bind.Form:
    service = SimpleNamespace(catalog=FakeCatalog(tmp_path))

    async def make() -> bind.Form:  # where no loop runs, gr.Blocks opens some and does not close them
        with gr.Blocks():
            fields, switches, _ = tab.parameters("txt2img", service)  # type: ignore[arg-type]
            prompts = {"prompt": gr.Textbox(), "negative_prompt": gr.Textbox()}
            return bind.Form(components={**prompts, **fields}, checkpoint=gr.Dropdown(), switches=switches)

    return asyncio.run(make())


def values(form: bind.Form, changed: Mapping[str, object], *, checkpoint: str | None = None, **switched: bool) -> list[object]:
    """What Gradio hands over when everything but `changed` is untouched."""
    return [checkpoint, *(changed.get(name, switched.get(name, getattr(component, "value", None))) for name, component in form.kept.items())]


def test_an_untouched_page_asks_for_the_defaults(form: bind.Form) -> None:
    assert form.request(values(form, {})) == GenerationRequest()


def test_every_component_goes_to_the_field_of_its_name(form: bind.Form) -> None:
    changed = {
        "prompt": "a",
        "negative_prompt": "b",
        "sampler_name": "Euler a",
        "scheduler": "Karras",
        "steps": 3,
        "width": 64,
        "height": 72,
        "n_iter": 2,
        "batch_size": 4,
        "cfg_scale": 1.5,
        "seed": 10,
        "subseed": 11,
        "subseed_strength": 0.25,
        "seed_resize_from_w": 80,
        "seed_resize_from_h": 88,
    }
    assert {*changed, *HIRES, "refiner_checkpoint", "refiner_switch_at", "override_settings"} == set(form.components)
    assert form.request(values(form, changed, checkpoint="x.safetensors", extra=True)) == GenerationRequest(
        prompt="a",
        negative_prompt="b",
        seed=Seed(seed=10, subseed=11, subseed_strength=0.25, resize_from_w=80, resize_from_h=88),
        size=Size(width=64, height=72),
        sampling=Sampling(sampler="Euler a", scheduler="Karras", steps=3, cfg_scale=1.5),
        batch_size=4,
        n_iter=2,
        override_settings={"sd_model_checkpoint": "x.safetensors"},
    )


def test_the_extra_group_is_left_out_while_it_is_closed(form: bind.Form) -> None:
    changed = {"subseed": 11, "subseed_strength": 0.25, "seed_resize_from_w": 80, "seed_resize_from_h": 88}
    assert form.request(values(form, changed, extra=False)).seed == Seed()


def test_the_hires_pass_and_the_refiner_are_asked_for_by_their_boxes(form: bind.Form) -> None:
    changed = {**HIRES, "refiner_checkpoint": "refiner.safetensors", "refiner_switch_at": 0.6}
    assert form.request(values(form, changed)) == GenerationRequest()
    asked = form.request(values(form, changed, enable_hr=True, enable_refiner=True))
    assert asked == GenerationRequest(
        denoising_strength=0.4,
        hires=Hires(
            upscaler="Lanczos",
            scale=1.5,
            steps=5,
            resize_x=640,
            resize_y=512,
            checkpoint="other.safetensors",
            sampler="Euler",
            scheduler="Karras",
            prompt="sharp",
            negative_prompt="blurry",
        ),
        refiner=Refiner(checkpoint="refiner.safetensors", switch_at=0.6),
    )
    assert form.request(values(form, {}, enable_hr=True)) == GenerationRequest(denoising_strength=0.7, hires=Hires())
    assert form.request(values(form, {}, enable_refiner=True)).refiner is None, "no checkpoint, no refiner"


def test_chips_override_settings_for_one_picture(form: bind.Form) -> None:
    chips = ["Clip skip: 2", "ENSD: 31337"]
    asked = form.request(values(form, {"override_settings": chips}, checkpoint="x.safetensors")).override_settings
    assert asked == {"sd_model_checkpoint": "x.safetensors", "CLIP_stop_at_last_layers": "2", "eta_noise_seed_delta": "31337"}
    with pytest.raises(WebUIError, match="'no such thing'"):
        form.request(values(form, {"override_settings": ["no such thing"]}))


def test_an_emptied_number_means_the_default(form: bind.Form) -> None:
    assert form.request(values(form, {"seed": None})).seed.seed == -1


def test_a_value_of_the_wrong_kind_is_refused_in_words(form: bind.Form) -> None:
    with pytest.raises(WebUIError, match="Sampling steps"):
        form.request(values(form, {"steps": "many"}))


def test_labels_and_defaults_come_from_the_table_of_fields(form: bind.Form) -> None:
    table = {field.key: (field.label, field.default) for field in FIELDS}
    for name, component in form.components.items():
        if name not in ("prompt", "negative_prompt", "override_settings", "denoising_strength"):  # A1111's default is 0.7 here and 0.75 on img2img
            assert (component.label, getattr(component, "value", None)) == table[name]

import asyncio
from collections.abc import Mapping

import gradio as gr
import pytest

from backend.errors import WebUIError
from backend.fields import FIELDS
from backend.request import GenerationRequest, Sampling, Seed, Size
from ui import bind, tab


@pytest.fixture
def form() -> bind.Form:
    async def make() -> bind.Form:  # where no loop runs, gr.Blocks opens some and does not close them
        with gr.Blocks():
            fields, extra = tab.parameters("txt2img")
            prompts = {"prompt": gr.Textbox(), "negative_prompt": gr.Textbox()}
            return bind.Form(components={**prompts, **fields}, checkpoint=gr.Dropdown(), switches={"extra": (extra, bind.EXTRA_FIELDS)})

    return asyncio.run(make())


def values(form: bind.Form, changed: Mapping[str, object], *, checkpoint: str | None = None, extra: bool = False) -> list[object]:
    """What Gradio hands over when everything but `changed` is untouched."""
    switched = {"extra": extra}
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
    assert {*changed, "override_settings"} == set(form.components)
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
        if name not in ("prompt", "negative_prompt", "override_settings"):
            assert (component.label, getattr(component, "value", None)) == table[name]

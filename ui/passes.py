"""Hires. fix and Refiner: groups of parameters, each opened by the box in its head. style sheets open them: no event, no flash."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from backend.plan_upscalers import upscalers
from backend.sampling.names import LATENT_UPSCALE_MODES
from backend.service import GenerationService
from ui import bind, controls, progress, quicksettings, scripts
from ui.events import QUICK, outputs

SAME_CHECKPOINT, SAME_SAMPLER, SAME_SCHEDULER = ("Use same checkpoint", ""), ("Use same sampler", ""), ("Use same scheduler", "")
NO_CHECKPOINT = ("None", "")
SAME_PROMPT = "Leave empty to use the same prompt as in first pass."
STRENGTH = 0.7  # A1111's on txt2img; img2img has 0.75


@dataclass(frozen=True, kw_only=True)
class Group:
    """switch: its box. following: names of its drop-downs whose choices follow the folders."""

    name: str
    switch: gr.Checkbox
    fields: Mapping[str, Component]
    following: tuple[str, ...]


def hires(tab: str, service: GenerationService) -> Group:
    with gr.Column(elem_id=f"{tab}_hr", elem_classes="group"):
        switch = box("Hires. fix", f"{tab}_hr-checkbox")
        with gr.Column(elem_classes="group-body"):
            gr.HTML(html_template=FINAL, js_on_load=f"webui.hires.attach(element, '{tab}')", elem_id=f"{tab}_hr_finalres", apply_default_css=False)
            fields = {**_enlarging(tab, service), **_sampling(tab, service), **_prompts(tab)}
    return Group(name="enable_hr", switch=switch, fields=fields, following=("hr_upscaler", "hr_checkpoint_name"))


def refiner(tab: str, service: GenerationService) -> Group:
    with gr.Column(elem_id=f"{tab}_enable", elem_classes="group"):
        switch = box("Refiner", f"{tab}_enable-checkbox")
        with gr.Column(elem_classes="group-body"), gr.Row(elem_classes="line"):
            checkpoint = _choice("refiner_checkpoint", choices(service, "refiner_checkpoint"), f"{tab}_checkpoint")
            switch_at = controls.slider(tab, "refiner_switch_at", 0.01, 1, 0.01, elem_id=f"{tab}_switch_at")
    fields: dict[str, Component] = {"refiner_checkpoint": checkpoint, "refiner_switch_at": switch_at}
    return Group(name="enable_refiner", switch=switch, fields=fields, following=("refiner_checkpoint",))


def upscale_bus(tab: str) -> Any:
    """Fires `asked` where ✨ below a picture is pressed; Gradio makes the method of that name."""
    js = f"webui.hires.bind('{tab}', () => trigger('asked'))"
    return gr.HTML(html_template="<i></i>", js_on_load=js, elem_id=f"{tab}_upscale_bus", elem_classes="unseen", apply_default_css=False)


def enlarged(service: GenerationService, values: Mapping[str, Any], sent: str) -> dict[str, Any]:
    """Values that draw the hires pass alone, of a picture that is there: its seed, its size, and else what the page says, as in A1111.

    sent: which picture, as JSON. Raises NotFound for one that is gone.
    """
    picture = progress.NamedPicture.model_validate_json(sent)
    image = progress.find_picture(service, picture)
    overrides = {**values["override_settings"], "save_images_before_highres_fix": False}
    pixels = image.image.convert("RGB")
    one = {"n_iter": 1, "batch_size": 1, "width": pixels.width, "height": pixels.height, "firstpass_image": pixels, "override_settings": overrides}
    plain = {key: value for key, value in values.items() if key != scripts.CHOSEN}  # no script draws it
    return {**plain, **progress.seeds(image), **one}


def follow(service: GenerationService, blocks: gr.Blocks, bus: gr.HTML, groups: list[Group]) -> None:
    """What lies in the folders now: as a page comes up, and as they change."""
    names = [name for group in groups for name in group.following]
    shown = [group.fields[name] for group in groups for name in group.following]

    def offer() -> list[gr.Dropdown] | gr.Dropdown:
        return outputs([gr.Dropdown(choices=choices(service, name)) for name in names])

    for event in (blocks.load, bus.models_changed):  # type: ignore[attr-defined]
        event(offer, None, shown, **QUICK)


def choices(service: GenerationService, name: str) -> list[tuple[str, str]]:
    """(what is shown, value) of a drop-down that follows the folders, by field."""
    if name == "hr_upscaler":
        return [(label, label) for label in (*(mode.label for mode in LATENT_UPSCALE_MODES), *upscalers(service.catalog))]
    return [SAME_CHECKPOINT if name == "hr_checkpoint_name" else NO_CHECKPOINT, *quicksettings.choices(service.catalog)]


def box(label: str, elem_id: str, value: bool = False) -> gr.Checkbox:
    """The head of a group."""
    return gr.Checkbox(label=label, value=value, interactive=True, elem_id=elem_id, elem_classes="group-switch", min_width=0)


def _enlarging(tab: str, service: GenerationService) -> dict[str, Component]:
    with gr.Row(elem_classes="line three"):
        upscaler = _choice("hr_upscaler", choices(service, "hr_upscaler"), f"{tab}_hr_upscaler")
        steps = controls.slider(tab, "hr_second_pass_steps", 0, 150, 1, elem_id=f"{tab}_hires_steps")
        strength = controls.slider(tab, "denoising_strength", 0, 1, 0.01, value=STRENGTH)
    with gr.Row(elem_classes="line three"):
        scale = controls.slider(tab, "hr_scale", 1, 4, 0.05)
        width, height = (controls.slider(tab, name, 0, 2048, 8) for name in ("hr_resize_x", "hr_resize_y"))
    return {
        "hr_upscaler": upscaler,
        "hr_second_pass_steps": steps,
        "denoising_strength": strength,
        "hr_scale": scale,
        "hr_resize_x": width,
        "hr_resize_y": height,
    }


def _sampling(tab: str, service: GenerationService) -> dict[str, Component]:
    """Seen where a setting says so, or where one of them asks for something (hires.js)."""
    names = service.catalog.added.sampling
    with gr.Row(elem_id=f"{tab}_hires_sampling", elem_classes="line three hires-sampling"):
        checkpoint = _choice("hr_checkpoint_name", choices(service, "hr_checkpoint_name"), f"{tab}_hr_checkpoint")
        sampler = _choice("hr_sampler_name", [SAME_SAMPLER, *((label, label) for label in names.sampler_labels)], f"{tab}_hr_sampler")
        scheduler = _choice("hr_scheduler", [SAME_SCHEDULER, *((label, label) for label in names.scheduler_labels)], f"{tab}_hr_scheduler")
    return {"hr_checkpoint_name": checkpoint, "hr_sampler_name": sampler, "hr_scheduler": scheduler}


def _prompts(tab: str) -> dict[str, Component]:
    """Seen likewise."""
    with gr.Row(elem_id=f"{tab}_hires_prompts", elem_classes="line hires-prompts"):
        prompt = _text("hr_prompt", f"{tab}_hr_prompt", SAME_PROMPT)
        negative = _text("hr_negative_prompt", f"{tab}_hr_neg_prompt", SAME_PROMPT.replace("prompt", "negative prompt"))
    return {"hr_prompt": prompt, "hr_negative_prompt": negative}


def _text(name: str, elem_id: str, placeholder: str) -> gr.Textbox:
    return gr.Textbox(label=bind.label(name), value="", lines=3, interactive=True, elem_id=elem_id, placeholder=placeholder, min_width=0)


def _choice(name: str, offered: list[tuple[str, str]], elem_id: str) -> gr.Dropdown:
    """A pasted name that is not offered stays; the sentence that refuses it has the list."""
    value = bind.default(name)
    return gr.Dropdown(label=bind.label(name), choices=offered, value=value, allow_custom_value=True, interactive=True, elem_id=elem_id, min_width=0)  # type: ignore[arg-type]


FINAL = """<p class="final"></p>"""

"""The Extras tab: pictures that are there already, through the steps of backend/extras_steps.py. static/extras.js takes the pictures and sends what was set."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from backend.extras_request import ExtrasRequest
from backend.extras_steps import STEPS, ExtrasStep, StepOption
from backend.plan_upscalers import upscalers
from backend.service import GenerationService
from ui import bind, gallery, quicksettings
from ui.controls import tool
from ui.events import QUICK, outputs

TAB = "extras"
ON = "on"  # the key of a step's own box
FOLDER = ("input_folder", "output_folder", "show_results")
A1111_IDS: Mapping[str, str] = {
    "upscale_by": "extras_upscaling_resize",
    "upscale_to_width": "extras_upscaling_resize_w",
    "upscale_to_height": "extras_upscaling_resize_h",
    "upscale_crop": "extras_upscaling_crop",
    "upscaler_1_name": "extras_upscaler_1",
    "upscaler_2_name": "extras_upscaler_2",
    "upscaler_2_visibility": "extras_upscaler_2_visibility",
    "max_side_length": "extras_upscale_max_side_length",
    "gfpgan_visibility": "extras_gfpgan_visibility",
    "codeformer_visibility": "extras_codeformer_visibility",
    "codeformer_weight": "extras_codeformer_weight",
}  # by option; others are called after step and option


@dataclass(frozen=True, kw_only=True)
class ExtrasForm:
    """kept: components by "step/option", "step/on" and the names of FOLDER."""

    kept: Mapping[str, Component]


def build(service: GenerationService, blocks: gr.Blocks, settings: quicksettings.QuickSettings, steps: Sequence[ExtrasStep] | None = None) -> ExtrasForm:
    """steps: those that there are, where none are given."""
    ordered = sorted(service.hooks.extras_steps if steps is None else steps, key=lambda step: step.order)
    with gr.Row(elem_id="extras_layout", elem_classes="layout"):
        with gr.Column(elem_id="extras_asked", elem_classes="asked", min_width=0):
            _sources(service, ordered)
            with gr.Column(elem_id="extras_settings", elem_classes="settings"):
                kept = _folders() | {key: component for step in ordered for key, component in _step(service, step).items()}
        with gr.Column(elem_id="extras_results", elem_classes="drawn", min_width=0):
            _buttons(kept)
            gallery.build(TAB)
    form = ExtrasForm(kept=kept)
    bind.keep(TAB, blocks, form)
    _follow_upscalers(service, blocks, settings, [kept[_name(step, option)] for step in ordered for option in step.options if option.upscaler])
    return form


def request(values: Mapping[str, Any], files: tuple[Path, ...], *, folder: bool, steps: Sequence[ExtrasStep] = STEPS) -> ExtrasRequest:
    """values: as the page has them, by name. folder: the pictures are in the folder that was typed in."""
    asked = {step.name: _options(step, values) for step in steps if values.get(f"{step.name}/{ON}", step.on)}
    if not folder:
        return ExtrasRequest(files=files, steps=asked)
    return ExtrasRequest(
        input_folder=str(values.get("input_folder") or ""),
        output_folder=str(values.get("output_folder") or ""),
        show_results=bool(values.get("show_results", True)),
        steps=asked,
    )


def _options(step: ExtrasStep, values: Mapping[str, Any]) -> dict[str, object]:
    named = {option.key: values.get(_name(step, option)) for option in step.options}
    return {key: value for key, value in named.items() if value is not None}


def _name(step: ExtrasStep, option: StepOption) -> str:
    return f"{step.name}/{option.key}"


# ---- what is drawn


def _sources(service: GenerationService, steps: Sequence[ExtrasStep]) -> None:
    only = {_id(step, option): [f"{step.name}/{option.only[0]}", option.only[1]] for step in steps for option in step.options if option.only}
    may = json.dumps(bool(service.paths.browsable) and service.exposure.changes)
    gr.HTML(html_template=SHELL, js_on_load=f"webui.extras.attach(element, {json.dumps(only)}, {may})", elem_classes="sources-block", apply_default_css=False)


def _buttons(kept: Mapping[str, Component]) -> None:
    with gr.Row(elem_id="extras_generate_box", elem_classes="generate-box"):
        generate = gr.Button("Generate", variant="primary", elem_id="extras_generate", min_width=0)
        interrupt = gr.Button("Interrupt", elem_id="extras_interrupt", min_width=0, interactive=False)
        skip = gr.Button("Skip", elem_id="extras_skip", min_width=0, interactive=False)
    collect = f"(...values) => {{ webui.extras.generate(Object.fromEntries({json.dumps(list(kept))}.map((name, index) => [name, values[index]]))); }}"
    generate.click(None, list(kept.values()), js=collect, **QUICK)
    for button, what in ((interrupt, "interrupt"), (skip, "skip")):
        button.click(None, js=f"() => {{ webui.progress.tell('{what}', '{TAB}'); }}", **QUICK)


def _folders() -> dict[str, Component]:
    """Seen in "Batch from Directory" (extras.css)."""
    box = partial(gr.Textbox, lines=1, max_lines=1, interactive=True, min_width=0)
    with gr.Column(elem_classes="extras-folders"):
        source = box(label="Input directory", placeholder="A directory on the same machine where the server is running.", elem_id="extras_batch_input_dir")
        target = box(label="Output directory", placeholder="Leave blank to save images to the default path.", elem_id="extras_batch_output_dir")
        show = gr.Checkbox(label="Show result images", value=True, interactive=True, elem_id="extras_show_extras_results", min_width=0)
    return dict(zip(FOLDER, (source, target, show), strict=True))


def _step(service: GenerationService, step: ExtrasStep) -> dict[str, Component]:
    with gr.Column(elem_id=f"extras_{_word(step.name)}", elem_classes="group"):
        made: dict[str, Component] = {
            f"{step.name}/{ON}": gr.Checkbox(label=step.name, value=step.on, interactive=True, elem_classes="group-switch", min_width=0)
        }
        with gr.Column(elem_classes="group-body"):
            if missing := step.missing(service.catalog):
                gr.Textbox(missing, lines=2, show_label=False, interactive=False, elem_id=f"extras_{_word(step.name)}_missing", min_width=0)
            for row, options in groupby(step.options, key=lambda option: option.row or option.key):
                made |= _line(service, step, row, list(options))
    return made


def _line(service: GenerationService, step: ExtrasStep, row: str, options: Sequence[StepOption]) -> dict[str, Component]:
    if len(options) == 1:
        return {_name(step, options[0]): _control(service, step, options[0])}
    with gr.Row(elem_classes="line"):
        made = {_name(step, option): _control(service, step, option) for option in options}
        if [option.key.rpartition("_")[2] for option in options] == ["width", "height"]:
            swap, sides = tool("⇅", "upscaling_res_switch_btn", "swap"), list(made.values())
            swap.click(None, sides, sides, js="(width, height) => [height, width]", **QUICK)
    return made


def _control(service: GenerationService, step: ExtrasStep, option: StepOption) -> Component:
    """As its type and its limits ask for."""
    hidden = option.only is not None and option.only[1] != next(one.default for one in step.options if one.key == option.only[0])
    common: dict[str, Any] = {"label": option.label, "interactive": True, "elem_id": _id(step, option), "elem_classes": "aside" if hidden else ""}
    if option.upscaler:
        return gr.Dropdown(choices=list(upscalers(service.catalog)), value=str(option.default), min_width=0, **common)
    if option.choices:
        return gr.Radio(choices=[(name, value) for value, name in enumerate(option.choices)], value=option.default, **common)  # type: ignore[arg-type]
    if isinstance(option.default, bool):
        return gr.Checkbox(value=option.default, min_width=0, **common)
    if isinstance(option.default, str):
        return gr.Textbox(value=option.default, min_width=0, **common)
    if option.maximum is None:
        return gr.Number(value=option.default, minimum=option.minimum or 0, precision=0 if isinstance(option.default, int) else None, min_width=0, **common)
    least, most = option.slider or (option.minimum or 0, option.maximum)
    return gr.Slider(minimum=least, maximum=most, step=option.step, value=option.default, min_width=0, buttons=[], **common)


def _follow_upscalers(service: GenerationService, blocks: gr.Blocks, settings: quicksettings.QuickSettings, lists: list[Component]) -> None:
    """The drop-downs have what lies in the folders now."""

    def choices() -> list[gr.Dropdown] | gr.Dropdown:
        return outputs([gr.Dropdown(choices=list(upscalers(service.catalog)))] * len(lists))

    blocks.load(choices, None, lists, **QUICK)
    settings.bus.models_changed(choices, None, lists, **QUICK)


def _id(step: ExtrasStep, option: StepOption) -> str:
    return A1111_IDS.get(option.key) or f"extras_{_word(step.name)}_{option.key}"


def _word(name: str) -> str:
    return "_".join(_words(name.lower()))


def _words(name: str) -> Iterator[str]:
    return ("".join(letters) for plain, letters in groupby(name, key=str.isalnum) if plain)


SHELL = """
<section class="extras-sources" data-mode="single" aria-label="Pictures">
  <div class="modes" role="group" aria-label="Where the pictures come from">
    <button type="button" data-mode="single">Single Image</button>
    <button type="button" data-mode="batch">Batch Process</button>
    <button type="button" data-mode="folder">Batch from Directory</button>
  </div>
  <div class="drop single">
    <span class="hint">Drop a picture here, paste one, or click to choose one</span><img alt="" hidden>
    <input type="file" accept="image/*" aria-label="Picture">
  </div>
  <div class="drop batch">
    <span class="hint"></span>
    <input type="file" accept="image/*" multiple aria-label="Pictures">
  </div>
  <p class="about"><span class="what"></span> <button type="button" class="webui-button remove">Remove</button></p>
</section>
"""

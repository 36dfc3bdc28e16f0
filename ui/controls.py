"""The generation parameters: A1111's labels, ranges, defaults and elem_ids, in A1111's order."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from backend.sampling.names import SamplingNames
from ui import bind, overrides
from ui.events import QUICK


def sampling(tab: str, names: SamplingNames) -> dict[str, Component]:
    with gr.Row(elem_id=f"sampler_selection_{tab}", elem_classes="line"):
        sampler = dropdown("sampler_name", names.sampler_labels, f"{tab}_sampling")
        scheduler = dropdown("scheduler", names.scheduler_labels, f"{tab}_scheduler")
        steps = slider(tab, "steps", 1, 150, 1)
    return {"sampler_name": sampler, "scheduler": scheduler, "steps": steps}


def size_and_batch(tab: str) -> dict[str, Component]:
    with gr.Row(elem_id=f"{tab}_dimensions_row", elem_classes="line dimensions"):
        with gr.Column(elem_id=f"{tab}_column_size", min_width=0, scale=4):
            width, height = (slider(tab, name, 64, 2048, 8) for name in ("width", "height"))
        swap = tool("⇅", f"{tab}_res_switch_btn", "swap")
        with gr.Column(elem_id=f"{tab}_column_batch", min_width=0, scale=4):
            counts = batch(tab)
    wire_size(width, height, swap)
    return {"width": width, "height": height, **counts}


def batch(tab: str) -> dict[str, Component]:
    return {"n_iter": slider(tab, "n_iter", 1, 100, 1, elem_id=f"{tab}_batch_count"), "batch_size": slider(tab, "batch_size", 1, 8, 1)}


def wire_size(width: gr.Slider, height: gr.Slider, swap: gr.Button) -> None:
    """From its first touch on the size is the person's, not the checkpoint's."""
    swap.click(None, [width, height], [width, height], js="(width, height) => { webui.size.touch(); return [height, width]; }", **QUICK)
    for side in (width, height):
        side.input(None, js="() => { webui.size.touch(); }", **QUICK)


def seed(tab: str) -> tuple[dict[str, Component], gr.Checkbox]:
    """The "Extra" group is opened by style.css alone: no event, no flash."""
    with gr.Row(elem_id=f"{tab}_seed_row", elem_classes="line seed"):
        number = _seed_box(tab, "seed")
        extra = gr.Checkbox(label="Extra", value=False, interactive=True, elem_id=f"{tab}_subseed_show", min_width=0, scale=0)
    with gr.Column(elem_id=f"{tab}_seed_extras", elem_classes="seed-extras"):
        with gr.Row(elem_classes="line seed"):
            subseed = _seed_box(tab, "subseed")
            strength = slider(tab, "subseed_strength", 0, 1, 0.01)
        with gr.Row(elem_classes="line"):
            resize_w = slider(tab, "seed_resize_from_w", 0, 2048, 8)
            resize_h = slider(tab, "seed_resize_from_h", 0, 2048, 8)
    return {"seed": number, "subseed": subseed, "subseed_strength": strength, "seed_resize_from_w": resize_w, "seed_resize_from_h": resize_h}, extra


def override_settings(tab: str) -> gr.Dropdown:
    """Chips; unseen while there are none, as in A1111."""
    return gr.Dropdown(
        label="Override settings",
        choices=overrides.choices(),
        value=[],
        multiselect=True,
        allow_custom_value=True,
        interactive=True,
        elem_id=f"{tab}_override_settings",
        elem_classes="override-settings",
        min_width=0,
    )


def _seed_box(tab: str, name: str) -> gr.Number:
    """A seed with its 🎲 (draw one) and ♻️ (that of the picture which is shown)."""
    with gr.Row(elem_classes="seed-box", scale=4):
        number = gr.Number(
            label=bind.label(name),
            value=bind.default(name),
            precision=0,
            minimum=-1,
            interactive=True,
            elem_id=f"{tab}_{name}",
            min_width=0,
        )
        dice = tool("🎲️", f"{tab}_random_{name}", "dice")
        reuse = tool("♻️", f"{tab}_reuse_{name}", "reuse")
    dice.click(None, None, number, js="() => -1", **QUICK)
    reuse.click(None, number, number, js=f"(now) => webui.gallery.value('{tab}', '{name}', now)", **QUICK)
    return number


def dropdown(name: str, choices: Sequence[str], elem_id: str) -> gr.Dropdown:
    """A pasted name that is not offered stays; the sentence that refuses it has the list."""
    value, offered = bind.default(name), [(choice, choice) for choice in choices]
    return gr.Dropdown(label=bind.label(name), choices=offered, value=value, allow_custom_value=True, interactive=True, elem_id=elem_id, min_width=0)  # type: ignore[arg-type]


def slider(tab: str, name: str, minimum: float, maximum: float, step: float, *, elem_id: str = "", value: Any = None, info: str | None = None) -> gr.Slider:
    return gr.Slider(
        label=bind.label(name),
        info=info,
        minimum=minimum,
        maximum=maximum,
        step=step,
        value=bind.default(name) if value is None else value,
        interactive=True,
        elem_id=elem_id or f"{tab}_{name}",
        min_width=0,
        buttons=[],
    )


def tool(text: str, elem_id: str, icon: str) -> gr.Button:
    """A small square button; style.css draws the icon, so that it looks alike where no emoji font is installed."""
    return gr.Button(text, elem_id=elem_id, elem_classes=f"tool icon-{icon}", scale=0, min_width=0, size="sm")

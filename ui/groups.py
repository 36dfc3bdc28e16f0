"""What img2img has beside txt2img: resize mode and size, and what inpainting takes."""

from collections.abc import Mapping

import gradio as gr
from gradio.components import Component

from ui import controls
from ui.events import QUICK

RESIZE_MODES = (("Just resize", 0), ("Crop and resize", 1), ("Resize and fill", 2), ("Just resize (latent upscale)", 3))
MASK_MODES = (("Inpaint masked", 0), ("Inpaint not masked", 1))
FILLS = (("fill", 0), ("original", 1), ("latent noise", 2), ("latent nothing", 3))
AREAS = (("Whole picture", 0), ("Only masked", 1))


def inpaint(tab: str) -> Mapping[str, Component]:
    """Seen while one of the inpaint modes is chosen (canvas.css)."""
    with gr.Column(elem_id="inpaint_controls", elem_classes="inpaint-controls"):
        blur = controls.slider(tab, "mask_blur", 0, 64, 1, value=4)
        mode = _radio("Mask mode", MASK_MODES, 0, f"{tab}_mask_mode")
        fill = _radio("Masked content", FILLS, 1, f"{tab}_inpainting_fill")
        area = _radio("Inpaint area", AREAS, 0, f"{tab}_inpaint_full_res")
        padding = controls.slider(tab, "inpaint_full_res_padding", 0, 256, 4)
    return {
        "mask_blur": blur,
        "inpainting_mask_invert": mode,
        "inpainting_fill": fill,
        "inpaint_full_res": area,
        "inpaint_full_res_padding": padding,
    }


def resize(tab: str) -> Mapping[str, Component]:
    """ "Resize to" a size, or "Resize by" a factor of the picture's own."""
    mode = _radio("Resize mode", RESIZE_MODES, 0, "resize_mode")
    with gr.Column(elem_classes="resize"):
        kind = _radio("Size", ("Resize to", "Resize by"), "Resize to", f"{tab}_resize_kind")
        with gr.Row(elem_classes="line dimensions resize-to"):
            with gr.Column(elem_id=f"{tab}_column_size", min_width=0, scale=4):
                width, height = (controls.slider(tab, name, 64, 2048, 8) for name in ("width", "height"))
            with gr.Column(min_width=0, scale=0):
                swap = controls.tool("⇅", f"{tab}_res_switch_btn", "swap")
                fit = controls.tool("📐", f"{tab}_detect_image_size_btn", "fit")
        with gr.Column(elem_classes="resize-by"):
            scale = gr.Slider(label="Scale", minimum=0.05, maximum=4, step=0.05, value=1, interactive=True, elem_id=f"{tab}_scale", min_width=0, buttons=[])
    controls.wire_size(width, height, swap)
    fit.click(None, js=f"() => {{ webui.canvas.fit('{tab}'); }}", **QUICK)
    return {"resize_mode": mode, "resize_kind": kind, "width": width, "height": height, "scale_by": scale}


def batch_line(tab: str) -> Mapping[str, Component]:
    with gr.Row(elem_id=f"{tab}_column_batch", elem_classes="line"):
        return controls.batch(tab)


def _radio(label: str, choices: tuple[tuple[str, int], ...] | tuple[str, ...], value: int | str, elem_id: str) -> gr.Radio:
    return gr.Radio(label=label, choices=list(choices), value=value, interactive=True, elem_id=elem_id, elem_classes="radio-line")  # type: ignore[arg-type]

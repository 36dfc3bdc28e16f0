"""img2img: the picture to start from and its mask. A constant shell, which static/canvas.js brings to life; what it sends → values by field name."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
from PIL import Image

from backend.errors import WebUIError
from backend.images.metadata import open_image
from backend.paths import Paths
from backend.picture_folder import allowed_folder, pictures_of
from backend.request import ScriptCall
from backend.service import GenerationService

MASKED = ("inpaint", "inpaint_sketch", "inpaint_upload")  # modes in which a mask counts
BATCH = "img2img batch"  # a script that ships
PLACEHOLDER = Image.new("RGB", (8, 8))  # until the script has read the first picture
MASK_FIELDS = ("mask_blur", "inpainting_mask_invert", "inpainting_fill", "inpaint_full_res", "inpaint_full_res_padding")


def build(tab: str, service: GenerationService) -> gr.HTML:
    may = bool(service.paths.browsable) and service.exposure.changes and any(owned.of.title == BATCH for owned in service.hooks.scripts(tab))
    return gr.HTML(
        html_template=SHELL,
        js_on_load=f"webui.canvas.attach(element, '{tab}', {json.dumps(may)})",
        elem_id=f"{tab}_sources",
        elem_classes="sources-block",
        apply_default_css=False,
    )


def requests(values: Mapping[str, Any], sent: str) -> Iterator[dict[str, Any]]:
    """Values for one request each: of a batch one per picture. sent: {"mode", "images": [data URL, …], "mask": data URL or null}, as JSON.

    Raises WebUIError where no picture was given, or one cannot be read.
    """
    given = json.loads(sent or "{}")
    mode, images = str(given.get("mode", "")), [picture(text) for text in given.get("images", ())]
    if not images:
        raise WebUIError("img2img needs a picture to start from.")
    kept = {key: value for key, value in values.items() if key not in ("resize_kind", "scale_by") and (mode in MASKED or key not in MASK_FIELDS)}
    mask = {"mask": picture(str(given.get("mask")))} if mode in MASKED and given.get("mask") else {}
    if mode in MASKED and not mask:
        raise WebUIError("Inpainting needs a mask: draw over what is to be made new.")
    for image in images:
        yield {**kept, **_size(values, image), **mask, "init_images": [image]}


def folder(sent: str) -> Mapping[str, Any]:
    """What "From directory" asks for: values of the script BATCH by key; empty where pictures were sent."""
    return json.loads(sent or "{}").get("folder") or {}


def of_folder(values: Mapping[str, Any], given: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """Values of the one request over all pictures of a folder, which the script reads in their turn. Raises WebUIError for a folder that cannot be used."""
    if not given.get("input_dir"):
        raise WebUIError("Name the input directory.")
    if values.get("script"):
        raise WebUIError("A script cannot be combined with a directory: choose the script None, or upload the pictures.")
    pictures_of(allowed_folder(str(given["input_dir"]), paths))
    masked, scale = bool(given.get("inpaint_mask_dir")), values.get("scale_by") if values.get("resize_kind") == "Resize by" else 0
    kept = {key: value for key, value in values.items() if key not in ("resize_kind", "scale_by") and (masked or key not in MASK_FIELDS)}
    mask = {"mask": PLACEHOLDER} if masked else {}
    return {**kept, **mask, "init_images": [PLACEHOLDER], "script": ScriptCall(title=BATCH, values={**given, "scale_by": scale or 0})}


def _size(values: Mapping[str, Any], image: Image.Image) -> dict[str, int]:
    """As in A1111 "Resize by" means the picture's own size times the scale."""
    if values.get("resize_kind") != "Resize by":
        return {}
    scale = float(values.get("scale_by") or 1)
    return {"width": max(int(image.width * scale), 8), "height": max(int(image.height * scale), 8)}


def picture(text: str) -> Image.Image:
    """Of a data URL. Raises WebUIError."""
    try:
        data = base64.b64decode(text.partition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise WebUIError("This is no picture that can be read.") from error
    return open_image(data)


SHELL = """
<section class="sources" data-mode="img2img" data-empty="true" aria-label="Picture to start from">
  <div class="modes" role="group" aria-label="What to do with the picture">
    <button type="button" data-mode="img2img">img2img</button>
    <button type="button" data-mode="sketch">Sketch</button>
    <button type="button" data-mode="inpaint">Inpaint</button>
    <button type="button" data-mode="inpaint_sketch">Inpaint sketch</button>
    <button type="button" data-mode="inpaint_upload">Inpaint upload</button>
    <button type="button" data-mode="batch">Batch</button>
  </div>
  <div class="brush">
    <label class="size">Brush <input type="range" min="1" max="200" value="40" aria-label="Brush size"></label>
    <input type="color" class="color" value="#ffffff" aria-label="Brush color">
    <button type="button" class="webui-button undo" title="Take back the last stroke (Ctrl+Z)">Undo</button>
    <button type="button" class="webui-button clear" title="Take back every stroke">Clear</button>
    <button type="button" class="webui-button full" title="Full screen (S)">Full screen</button>
    <button type="button" class="webui-button remove" title="Take the picture away">Remove</button>
    <span class="size-of"></span>
  </div>
  <div class="stage drop">
    <span class="hint">Drop a picture here, paste one, or click to choose one</span>
    <input type="file" accept="image/*" class="choose" aria-label="Picture">
    <div class="sheet"><canvas class="base"></canvas><canvas class="strokes"></canvas></div>
  </div>
  <div class="drop mask-drop">
    <span class="hint">Mask: drop a black and white picture; white is made new</span><img class="mask" alt="Mask" hidden>
    <input type="file" accept="image/*" class="choose-mask" aria-label="Mask">
  </div>
  <div class="batch-kinds" role="group" aria-label="Where the pictures come from">
    <button type="button" data-batch="upload">Upload</button>
    <button type="button" data-batch="folder">From directory</button>
  </div>
  <div class="batch-folder">
    <p>Process images in a directory on the same machine where the server is running. Use an empty output directory to save pictures normally
      instead of writing to the output directory. Add inpaint batch mask directory to enable inpaint batch processing.</p>
    <label>Input directory <input type="text" name="input_dir" placeholder="A directory on the same machine where the server is running."></label>
    <label>Output directory <input type="text" name="output_dir" placeholder="Leave blank to save images to the default path."></label>
    <label>Inpaint batch mask directory (required for inpaint batch processing only) <input type="text" name="inpaint_mask_dir"></label>
    <details><summary>PNG info</summary>
      <label class="check"><input type="checkbox" name="use_png_info"> Append png info to prompts</label>
      <label>PNG info directory <input type="text" name="png_info_dir" placeholder="Leave empty to use input directory"></label>
      <fieldset><legend>Parameters to take from png info</legend>
        <label class="check"><input type="checkbox" name="png_info_props" value="Prompt"> Prompt</label>
        <label class="check"><input type="checkbox" name="png_info_props" value="Negative prompt"> Negative prompt</label>
        <label class="check"><input type="checkbox" name="png_info_props" value="Seed"> Seed</label>
        <label class="check"><input type="checkbox" name="png_info_props" value="CFG scale"> CFG scale</label>
        <label class="check"><input type="checkbox" name="png_info_props" value="Sampler"> Sampler</label>
        <label class="check"><input type="checkbox" name="png_info_props" value="Steps"> Steps</label>
        <label class="check"><input type="checkbox" name="png_info_props" value="Model hash"> Model hash</label>
      </fieldset>
    </details>
  </div>
  <div class="drop batch-drop">
    <span class="hint">Drop pictures here, or click to choose several: each is one task</span>
    <input type="file" accept="image/*" class="choose-batch" multiple aria-label="Pictures">
  </div>
</section>
"""

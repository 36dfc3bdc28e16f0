"""Every station of A1111's walk, in its order, with scripts in its form."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from backend.infotext import read
from backend.request import InitImage
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE
from tests.extensions.a1111_scripts.carried import carrying, write

TALES = """
import gradio as gr
from modules import scripts, shared

class Tales(scripts.Script):
    heard = []

    def title(self):
        return "Tales"

    def show(self, is_img2img):
        assert self.is_img2img == is_img2img and self.tabname == ("img2img" if is_img2img else "txt2img")
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        with gr.Accordion("Tales", open=False):
            with gr.Row():
                word = gr.Textbox("once", label="Word", elem_id=self.elem_id("word"))
                times = gr.Slider(1, 5, 2, step=1, label="Times")
        self.infotext_fields = [(word, "Tale word"), (times, lambda labels: labels.get("Tale times"))]
        return [word, times]

    def tell(self, stage, *more):
        self.heard.append((stage, *more))

    def setup(self, p, word, times):
        self.tell("setup", word, times)

    def before_process(self, p, word, times):
        self.tell("before_process", p.prompt)
        p.prompt = f"{p.prompt} {word}"

    def process(self, p, word, times):
        self.tell("process", list(p.all_prompts), list(p.all_seeds))
        p.all_prompts = [f"{text} {i}" for i, text in enumerate(p.all_prompts)]
        p.extra_generation_params["Tale word"] = word
        p.extra_generation_params["Tale times"] = times
        p.extra_generation_params["Tale list"] = [f"number {i}" for i in range(len(p.all_prompts))]
        p.extra_generation_params["Tale call"] = lambda index, all_seeds, **more: index * 10
        p.extra_generation_params["Tale none"] = None

    def before_process_batch(self, p, word, times, batch_number, prompts, seeds, subseeds):
        self.tell("before_process_batch", batch_number, list(prompts), list(seeds))

    def process_batch(self, p, word, times, **named):
        self.tell("process_batch", named["batch_number"], list(named["prompts"]))
        named["prompts"][0] += " drawn otherwise"

    def postprocess_batch(self, p, word, times, images, batch_number):
        self.tell("postprocess_batch", batch_number, len(images))

    def postprocess_batch_list(self, p, pp, word, times, batch_number):
        self.tell("postprocess_batch_list", batch_number, len(pp.images))

    def postprocess_image(self, p, pp, word, times):
        from PIL import ImageOps
        self.tell("postprocess_image", p.iteration, p.batch_index)
        pp.image = ImageOps.invert(pp.image)

    def postprocess_maskoverlay(self, p, ppmo, word, times):
        self.tell("postprocess_maskoverlay")

    def postprocess_image_after_composite(self, p, pp, word, times):
        self.tell("postprocess_image_after_composite")

    def postprocess(self, p, processed, word, times):
        self.tell("postprocess", processed.index_of_first_image, len(processed.images), processed.seed)
"""
PLAIN = """
from modules import script_callbacks, scripts
scripts_heard = []
script_callbacks.on_before_image_saved(lambda params: params.pnginfo.update(parameters=params.pnginfo["parameters"] + ", Callback: yes"))
script_callbacks.on_image_saved(lambda params: open(params.filename + ".seen", "w").close())
"""


@pytest.mark.parametrize("tab", ["txt2img", "img2img"])
def test_the_stations_are_called_in_a1111s_order_with_the_scripts_values(tmp_path: Path, tab: str):
    write(tmp_path, "tales", tales=TALES)
    with carrying(tmp_path, return_grid=False, grid_save=False) as service:
        init = {} if tab == "txt2img" else {"init": InitImage(images=(Image.new("RGB", (16, 8), "red"),))}
        task = service.submit(ask("a <lora:ink:0.5>cat", n_iter=2, parts={"Tales": {"arg0": "upon"}}, **init)).wait(PATIENCE)
        heard = service.hooks.part("tales", tab).of._host.runners[tab].scripts[0].heard
    assert (task.state, task.error, [text for text in task.comments if text.startswith("Error")]) == ("done", None, [])
    assert heard == [
        ("setup", "upon", 2),
        ("before_process", "a <lora:ink:0.5>cat"),
        ("process", ["a <lora:ink:0.5>cat upon"] * 2, [7, 8]),
        ("before_process_batch", 0, ["a <lora:ink:0.5>cat upon 0"], [7]),
        ("process_batch", 0, ["a cat upon 0"]),
        ("postprocess_batch", 0, 1),
        ("postprocess_batch_list", 0, 1),
        ("postprocess_image", 0, 0),
        ("postprocess_maskoverlay",),
        ("postprocess_image_after_composite",),
        ("before_process_batch", 1, ["a <lora:ink:0.5>cat upon 1"], [8]),
        ("process_batch", 1, ["a cat upon 1"]),
        ("postprocess_batch", 1, 1),
        ("postprocess_batch_list", 1, 1),
        ("postprocess_image", 1, 0),
        ("postprocess_maskoverlay",),
        ("postprocess_image_after_composite",),
        ("postprocess", 0, 2, 7),
    ]


def test_what_the_scripts_change_is_drawn_told_and_saved(tmp_path: Path):
    with carrying(tmp_path / "bare") as bare:
        (plain,) = bare.submit(ask("a cat once 1 drawn otherwise", seed=8)).wait(PATIENCE).images
    write(tmp_path, "tales", tales=TALES, zplain=PLAIN)
    with carrying(tmp_path, return_grid=False, grid_save=False) as service:
        task = service.submit(ask(n_iter=2)).wait(PATIENCE)
    first, second = task.images
    assert second.image.tobytes() == ImageChops.invert(plain.image).tobytes()
    told = read(second.infotext)
    assert (told["Prompt"], told["Seed"], told["Tale word"], told["Tale times"]) == ("a cat once 1", "8", "once", "2")
    assert (told["Tale list"], told["Tale call"], "Tale none" in told, told["Callback"]) == ("number 1", "10", False, "yes")
    assert first.path is not None and first.path.with_name(f"{first.path.name}.seen").exists()
    assert (first.path.name.split("-")[1], second.path.name.split("-")[1]) == ("7.png", "8.png")

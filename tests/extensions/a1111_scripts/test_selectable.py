"""Scripts that take the generation over, and those that draw again within a drawing."""

from pathlib import Path

from backend.infotext import read
from backend.request import ScriptCall
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE, saved, stepping, until
from tests.backend.workers.fake_engine import colour
from tests.extensions.a1111_scripts.carried import carrying, write

MANY = """
import copy
import gradio as gr
import modules.scripts as scripts
from modules import images, processing, shared
from modules.processing import Processed, StableDiffusionProcessingImg2Img, process_images
from modules.shared import opts, state

class Script(scripts.Script):
    def title(self):
        return "Many"

    def ui(self, is_img2img):
        words = gr.Textbox("a, b", label="Words")
        how = gr.Dropdown(choices=["keep", "none", "img2img", "raise"], value="keep", label="How", type="index")
        return [words, how]

    def run(self, p, words, how):
        assert isinstance(how, int)
        if how == 1:
            return None
        if how == 3:
            raise RuntimeError("no luck")
        processing.fix_seed(p)
        p.do_not_save_grid = True
        state.job_count = len(words.split(","))
        all_images, texts = [], []
        for word in words.split(","):
            if state.interrupted:
                break
            again = copy.copy(p)
            if how == 2:
                again = StableDiffusionProcessingImg2Img(
                    sd_model=shared.sd_model, outpath_samples=p.outpath_samples, outpath_grids=p.outpath_grids, init_images=p.init_images or [blank()],
                    steps=p.steps, width=p.width, height=p.height, seed=p.seed, sampler_name=p.sampler_name, denoising_strength=0.5, do_not_save_samples=True,
                )
            again.prompt = word.strip()
            again.override_settings = {"CLIP_stop_at_last_layers": 2}
            done = process_images(again)
            all_images += done.images
            texts += done.infotexts
        grid = images.image_grid(all_images, rows=1)
        return Processed(p, [grid, *all_images], p.seed, texts[0], infotexts=[texts[0], *texts], index_of_first_image=1)

def blank():
    from PIL import Image
    return Image.new("RGB", (16, 8), "blue")
"""
AGAIN = """
import copy
from modules import processing, scripts, shared

class Again(scripts.Script):
    calls = []

    def title(self):
        return "Again"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p):
        self.calls.append(("process", p.prompt, type(p).__name__))

    def postprocess_image(self, p, pp):
        if getattr(p, "_inner", False):
            return
        inner = processing.StableDiffusionProcessingImg2Img(
            init_images=[pp.image], prompt="face", seed=p.seeds[p.batch_index] + 100, steps=p.steps, width=p.width, height=p.height,
            sampler_name=p.sampler_name, do_not_save_samples=True, do_not_save_grid=True, denoising_strength=0.4,
        )
        inner._inner = True
        inner.scripts = copy.copy(p.scripts)
        inner.scripts.alwayson_scripts = [script for script in p.scripts.alwayson_scripts if script.filename.endswith("other.py")]
        inner.script_args = p.script_args
        pp.image = processing.process_images(inner).images[0]
"""
OTHER = """
from modules import scripts

class Other(scripts.Script):
    calls = []
    def title(self):
        return "Other"
    def show(self, is_img2img):
        return scripts.AlwaysVisible
    def process(self, p):
        self.calls.append(p.prompt)
"""


def run(service, how: str = "keep", words: str = "a, b", **fields):
    return service.submit(ask(script=ScriptCall(title="many", values={"arg0": words, "arg1": how}), **fields)).wait(PATIENCE)


def test_a_selectable_script_draws_many_times_and_shows_what_it_gives(tmp_path: Path):
    write(tmp_path, "many", many=MANY)
    with carrying(tmp_path) as service:
        task = run(service)
    assert (task.state, task.error) == ("done", None)
    grid, first, second = sorted(task.images, key=lambda image: not image.front)
    assert (grid.grid, grid.image.size, first.image.size) == (True, (32, 8), (16, 8))
    assert [read(image.infotext)["Prompt"] for image in (first, second)] == ["a", "b"]
    assert [read(image.infotext)["Clip skip"] for image in (first, second)] == ["2", "2"]
    assert saved(tmp_path) == [first.path, second.path]
    assert task.batches == 2


def test_its_pictures_are_those_of_the_same_requests_without_it(tmp_path: Path):
    write(tmp_path, "many", many=MANY)
    with carrying(tmp_path) as service:
        task, plain = run(service, words="a cat"), service.submit(ask("a cat", override_settings={"CLIP_stop_at_last_layers": 2})).wait(PATIENCE)
    (picture,) = [image for image in task.images if not image.grid]
    assert (picture.image.tobytes(), picture.infotext) == (plain.images[0].image.tobytes(), plain.images[0].infotext)


def test_nothing_given_draws_the_request_as_it_is(tmp_path: Path):
    write(tmp_path, "many", many=MANY)
    with carrying(tmp_path) as service:
        task, plain = run(service, "none"), service.submit(ask()).wait(PATIENCE)
    assert [image.infotext for image in task.images] == [plain.images[0].infotext]


def test_a_script_of_txt2img_draws_over_pictures(tmp_path: Path):
    write(tmp_path, "many", many=MANY)
    with carrying(tmp_path) as service:
        task = run(service, "img2img", "a")
    assert (task.error, saved(tmp_path)) == (None, [])
    assert read(task.images[-1].infotext)["Denoising strength"] == "0.5"


def test_what_it_raises_ends_its_task_with_its_name(tmp_path: Path):
    write(tmp_path, "many", many=MANY)
    with carrying(tmp_path) as service:
        task = run(service, "raise")
        assert task.state == "failed" and "no luck" in (task.error or "") and "Many" in (task.error or "")
        assert run(service).state == "done"


def test_a_script_draws_again_within_a_drawing_with_the_scripts_that_it_leaves_in(tmp_path: Path):
    write(tmp_path, "detail", again=AGAIN, other=OTHER)
    with carrying(tmp_path, return_grid=False) as service:
        task = service.submit(ask(n_iter=2)).wait(PATIENCE)
        again, other = service.hooks.part("again", "txt2img").of._host.runners["txt2img"].alwayson_scripts
    assert (task.state, task.error, task.comments) == ("done", None, ())
    assert again.calls[:1] == [("process", "a cat", "StableDiffusionProcessingTxt2Img")]
    assert other.calls[:3] == ["a cat", "face", "face"]
    assert [read(image.infotext)["Prompt"] for image in task.images] == ["a cat", "a cat"]
    assert [image.image.getpixel((0, 0)) for image in task.images] == [colour(107), colour(108)]
    assert saved(tmp_path) == [image.path for image in task.images]


def test_always_on_scripts_take_part_in_the_pictures_of_a_selectable_one(tmp_path: Path):
    write(tmp_path, "detail", other=OTHER)
    write(tmp_path, "many", many=MANY)
    with carrying(tmp_path) as service:
        run(service)
        (other,) = service.hooks.part("other", "txt2img").of._host.runners["txt2img"].alwayson_scripts
    assert other.calls == ["a", "b"]


def test_a_grid_is_made_of_a_job_and_stands_beside_its_pictures(tmp_path: Path):
    write(tmp_path, "detail", other=OTHER)
    with carrying(tmp_path) as service:
        task = service.submit(ask(n_iter=2)).wait(PATIENCE)
    assert [image.grid for image in task.images] == [False, False, True]
    assert (task.images[2].image.size, saved(tmp_path, grids=True)) == ((32, 8), [task.images[2].path])


def test_an_interruption_keeps_what_was_drawn(tmp_path: Path):
    write(tmp_path, "many", many=MANY)
    with carrying(tmp_path, save_incomplete_images=True) as service:
        task = service.submit(ask(script=ScriptCall(title="many", values={"arg0": "a, hang, c", "arg1": "keep"})))
        until(lambda: task.batch == 1 and task.step > 0)
        task.interrupt()
        task.wait(PATIENCE)
    assert (task.state, task.error) == ("interrupted", None)
    assert [read(image.infotext)["Prompt"] for image in task.images if not image.grid] == ["a", "hang"]


def test_an_interrupted_job_keeps_its_pictures_with_their_scripts_work(tmp_path: Path):
    write(tmp_path, "detail", other=OTHER)
    with carrying(tmp_path, save_incomplete_images=True) as service:
        task = service.submit(ask("hang", n_iter=3))
        stepping(task)
        task.interrupt()
        task.wait(PATIENCE)
    assert (task.state, task.error, len(task.images)) == ("interrupted", None, 1)

"""Callbacks of a step, on the shipped checkpoint: from the page's values to the tensors, and what becomes of the picture."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from backend.flags import parse_flags
from backend.generate import Engine
from backend.paths import Paths
from backend.request import GenerationRequest, Hires, InitImage, Sampling, Seed, Size
from backend.service import GenerationService
from backend.tasks import Task
from backend.workers.local import LocalWorker
from tests.backend.test_service import PATIENCE
from tests.extensions.a1111_scripts.carried import carrying, write

MODELS = Path(__file__).resolve().parents[3] / "models"
# Scales the noise level that the model is told, along a schedule that `process` makes of the values.
DETAIL = """
import gradio as gr
from modules import scripts
from modules.script_callbacks import CFGDenoiserParams, on_cfg_denoiser, remove_callbacks_for_function
from scripts.detail import told

class Detail(scripts.Script):
    def __init__(self):
        self.schedule = None
        on_cfg_denoiser(self.scale)

    def title(self):
        return "Detail"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Checkbox(False, label="Active"), gr.Slider(-1, 1, 0.5, step=0.1, label="Amount"), gr.Dropdown(["both", "cond"], value="both", label="Mode")]

    def process(self, p, active, amount, mode):
        self.schedule = [amount] * p.steps if active else None
        self.mode = mode
        if active:
            p.extra_generation_params["Detail"] = amount
        self.p = p

    def scale(self, params: CFGDenoiserParams):
        if self.schedule is None:
            return
        assert params.denoiser.total_steps == params.total_sampling_steps * (2 if self.p.sampler_name == "Heun" else 1)
        told(self.p, params)
        by = 1 - 0.3 * self.schedule[min(params.sampling_step, len(self.schedule) - 1)]
        if self.mode == "both":
            params.sigma *= by
        else:
            params.sigma[: len(params.sigma) // 2] *= by

    def postprocess(self, p, processed, active, amount, mode):
        self.schedule = None
"""
TOLD = """
import json, os
from modules import paths

def told(p, params):
    row = [params.sampling_step, params.total_sampling_steps, list(params.x.shape), list(params.text_cond.shape)]
    row += [params.sigma.tolist(), list(p.all_prompts), p.is_hr_pass]
    with open(os.path.join(paths.data_path, "told.jsonl"), "a") as file:
        file.write(json.dumps(row) + "\\n")
"""
# One callback each, for the time of a job.
OTHERS = """
import gradio as gr
from modules import scripts, script_callbacks as callbacks

class Others(scripts.Script):
    def title(self):
        return "Others"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Textbox("", label="What")]

    def process_batch(self, p, what, **named):
        if what == "denoised":
            callbacks.on_cfg_denoised(self.denoised)
        if what == "guided":
            callbacks.on_cfg_after_cfg(self.guided)
        if what == "removed":
            callbacks.on_cfg_after_cfg(self.guided)
            callbacks.remove_callbacks_for_function(self.guided)
        if what == "prompt":
            callbacks.on_cfg_denoiser(self.forget)
        if what == "fails":
            callbacks.on_cfg_denoiser(lambda params: params.nosuch)

    def denoised(self, params):
        params.x *= 0

    def guided(self, params):
        params.x = params.x * 0

    def forget(self, params):
        params.text_cond = params.text_uncond.clone()
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GenerationService]:
    folder = tmp_path_factory.mktemp("steps")
    write(folder, "detail", scripts__daemon_py=DETAIL, scripts__detail_py=TOLD)
    write(folder, "others", others=OTHERS)
    (folder / "models/Stable-diffusion").mkdir(parents=True)
    (folder / "models/Stable-diffusion/demo-emoji.safetensors").symlink_to(MODELS / "Stable-diffusion/demo-emoji.safetensors")
    flags = parse_flags(["--data-dir", str(folder)])
    paths = Paths.from_flags(flags, folder)
    paths.ensure()
    worker = LocalWorker(Engine.from_flags(flags, paths))  # type: ignore[arg-type]
    with carrying(folder, worker, sd_model_checkpoint="demo-emoji.safetensors", return_grid=False) as service:
        yield service


@pytest.fixture
def told(service: GenerationService) -> Iterator[Path]:
    file = service.paths.data / "told.jsonl"
    file.unlink(missing_ok=True)
    yield file


def draw(service: GenerationService, sampler: str = "Euler", *, detail: dict[str, object] | None = None, what: str = "", **fields: object) -> Task:
    request = GenerationRequest(
        prompt="a cat",
        seed=Seed(seed=5),
        size=Size(width=64, height=64),
        sampling=Sampling(sampler=sampler, steps=2),
        parts={"Detail": detail or {}, "Others": {"arg0": what}},
        **fields,  # type: ignore[arg-type]
    )
    task = service.submit(request).wait(PATIENCE)
    assert (task.state, task.error) == ("done", None)
    return task


def pixels(task: Task) -> list[bytes]:
    return [image.image.tobytes() for image in task.images]


def rows(file: Path) -> list[list[object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


ON = {"arg0": True, "arg1": 0.5}


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "LCM"])
def test_a_scaled_sigma_changes_the_picture_and_the_next_one_is_as_before(service: GenerationService, sampler: str):
    plain = draw(service, sampler)
    task = draw(service, sampler, detail=ON)
    assert [text for text in task.comments if "Error" in text] == []
    assert "Detail: 0.5" in task.images[0].infotext and "Detail" not in plain.images[0].infotext
    assert pixels(task) != pixels(plain)
    assert pixels(draw(service, sampler, detail={"arg0": True, "arg1": 0.0})) == pixels(draw(service, sampler)) == pixels(plain)


def test_prompt_and_negative_prompt_have_a_row_each(service: GenerationService, told: Path):
    both, cond = draw(service, detail=ON, batch_size=2), draw(service, detail={**ON, "arg2": "cond"}, batch_size=2)
    assert pixels(both) != pixels(cond)
    step, steps, x, text, sigma, prompts, hires = rows(told)[0]
    assert (step, steps, x, text[:2], prompts, hires) == (0, 2, [4, 4, 8, 8], [2, 77], ["a cat", "a cat"], False)  # type: ignore[index]
    assert len(set(sigma)) == 1 and len(sigma) == 4  # type: ignore[arg-type]
    assert [row[0] for row in rows(told)] == [0, 1, 0, 1]


def test_steps_are_the_samplers_and_the_second_pass_is_told(service: GenerationService, told: Path):
    draw(service, "Heun", detail=ON, hires=Hires(scale=1.5, steps=2, upscaler="Latent"), denoising_strength=1.0)
    assert {(row[0], row[1], row[6]) for row in rows(told)} == {(0, 2, False), (1, 2, False), (0, 2, True), (1, 2, True)}


def test_img2img_has_them_too(service: GenerationService, told: Path):
    init = InitImage(images=(Image.new("RGB", (64, 64), "red"),))
    assert pixels(draw(service, detail=ON, init=init)) != pixels(draw(service, init=init))
    assert rows(told)


@pytest.mark.parametrize("what", ["denoised", "guided", "prompt"])
def test_each_callback_reaches_its_tensors_for_the_time_of_its_job(service: GenerationService, what: str):
    plain = draw(service)
    task = draw(service, what=what)
    assert [text for text in task.comments if "Error" in text] == []
    assert pixels(task) != pixels(plain) == pixels(draw(service))


def test_one_that_was_removed_is_not_called(service: GenerationService):
    assert pixels(draw(service, what="removed")) == pixels(draw(service))


def test_one_that_fails_is_named_with_its_extension_and_the_picture_is_drawn_without(service: GenerationService):
    task = draw(service, what="fails")
    assert pixels(task) == pixels(draw(service))
    (comment,) = [text for text in task.comments if text.startswith("Error")]
    assert "others, on_cfg_denoiser" in comment and "nosuch" in comment

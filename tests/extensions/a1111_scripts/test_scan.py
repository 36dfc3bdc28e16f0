"""What is refused before anything runs: by name of extension and symbol, with what there is instead, for that extension alone."""

from pathlib import Path

import pytest

from tests.extensions.a1111_scripts.carried import load, write

FINE = "from modules import scripts\nclass Fine(scripts.Script):\n    def title(self):\n        return 'Fine'\n"


def problems(tmp_path: Path, code: str) -> list[tuple[str, str]]:
    write(tmp_path, "strange", strange=code)
    write(tmp_path, "zfine", fine=FINE)
    hooks = load(tmp_path)
    assert [owned.of.title for owned in hooks.scripts("txt2img")][-1:] == ["Fine"]
    return [(problem.extension, problem.error) for problem in hooks.problems]


@pytest.mark.parametrize(
    ("code", "symbol", "instead"),
    [
        ("from ldm.modules.attention import CrossAttention\n", "ldm.modules.attention.CrossAttention", "engine"),
        ("import k_diffusion.sampling\n", "k_diffusion.sampling", "Samplers"),
        ("from modules import sd_hijack\nsd_hijack.model_hijack\n", "modules.sd_hijack", "engine"),
        ("from modules import shared\ndef f():\n    return shared.sd_model.model.diffusion_model\n", "modules.shared.sd_model.model.diffusion_model", "engine"),
        ("from modules.script_callbacks import on_list_unets\n", "modules.script_callbacks.on_list_unets", "engine"),
        ("from modules import script_callbacks as sc\nsc.on_extra_noise(print)\n", "modules.script_callbacks.on_extra_noise", "setting"),
        ("from modules import processing\nprocessing.process_images_inner = print\n", "modules.processing.process_images_inner", "walk"),
        ("import modules.shared as sh\nsh.opts = None\n", "modules.shared.opts", "not theirs to replace"),
        ("from modules.processing import Processed\nProcessed.js = None\n", "modules.processing.Processed.js", "not theirs to replace"),
        ("from modules import images\nimages.nosuch()\n", "modules.images.nosuch", "a1111-scripts.md"),
        ("import modules.nosuch\n", "modules.nosuch", "a1111-scripts.md"),
        ("from modules import scripts\nclass S(scripts.Script):\n    def post_sample(self, p, ps):\n        pass\n", "Script.post_sample", "engine"),
        (
            "from modules.scripts import Script\nclass S(Script):\n    def after_component(self, component, **named):\n        pass\n",
            "Script.after_component",
            "ui()",
        ),
        ("import networks\n", "networks", "LoRA is built in"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(tmp_path: Path, code: str, symbol: str, instead: str):
    found = problems(tmp_path, f"{code}raise SystemExit('this must not run')\n")
    assert {extension for extension, _ in found} == {"strange"}
    assert any(f"strange needs {symbol} (scripts/strange.py, line" in error and instead in error for _, error in found)


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    from modules import sd_hijack\nexcept ImportError:\n    sd_hijack = None\nif sd_hijack:\n    sd_hijack.model_hijack\n",
        "try:\n    import modules_forge\nexcept ModuleNotFoundError:\n    modules_forge = None\n",
        "from modules import shared\nif hasattr(shared, 'nosuch'):\n    raise SystemExit\nassert getattr(shared.opts, 'nosuch', 3) == 3\n",
        "import gradio\nfrom gradio import Slider\nimport gradio as gr\nassert gr.Slider is Slider is gradio.Slider and gr.update(value=1)['value'] == 1\n",
        "import modules.generation_parameters_copypaste as old\nassert old.parse_generation_parameters('a\\nSteps: 3, Seed: 4, Size: 8x6')['Size-2'] == '6'\n",
        "from modules.sd_samplers import samplers_map, all_samplers\nassert samplers_map['k_euler'] == 'Euler' and all_samplers[0].name\n",
        "from modules.paths import models_path, script_path\nfrom modules.devices import torch_gc, device\ntorch_gc()\n",
        "import json, os, launch\nassert launch.is_installed('json') and not launch.is_installed('nosuchpackage')\n",
        "from modules.call_queue import wrap_gradio_gpu_call, queue_lock\nwith queue_lock:\n    assert wrap_gradio_gpu_call(len)([1]) == 1\n",
        "from modules.api.api import decode_base64_to_image, encode_pil_to_base64\nfrom PIL import Image\n"
        "assert decode_base64_to_image(encode_pil_to_base64(Image.new('RGB', (3, 2))).decode()).size == (3, 2)\n",
    ],
)
def test_what_can_is_loaded(tmp_path: Path, code: str):
    assert problems(tmp_path, code) == []


def test_the_log_says_what_there_is_instead(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    problems(tmp_path, "import networks\n")
    assert "strange needs networks (scripts/strange.py, line 1), which is not there. LoRA is built in" in caplog.text


def test_a_script_imports_what_lies_in_its_extension(tmp_path: Path):
    write(tmp_path, "other", aaa=FINE)
    code = """
    import gradio
    from modules import scripts
    from lib_own.inner import WORD
    from lib_own import deeper
    from scripts.helper import OTHER
    from scripts.aaa import Fine
    ROOT = scripts.basedir()
    assert __name__ == "main.py" and ROOT.endswith("own") and gradio.Slider
    class Own(scripts.Script):
        def title(self):
            return WORD + OTHER + deeper.NAME
        def show(self, is_img2img):
            return True
    """
    inner = "from .deeper import NAME\nimport gradio as gr\nWORD = 'W' + gr.update()['__type__']\n"
    root = write(tmp_path, "own", main=code, helper="OTHER = 'O'\n", lib_own__inner_py=inner, lib_own__deeper_py="NAME = 'N'\n")
    assert (root / "lib_own/inner.py").exists()
    hooks = load(tmp_path)
    assert hooks.problems == ()
    assert [owned.of.title for owned in hooks.scripts("img2img")] == ["Fine", "WupdateON"]

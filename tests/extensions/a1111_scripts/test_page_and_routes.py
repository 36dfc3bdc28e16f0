"""What extensions of A1111's form add beside pictures: settings, addresses, files, tabs, JavaScript and styles."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app import build
from backend.flags import parse_flags
from backend.service import GenerationService
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE
from tests.extensions.a1111_scripts.carried import carrying, load, write

SETTINGS_ONLY = """
import gradio as gr
from modules import script_callbacks, shared
from modules.shared import OptionInfo, opts

def on_ui_settings():
    section = ("mine", "Mine")
    opts.add_option("mine_flag", OptionInfo(True, "A flag", section=section).info("of two").needs_reload_ui())
    opts.add_option("mine_number", OptionInfo(2, "A number", gr.Slider, {"minimum": 0, "maximum": 4, "step": 1}, section=section))
    opts.add_option("mine_part", OptionInfo(1, "A part", gr.Slider, {"minimum": 0, "maximum": 2, "step": 0.1}, section=section))
    opts.add_option("mine_kind", OptionInfo("b", "A kind", gr.Radio, lambda: {"choices": ["a", "b"]}, section=section))
    opts.add_option("mine_list", OptionInfo(["x"], "A list", gr.CheckboxGroup, {"choices": ["x", "y"]}, section=section))
    opts.add_option("mine_text", OptionInfo(None, "A text", section=section))
    opts.add_option("mine_odd", OptionInfo({"a": 1}, "No setting holds this", section=section))
    shared.options_templates.update(shared.options_section(("more", "More"), {"mine_more": OptionInfo("m", "More")}))

script_callbacks.on_ui_settings(on_ui_settings)
"""
ROUTES = """
from fastapi import FastAPI
from modules import script_callbacks, scripts, shared

ROOT = scripts.basedir()

def started(demo, app: FastAPI):
    assert demo is None
    @app.get("/mine/number")
    async def number():
        return {"number": shared.opts.mine_number, "root": ROOT, "clip": shared.opts.data["CLIP_stop_at_last_layers"]}
    app.add_api_route("/mine/model", lambda: {"title": shared.sd_model.sd_checkpoint_info.title, "xl": shared.sd_model.is_sdxl}, methods=["POST"])

script_callbacks.on_app_started(started)
script_callbacks.on_app_started(lambda demo, app: app.add_middleware(object))
"""
USES = """
from modules import scripts, shared
class Uses(scripts.Script):
    def title(self):
        return "Uses"
    def show(self, is_img2img):
        return scripts.AlwaysVisible
    def process(self, p):
        p.extra_generation_params["Mine"] = f"{shared.opts.mine_number} {shared.opts.mine_kind}"
"""
TABS = """
import gradio as gr
from modules import script_callbacks, ui_components
def on_ui_tabs():
    with gr.Blocks(analytics_enabled=False) as tab:
        with gr.Row().style(equal_height=False):
            text = gr.Textbox("abc", label="Said", elem_id="said")
            kind = gr.Dropdown(["low", "high"], value="high", label="Kind")
            tool = ui_components.ToolButton(value="Go")
        with gr.Accordion("More", open=True):
            heard = gr.Textbox(label="Heard", interactive=False)
            flag = gr.Checkbox(value=True, label="Flag")
        tool.click(fn=lambda said, kind: (f"{said} {kind}", gr.Checkbox.update(value=False)), inputs=[text, kind], outputs=[heard, flag], _js="(...a) => a")
    return [(tab, "My tab", "my-tab")]
script_callbacks.on_ui_tabs(on_ui_tabs)
"""
JAVASCRIPT = "onUiLoaded(() => { document.body.dataset.mine = `${opts.mine_kind} ${get_uiCurrentTabContent().id}`; });\n"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    write(tmp_path, "mine", settings=SETTINGS_ONLY, routes=ROUTES, uses=USES, tabs=TABS, javascript__mine_js=JAVASCRIPT, style_css=".mine { color: red; }\n")
    with carrying(tmp_path) as opened:
        opened.settings.declare(opened.hooks.settings)
        yield opened


@pytest.fixture
def client(service: GenerationService) -> Iterator[TestClient]:
    with TestClient(build(service, parse_flags(["--nowebui"])), base_url="http://127.0.0.1") as client:
        yield client


def test_settings_are_the_programs_own_with_their_limits(service: GenerationService):
    added = service.hooks.settings
    assert list(added) == ["mine_flag", "mine_number", "mine_part", "mine_kind", "mine_list", "mine_text", "mine_more"]
    number, kind = added["mine_number"], added["mine_kind"]
    assert (number.section, number.minimum, number.maximum, number.step, kind.choices, kind.default) == ("Mine", 0, 4, 1, ("a", "b"), "b")
    assert (added["mine_part"].default, added["mine_list"].default, added["mine_text"].default, added["mine_more"].section) == (1.0, ("x",), "", "More")
    assert added["mine_flag"].info == "(of two)"


def test_scripts_read_what_the_person_set(service: GenerationService, client: TestClient):
    assert client.post("/sdapi/v1/options", json={"mine_number": 3, "mine_kind": "a"}).status_code == 200
    assert client.get("/sdapi/v1/options").json()["mine_number"] == 3
    (image,) = service.submit(ask()).wait(PATIENCE).images
    assert "Mine: 3 a" in image.infotext
    assert client.get("/mine/number").json()["number"] == 3


def test_addresses_are_served_and_what_would_change_others_is_refused(service: GenerationService, client: TestClient, tmp_path: Path):
    assert client.get("/mine/number").json() == {"number": 2, "root": str(tmp_path / "extensions/mine"), "clip": 1}
    assert client.post("/mine/model").json() == {"title": service.catalog.title(service.catalog.entries("checkpoint")[0]), "xl": False}
    (problem,) = service.hooks.problems
    assert (problem.extension, problem.where, "Middleware" in problem.error) == ("mine", "on_app_started", True)


def test_addresses_are_behind_the_login_of_the_api(service: GenerationService):
    flags = parse_flags(["--nowebui", "--api-auth", "me:secret"])
    with TestClient(build(service, flags), base_url="http://127.0.0.1") as client:
        assert (client.get("/mine/number").status_code, client.get("/mine/number", auth=("me", "secret")).status_code) == (401, 200)
        assert client.get("/file=extensions/mine/style.css").status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("extensions/mine/style.css", 200),
        ("{folder}/extensions/mine/javascript/mine.js", 200),
        ("extensions/mine/scripts/uses.py", 404),
        ("extensions/mine/../../config.json", 404),
        ("config.json", 404),
        ("/etc/passwd", 404),
        ("extensions/mine/.git/config", 404),
        ("extensions/mine/outside.txt", 404),
        ("extensions/mine", 404),
    ],
)
def test_files_are_served_of_the_extensions_folders_alone(client: TestClient, tmp_path: Path, path: str, status: int):
    (tmp_path / "config.json").touch()
    hidden = tmp_path / "extensions/mine/.git/config"
    hidden.parent.mkdir()
    hidden.touch()
    (tmp_path / "extensions/mine/outside.txt").symlink_to(tmp_path / "config.json")
    assert client.get("/file=" + path.format(folder=tmp_path).replace("..", "%2e%2e")).status_code == status


def test_files_for_the_page_come_after_a1111s_functions(service: GenerationService, tmp_path: Path):
    names = [file.name for _, file in service.hooks.page_files()]
    assert names == ["a1111.js", "a1111.css", "mine.js", "style.css"]


def test_what_is_refused_adds_nothing_to_the_page(tmp_path: Path):
    write(tmp_path, "strange", strange="import ldm\n", javascript__mine_js="1", style_css="a {}")
    hooks = load(tmp_path)
    assert (hooks.page_files(), len(hooks.problems)) == ((), 1)


def test_a_tab_is_told_with_its_title(service: GenerationService):
    (tab,) = service.hooks.tabs(service)
    assert (tab[1].title, tab[1].id) == ("My tab", "my_tab")


def test_preload_adds_flags_that_a_setting_may_give(tmp_path: Path):
    preload = "def preload(parser):\n    parser.add_argument('--mine-level', type=int, default=1)\n"
    code = "from modules.shared import cmd_opts\nassert (cmd_opts.mine_level, cmd_opts.listen) == (5, False)\n"
    write(tmp_path, "mine", preload_py=preload, uses=code)
    assert load(tmp_path, a1111_scripts_flags="--mine-level 5").problems == ()
    assert [problem.where for problem in load(tmp_path).problems] == ["uses.py"]

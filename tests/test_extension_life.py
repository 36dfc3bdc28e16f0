"""The life of one extension that uses every hook at once: installed, used from API and page, updated, broken at each hook in turn, removed."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, expect

import app
from backend.api.builtin_scripts import BUILTIN
from backend.catalog import Catalog
from backend.extension_modules import forget
from backend.extensions import find_extensions, load_extensions
from backend.flags import parse_flags
from backend.generate import Engine
from backend.hashes import HashCache
from backend.paths import Paths
from backend.prompts.style_file import StyleFiles
from backend.service import GenerationService
from backend.settings import SettingsStore
from backend.workers.local import LocalWorker
from tests.backend.repositories import commit, head, repository
from tests.serving import serve
from tests.ui.page import open_page

NAME, PATIENCE = "everything", 60
MODELS = Path(__file__).parents[1] / "models"
SMALL = {"prompt": "a %", "steps": 1, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler"}
HOOKS = (
    "begin",
    "scripts",
    "parts",
    "draw",
    "expand_prompts",
    "postprocessing_steps",
    "samplers",
    "schedulers",
    "upscalers",
    "settings",
    "tabs",
    "api_routes",
    "page_routes",
    "page_files",
)

FRONT = """
from dataclasses import replace
from pathlib import Path

import gradio as gr
from fastapi import APIRouter
from PIL import Image

from backend.extras_request import ExtrasImage, ExtrasRequest
from backend.extras_steps import ExtrasStep
from backend.hooks import hookimpl
from backend.job import NamedUpscaler
from backend.prompts.expansion import PromptTexts
from backend.sampling.names import SamplerInfo, SchedulerInfo
from backend.scripts import Control, EngineCall, PageTab, Part
from backend.settings import Setting

HERE = Path(__file__).parent
VERSION = "{version}"


def go(hook):
    broken = HERE / "broken"
    if broken.exists() and broken.read_text() == hook:
        raise RuntimeError("broken on purpose at " + hook)


class Twice:
    title, tabs = "Twice", ("txt2img",)

    def controls(self, tab, catalog, settings):
        return [Control(key="word", kind="textbox", label="Word of twice", default="dog")]

    def run(self, request, values, session):
        go("run")
        session.expect(2)
        drawn = session.draw(request) + session.draw(replace(request, prompt=values["word"]))
        grey = session.extras(ExtrasRequest(images=(ExtrasImage(image=drawn[0].image),), steps={{"Grey": {{}}}}))[0]
        session.add(grey, session.infotext(drawn, {{"Script": "Twice"}}), grid=True, front=True)


class Touch(Part):
    title, enabled = "Touch", "on"

    def controls(self, tab, catalog, settings):
        return [Control(key="on", kind="checkbox", label="Enable touch", default=False)]

    def change_request(self, request, values, context):
        go("change_request")
        return replace(request, prompt=f"{{request.prompt}} touched{{context.settings['everything_mark']}}")

    def engine(self, values):
        go("engine")
        return [EngineCall(at="before decode", target="extensions.everything.engine:flat")]

    def change_picture(self, image, values, context):
        go("change_picture")
        image.putpixel((0, 0), (1, 2, 3))
        return image

    def infotext(self, values):
        go("infotext")
        return {{"Touch": VERSION}}

    def read_infotext(self, labels):
        return {{"on": True}} if "Touch" in labels else {{}}


@hookimpl
def begin(paths):
    go("begin")


@hookimpl
def scripts():
    go("scripts")
    return [Twice()]


@hookimpl
def parts():
    go("parts")
    return [Touch()]


@hookimpl
def draw(request):
    go("draw")


@hookimpl
def expand_prompts(context):
    go("expand_prompts")
    text = context.prompt.replace("%", VERSION)
    return PromptTexts(prompt=text, negative_prompt=context.negative_prompt, labels=(("Template", context.prompt),))


@hookimpl
def postprocessing_steps():
    go("postprocessing_steps")
    return [ExtrasStep(name="Grey", order=2000, target="extensions.everything.engine:grey", options=(), decide=lambda options, settings, catalog: options)]


@hookimpl
def samplers():
    go("samplers")
    return [SamplerInfo(label="Everywhere", aliases=(), scheduler="Everyway", target="extensions.everything.engine:sample", settings=("everything_mark",))]


@hookimpl
def schedulers():
    go("schedulers")
    return [SchedulerInfo(name="everyway", label="Everyway", target="extensions.everything.engine:space")]


@hookimpl
def upscalers():
    go("upscalers")
    return [NamedUpscaler(name="Everything 2x", scale=2, target="extensions.everything.engine:larger")]


@hookimpl
def settings():
    go("settings")
    return [Setting(key="everything_mark", default="!", label="Mark", section="Everything")]


@hookimpl
def tabs(service):
    go("tabs")
    return [PageTab(title="Everything", id="everything", draw=lambda: gr.Markdown("Drawn by the extension"))]


@hookimpl
def api_routes(service):
    go("api_routes")
    router = APIRouter()
    router.add_api_route("/everything", lambda: VERSION)
    return router


@hookimpl
def page_routes(service):
    go("page_routes")
    router = APIRouter()
    router.add_api_route("/everything-page", lambda: VERSION)
    return router


@hookimpl
def page_files():
    go("page_files")
    return [HERE / "page.js", HERE / "page.css"]
"""
ENGINE = """
import torch

def flat(latent, options, at):
    return torch.zeros_like(latent)

def sample(denoise, x, sigmas, walk):
    if walk.settings["everything_mark"] == "sample":
        raise RuntimeError("broken on purpose at sample")
    denoised = denoise(x, sigmas[0])
    walk.step(0, 1, denoised)
    return denoised

def space(n, sigma_min, sigma_max, facts):
    if facts.settings["everything_mark"] == "space":
        raise RuntimeError("broken on purpose at space")
    return [sigma_max / 2**i for i in range(n)] + [0]

def grey(image, options, tools):
    return image.convert("L").convert("RGB"), {"Grey": "yes"}

def larger(image, tools):
    return image.resize((image.width * 2, image.height * 2), 0)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def engine(data: Path) -> Engine:
    """With the shipped checkpoint."""
    (data / "models/Stable-diffusion").mkdir(parents=True)
    (data / "models/Stable-diffusion/demo-emoji.safetensors").symlink_to(MODELS / "Stable-diffusion/demo-emoji.safetensors")
    paths = Paths.from_flags(parse_flags(["--data-dir", str(data)]), data)
    paths.ensure()
    return Engine.from_flags(parse_flags([]), paths)


@pytest.fixture
def start(engine: Engine, data: Path) -> Iterator[Callable[[], GenerationService]]:
    """The program begins anew: nothing of the extension is in memory."""
    ends = ExitStack()

    def begin() -> GenerationService:
        ends.close()
        forget(NAME)
        flags, paths = parse_flags([]), Paths.from_flags(parse_flags(["--data-dir", str(data)]), data)
        settings = SettingsStore(paths.config_file)
        hooks = load_extensions(find_extensions(paths, settings.current, flags), paths=paths, flags=flags, settings=settings.current)
        settings.declare(hooks.settings)
        service = GenerationService(
            settings, Catalog(paths, HashCache(paths.cache / "h.db"), hooks.added), LocalWorker(engine), paths, StyleFiles(()), hooks=hooks
        )
        ends.callback(service.close)
        return service

    yield begin
    ends.close()
    forget(NAME)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = repository(tmp_path / NAME, extension=FRONT.format(version="one"), engine=ENGINE)
    (folder / "page.js").write_text("window.everything = 'ran </scr' + 'ipt>';", "utf-8")
    (folder / "page.css").write_text("#tab_everything-button { outline: 3px solid rgb(1, 2, 3); }", "utf-8")
    return commit(folder)


def client(service: GenerationService) -> TestClient:
    return TestClient(app.build(service, parse_flags([])), base_url="http://127.0.0.1:7860")


def drawn(web: TestClient, **fields: object) -> dict:
    answer = web.post("/sdapi/v1/txt2img", json={**SMALL, **fields})
    assert answer.status_code == 200, answer.json()
    return json.loads(answer.json()["info"])


def change(web: TestClient, what: str, **body: object) -> None:
    answer = web.post(f"/internal/extensions/{what}", json=body)
    assert answer.status_code == 200, answer.json()


def scripts(web: TestClient) -> dict[str, list[str]]:
    """Those of extensions."""
    return {tab: [title for title in titles if title not in BUILTIN] for tab, titles in web.get("/sdapi/v1/scripts").json().items()}


def test_it_lives_and_leaves_nothing_behind(start, origin: Path, data: Path, browser: Browser):
    with client(start()) as web:
        before, routes = set(web.get("/sdapi/v1/options").json()), web.get("/everything").status_code
        change(web, "install", source=str(origin))
        assert scripts(web) == {"txt2img": [], "img2img": []}  # not before the next start

    _used_from_the_api(start())
    _used_from_the_page(start(), browser)

    with client(start()) as web:
        commit(origin, extension=FRONT.format(version="two"))
        change(web, "update", name=NAME)
    with client(start()) as web:
        (row,) = web.get("/sdapi/v1/extensions").json()
        assert (row["commit_hash"], web.get("/everything").json()) == (head(origin), "two")

    _broken_at_each_hook(start, data / "extensions" / NAME / "broken")

    with client(start()) as web:
        change(web, "remove", name=NAME)
    with client(start()) as web:
        assert (set(web.get("/sdapi/v1/options").json()), web.get("/everything").status_code) == (before, routes)
        assert scripts(web) == {"txt2img": [], "img2img": []}
        assert web.get("/sdapi/v1/extensions").json() == []
        assert drawn(web)["infotexts"][0].startswith("a %\n")
    assert list((data / "extensions").iterdir()) == []


def _used_from_the_api(service: GenerationService) -> None:
    with client(service) as web:
        assert web.get("/everything").json() == "one"
        assert scripts(web) == {"txt2img": ["twice", "touch"], "img2img": ["touch"]}
        assert web.post("/sdapi/v1/options", json={"everything_mark": "?"}).status_code == 200
        info = drawn(web, script_name="twice", alwayson_scripts={"touch": {"args": [True]}})
        assert info["all_prompts"] == ["a one touched?", "dog touched?"]
        assert info["index_of_first_image"] == 1 and "Script: Twice" in info["infotexts"][0]
        assert "Everywhere" in {one["name"] for one in web.get("/sdapi/v1/samplers").json()}
        assert "Everyway" in {one["label"] for one in web.get("/sdapi/v1/schedulers").json()}
        assert "Sampler: Everywhere, Schedule type: Everyway" in drawn(web, sampler_name="Everywhere")["infotexts"][0]
        for mark, where in (("sample", "the sampler Everywhere"), ("space", "the schedule type Everyway")):
            failed = web.post("/sdapi/v1/txt2img", json={**SMALL, "sampler_name": "Everywhere", "override_settings": {"everything_mark": mark}})
            assert failed.status_code == 500
            assert f"The extension everything failed ({where}): RuntimeError: broken on purpose at {mark}" in failed.text
        assert "Touch: one" in info["infotexts"][1] and 'Template: "a % touched?"' not in info["infotexts"][1]
        assert "Template: a % touched?" in info["infotexts"][1]
        hires = {"enable_hr": True, "hr_upscaler": "Everything 2x", "hr_second_pass_steps": 1, "denoising_strength": 0.5}
        assert "Hires upscaler: Everything 2x" in drawn(web, **hires)["infotexts"][0]
    grid, first = service.tasks()[0].images[-1], service.tasks()[0].images[0]
    assert grid.front and not first.front
    assert service.hooks.problems == ()


def _used_from_the_page(service: GenerationService, browser: Browser) -> None:
    with serve(app.build(service, parse_flags([]))) as url, open_page(browser, url) as page:
        assert page.page.evaluate("window.everything") == "ran </script>"
        page.choose("script_list", "Twice")
        page.page.get_by_label("Word of twice").fill("bird")
        page.page.locator("#script_txt2img_touch").get_by_text("Touch", exact=True).click()
        page.page.get_by_label("Enable touch").first.check()
        for name, value in (("steps", 1), ("width", 64), ("height", 64)):
            page.set(name, value)
        page.prompt("a %")
        page.generate()
        page.wait_finished(2)
        assert [image.prompt for image in service.tasks()[-1].planned] == ["a one touched?", "bird touched?"]
        page.page.get_by_role("tab", name="Everything").click()
        expect(page.page.get_by_text("Drawn by the extension")).to_be_visible()


def _broken_at_each_hook(start: Callable[[], GenerationService], broken: Path) -> None:
    """The program starts and draws, whatever fails; the extension is named, and what it adds elsewhere is still there."""
    for hook in (*HOOKS, "change_request", "engine", "change_picture", "infotext", "run"):
        broken.write_text(hook, "utf-8")
        service = start()
        with client(service) as web:
            asked = {"alwayson_scripts": {"touch": {"args": [True]}}} if hook != "parts" else {}
            answer = web.post("/sdapi/v1/txt2img", json={**SMALL, **asked, **({"script_name": "twice"} if hook == "run" else {})})
            assert answer.status_code == (200 if hook not in ("run", "draw") else 422), (hook, answer.json())
            assert web.get("/everything").status_code == (200 if hook != "api_routes" else 404), hook
            assert web.get("/everything-page").status_code == (200 if hook != "page_routes" else 404), hook
            assert "Extensions" in web.get("/config").text
        assert [problem for problem in service.hooks.problems if problem.extension == NAME and f"broken on purpose at {hook}" in problem.error], hook
    broken.unlink()

"""The smaller hooks: what each adds, and that one that fails harms no other."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import app
from backend.flags import parse_flags
from backend.infotext import read
from backend.plugins import Hooks
from backend.request import Hires
from backend.service import GenerationService
from tests.backend.extension_files import load, write_extension
from tests.backend.stage import ask, open_service
from tests.backend.test_service import PATIENCE, stepping

HEAD = "from pathlib import Path\nfrom backend.hooks import hookimpl\n"
EXPAND = f"""{HEAD}
from backend.prompts.expansion import PromptTexts
@hookimpl
def expand_prompts(context):
    if "%" not in context.prompt:
        return None
    text = context.prompt.replace("%", f"{{context.seed}}{{'h' if context.hires else ''}}")
    return PromptTexts(prompt=text, negative_prompt=context.negative_prompt, labels=(("Template", context.prompt),), comments=("expanded",))
"""
SETTING = f"""{HEAD}
from backend.settings import Setting
@hookimpl
def settings():
    return [Setting(key="ext_margin", default=4, label="Margin", section="Mine", minimum=0, maximum=9), Setting(key="samples_save", default=1, label="Taken")]
"""
FAILS = f"{HEAD}\n@hookimpl\ndef {{hook}}({{arguments}}):\n    raise RuntimeError('not today')\n"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., GenerationService]]:
    services: list[GenerationService] = []

    def open_one(**codes: str) -> GenerationService:
        for name, code in codes.items():
            write_extension(tmp_path, name, code)
        hooks = load(tmp_path)
        services.append(open_service(tmp_path, hooks=hooks))
        services[-1].settings.declare(hooks.settings)
        return services[-1]

    yield open_one
    for service in services:
        service.close()


def test_a_prompt_syntax_sees_each_picture_with_its_seed_before_tags_are_read(opened):
    task = opened(mine=EXPAND).submit(ask("a % <lora:ink:0.%>", seed=7, batch_size=2, styles=("Cinematic",))).wait(PATIENCE)
    prompts = [image.prompt for image in task.planned]
    assert prompts == ["cinematic still, a 7 <lora:ink:0.7>, film grain", "cinematic still, a 8 <lora:ink:0.8>, film grain"]
    assert task.plan is not None and task.plan.jobs[0].networks[0].unet_weight == 0.7
    assert read(task.images[0].infotext)["Template"] == "cinematic still, a % <lora:ink:0.%>, film grain"
    assert "expanded" in task.comments


def test_one_that_has_nothing_to_say_changes_nothing(opened):
    task = opened(mine=EXPAND).submit(ask("a cat")).wait(PATIENCE)
    assert (task.planned[0].prompt, "Template" in task.images[0].infotext) == ("a cat", False)


def test_a_hires_prompt_of_its_own_is_expanded_as_such(opened):
    task = opened(mine=EXPAND).submit(ask("a %", hires=Hires(prompt="big %"))).wait(PATIENCE)
    assert (task.planned[0].prompt, task.planned[0].hires_prompt) == ("a 7", "big 7h")


def test_a_prompt_syntax_that_raises_leaves_the_text_and_is_told(opened):
    task = opened(bad=FAILS.format(hook="expand_prompts", arguments="context"), good=EXPAND).submit(ask("a %")).wait(PATIENCE)
    assert task.planned[0].prompt == "a 7"
    assert any("The extension bad failed (expand_prompts): RuntimeError: not today" in comment for comment in task.comments)


def test_settings_are_read_written_limited_and_listed(opened, tmp_path: Path):
    service = opened(mine=SETTING)
    with TestClient(app.build(service, parse_flags(["--nowebui"])), base_url="http://127.0.0.1") as client:
        assert client.get("/sdapi/v1/options").json()["ext_margin"] == 4
        assert client.post("/sdapi/v1/options", json={"ext_margin": 6}).status_code == 200
        assert client.post("/sdapi/v1/options", json={"ext_margin": 60}).status_code == 422
    assert service.settings.current["ext_margin"] == 6
    assert '"ext_margin": 6' in (tmp_path / "config.json").read_text("utf-8")
    assert [problem.where for problem in service.hooks.problems] == ["settings"]
    assert service.settings.current["samples_save"] is True
    task = service.submit(ask(override_settings={"ext_margin": 2})).wait(PATIENCE)
    assert task.plan is not None and task.plan.settings["ext_margin"] == 2


def test_a_waiting_task_survives_that_the_extension_of_its_settings_goes(opened, tmp_path: Path):
    first = opened(mine=SETTING)
    first.settings.update({"ext_margin": 6})
    stepping(first.submit(ask("hang")))
    first.submit(ask("kept"), kept=True)
    first.close()
    (tmp_path / "extensions/mine/extension.py").unlink()
    (left,) = opened().left()
    assert left.request.prompt == "kept"


def test_routes_answer_and_stand_behind_the_login_of_the_api(opened):
    code = f"""{HEAD}
from fastapi import APIRouter
@hookimpl
def api_routes(service):
    router = APIRouter()
    router.add_api_route("/mine/count", lambda: len(service.catalog.entries("checkpoint")))
    router.add_api_route("/sdapi/v1/samplers", lambda: "mine")
    return router
"""
    service = opened(mine=code, bad=FAILS.format(hook="api_routes", arguments=""))
    with TestClient(app.build(service, parse_flags(["--nowebui"])), base_url="http://127.0.0.1") as client:
        assert client.get("/mine/count").json() == 2
        assert client.get("/sdapi/v1/samplers").json() != "mine"
    with TestClient(app.build(service, parse_flags(["--nowebui", "--api-auth", "me:word"])), base_url="http://127.0.0.1") as client:
        assert client.get("/mine/count").status_code == 401
        assert client.get("/mine/count", auth=("me", "word")).json() == 2
    assert {problem.extension for problem in service.hooks.problems} == {"bad"}


def test_page_routes_stand_behind_the_login_of_the_page_and_need_no_api(opened):
    code = f"""{HEAD}
from fastapi import APIRouter
def router(path):
    router = APIRouter()
    router.add_api_route(path, lambda: "mine")
    return router
@hookimpl
def page_routes(service):
    return router("/mine/page")
@hookimpl
def api_routes(service):
    return router("/mine/api")
"""
    service = opened(mine=code, bad=FAILS.format(hook="page_routes", arguments=""))
    with TestClient(app.build(service, parse_flags(["--listen", "--gradio-auth", "me:word"])), base_url="http://127.0.0.1") as client:
        assert client.get("/mine/page").status_code == 401
        assert client.post("/login", data={"username": "me", "password": "word"}).status_code == 200
        assert client.get("/mine/page").json() == "mine"
        assert client.get("/mine/api").status_code == 404  # --api was not given
    assert {problem.extension for problem in service.hooks.problems} == {"bad"}


def test_tabs_need_an_id_of_their_own(tmp_path: Path):
    code = f"""{HEAD}
from backend.scripts import PageTab
@hookimpl
def tabs(service):
    return [PageTab(title="A", id=id, draw=lambda: None) for id in ("mine", "mine", "txt2img", "a b")]
"""
    write_extension(tmp_path, "mine", code)
    hooks = load(tmp_path)
    assert [tab.id for _, tab in hooks.tabs(None)] == ["mine"]
    assert [problem.where for problem in hooks.problems] == ["tabs"]


def test_what_is_not_filled_adds_nothing():
    hooks = Hooks()
    assert (hooks.expander(Path(), print), hooks.tabs(None), hooks.page_files(), dict(hooks.settings)) == (None, (), (), {})

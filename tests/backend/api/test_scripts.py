import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app import build
from backend.api.builtin_scripts import BUILTIN
from backend.extensions import find_extensions, load_extensions
from backend.flags import parse_flags
from backend.paths import Paths
from backend.settings import Settings
from tests.backend.extension_files import load, write_extension
from tests.backend.stage import open_service

CODE = """
from dataclasses import replace
from backend.hooks import hookimpl
from backend.scripts import Control, Part

class Echo:
    title, tabs = "Echo", ("txt2img",)

    def controls(self, tab, catalog, settings):
        return [
            Control(key="about", kind="text", label="It says it"),
            Control(key="words", kind="textbox", label="Words", default="nothing"),
            Control(key="how", kind="dropdown", label="How", default="soft", choices=("soft", "loud"), type_index=True),
            Control(key="times", kind="slider", label="Times", default=1, minimum=1, maximum=9, step=1),
            Control(key="picture", kind="image", label="Picture"),
        ]

    def run(self, request, values, session):
        size = values["picture"].size if values["picture"] else None
        for number in range(values["times"]):
            session.draw(replace(request, prompt=f"{values['how']} {values['words']} {size}"))

class Bang(Part):
    title, tabs, enabled = "Bang", ("txt2img", "img2img"), "on"

    def controls(self, tab, catalog, settings):
        return [Control(key="on", kind="checkbox", label="On", default=False), Control(key="mark", kind="textbox", label="Mark", default="!")]

    def change_request(self, request, values, context):
        return replace(request, prompt=request.prompt + values["mark"])

@hookimpl
def scripts():
    return [Echo()]

@hookimpl
def parts():
    return [Bang()]
"""
SMALL = {"prompt": "a cat", "steps": 1, "width": 16, "height": 8, "seed": 7}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    write_extension(tmp_path, "echo", CODE)
    service = open_service(tmp_path, hooks=load(tmp_path))
    with TestClient(build(service, parse_flags(["--nowebui"])), base_url="http://127.0.0.1") as client:
        yield client
    service.close()


def drawn(client: TestClient, **fields: object) -> list[str]:
    """The prompts of the pictures."""
    answer = client.post("/sdapi/v1/txt2img", json={**SMALL, **fields})
    assert answer.status_code == 200, answer.json()
    return json.loads(answer.json()["info"])["all_prompts"]


def test_scripts_and_parts_are_listed_for_each_tab(client: TestClient):
    assert client.get("/sdapi/v1/scripts").json() == {"txt2img": ["echo", "bang", *BUILTIN], "img2img": ["bang", *BUILTIN]}


def test_their_controls_are_told_as_a1111_tells_them(client: TestClient):
    echo, bang, *_ = told = client.get("/sdapi/v1/script-info").json()
    other = next(one for one in told if one["name"] == "bang" and one["is_img2img"])
    assert (echo["name"], echo["is_alwayson"], echo["is_img2img"]) == ("echo", False, False)
    assert echo["args"][0] == {"label": "", "value": "It says it", "minimum": None, "maximum": None, "step": None, "choices": None}
    assert echo["args"][2] == {"label": "How", "value": "soft", "minimum": None, "maximum": None, "step": None, "choices": ["soft", "loud"]}
    assert echo["args"][3] == {"label": "Times", "value": 1, "minimum": 1, "maximum": 9, "step": 1, "choices": None}
    assert (bang["is_alwayson"], other["is_img2img"]) == (True, True)


def test_positional_arguments_reach_the_script_and_what_is_missing_has_the_default(client: TestClient):
    assert drawn(client, script_name="ECHO", script_args=["", "hello", 1]) == ["loud hello None"]
    assert drawn(client, script_name="echo") == ["soft nothing None"]


def test_surplus_arguments_are_passed_over(client: TestClient):
    assert drawn(client, script_name="echo", script_args=["", "hello", 0, 2, None, 5, 6]) == ["soft hello None"] * 2


def test_pictures_come_as_base64(client: TestClient):
    data = io.BytesIO()
    Image.new("RGB", (3, 2)).save(data, "png")
    text = base64.b64encode(data.getvalue()).decode()
    assert drawn(client, script_name="echo", script_args=["", "hello", 0, 1, f"data:image/png;base64,{text}"]) == ["soft hello (3, 2)"]


def test_a_part_takes_part_where_it_is_named(client: TestClient):
    assert drawn(client) == ["a cat"]
    assert drawn(client, alwayson_scripts={"bang": {"args": [True]}}) == ["a cat!"]
    assert drawn(client, alwayson_scripts={"Bang": {"args": [True, "?", "surplus"]}}) == ["a cat?"]


def test_values_may_be_named_which_a1111_cannot(client: TestClient):
    assert drawn(client, alwayson_scripts={"bang": {"args": {"on": True, "mark": "…"}}}) == ["a cat…"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"script_name": "bang"}, "Script 'bang' not found. Known: 'Echo'."),
        ({"alwayson_scripts": {"echo": {"args": []}}}, "Script 'echo' not found. Known: 'Bang'."),
        ({"script_name": "echo", "script_args": ["", "a", 7]}, "How cannot be 7"),
        ({"script_name": "echo", "script_args": ["", "a", 0, 10]}, "Times cannot be '10'"),
        ({"alwayson_scripts": {"bang": {"args": "x"}}}, "bang"),
        ({"alwayson_scripts": {"bang": {"args": {"nosuch": 1}}}}, "'nosuch'"),
    ],
)
def test_what_is_not_there_or_not_taken_is_refused_before_anything_is_drawn(client: TestClient, fields: dict, words: str):
    answer = client.post("/sdapi/v1/txt2img", json={**SMALL, **fields})
    assert answer.status_code == 422 and words in answer.json()["detail"]


def test_a1111s_own_fields_are_listed_as_scripts_and_take_nothing(client: TestClient):
    told = {one["name"]: one for one in client.get("/sdapi/v1/script-info").json() if one["name"] in BUILTIN and not one["is_img2img"]}
    assert [arg["label"] for arg in told["seed"]["args"]] == [
        "Seed", "Extra", "Variation seed", "Variation strength", "Resize seed from width", "Resize seed from height",
    ]  # fmt: skip
    assert [arg["value"] for arg in told["sampler"]["args"]] == [20, "DPM++ 2M", "Automatic"]
    assert drawn(client, alwayson_scripts={"Seed": {"args": [99]}, "sampler": {"args": [1, "DDIM"]}, "refiner": {}}) == ["a cat"]


RECORDED = Path(__file__).parents[4] / "shared/parity/api/sdapi_v1_script_info.json"


@pytest.mark.skipif(not RECORDED.is_file(), reason="A1111's recorded answers are not here")
def test_what_is_shipped_has_a1111s_arguments(tmp_path: Path):
    """Label, default and limits; choices are names of files and of axes."""
    root = Path(__file__).parents[3]
    paths = Paths.from_flags(parse_flags(["--data-dir", str(tmp_path)]), root)
    hooks = load_extensions(find_extensions(paths, Settings(), parse_flags([])))
    service = open_service(tmp_path, hooks=hooks)
    try:
        with TestClient(build(service, parse_flags(["--nowebui"])), base_url="http://127.0.0.1") as client:
            ours = {(one["name"], one["is_img2img"]): one for one in client.get("/sdapi/v1/script-info").json()}
    finally:
        service.close()
    theirs = {(one["name"], one["is_img2img"]): one for one in json.loads(RECORDED.read_text("utf-8"))}
    missing = {name for name, _ in theirs.keys() - ours.keys()}
    assert missing == set()
    differing = {key for key in theirs.keys() & ours.keys() if bare(theirs[key]) != bare(ours[key])}
    assert differing == {("sd upscale", True), ("outpainting mk2", True)}  # their sentences are HTML there


def bare(script: dict) -> list[tuple[object, ...]]:
    return [(arg["label"], arg["value"], arg["minimum"], arg["maximum"], arg["step"]) for arg in script["args"]]

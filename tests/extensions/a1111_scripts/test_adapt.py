"""Controls of scripts in A1111's form: on the page, over the API, and from the parameters of a picture."""

import base64
import io
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app import build
from backend.controls import from_positions, places
from backend.flags import parse_flags
from backend.infotext import read
from backend.request import InitImage, ScriptCall
from tests.backend.planned import CATALOG
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE
from tests.extensions.a1111_scripts.carried import carrying, load, write

ALL = """
import gradio as gr
import numpy
from modules import scripts, shared
from modules.ui_components import FormRow, InputAccordion, ToolButton

class All(scripts.Script):
    got = []
    def title(self):
        return "All of them"
    def show(self, is_img2img):
        return scripts.AlwaysVisible
    def ui(self, is_img2img):
        with InputAccordion(False, label="Enable", elem_id=self.elem_id("on")) as enabled:
            gr.HTML("<p>Some <b>words</b> &amp; more</p>")
            with FormRow():
                slider = gr.Slider(minimum=0, maximum=2, step=0.5, value=1, label="Weight")
                number = gr.Number(value=3, label="Number", precision=0)
            text = gr.Textbox(value=lambda: "made", label="Text", lines=3, placeholder="type").style(container=False)
            index = gr.Radio(choices=["x", "y", "z"], value="y", label="Place", type="index")
            named = gr.Dropdown(choices=[("Shown", "meant"), ("Other", 5)], value="meant", label="Named")
            many = gr.Dropdown(choices=["p", "q", "r"], value=["q"], multiselect=True, label="Many")
            group = gr.CheckboxGroup(["k", "l"], value=["k"], label="Group", type="value")
            button = ToolButton(value="Swap")
            image = gr.Image(source="upload", tool="sketch", label="Picture", type="pil")
            state = gr.State({"a": 1})
        button.click(fn=lambda text, number: (str(number), gr.update(value=len(text), visible=False)), inputs=[text, number], outputs=[text, number])
        index.change(lambda place: gr.Dropdown.update(choices=["s", "t"], value="t") if place == 2 else gr.update(), [index], [many], _js="() => 1")
        self.infotext_fields = [(slider, "All weight"), (index, lambda d: gr.update(value="z") if "All place" in d else None), (enabled, "All on")]
        self.paste_field_names = ["All weight"]
        return [enabled, slider, number, text, index, named, many, group, image, state]
    def process(self, p, *args):
        self.got.append(args)
        p.extra_generation_params["All"] = len(args)
"""
CHOSEN = """
import gradio as gr
from modules import scripts
class Chosen(scripts.Script):
    def title(self):
        return "Chosen one"
    def show(self, is_img2img):
        return is_img2img
    def ui(self, is_img2img):
        return gr.Textbox("t", label="Only")
    def run(self, p, only):
        from modules.processing import process_images
        p.prompt = only
        return process_images(p)
class Hidden(Chosen):
    def title(self):
        return "Hidden"
    def show(self, is_img2img):
        return False
"""


def picture() -> str:
    target = io.BytesIO()
    Image.new("RGB", (16, 8), "red").save(target, "PNG")
    return base64.b64encode(target.getvalue()).decode()


@pytest.fixture
def controls(tmp_path: Path):
    write(tmp_path, "all", all=ALL)
    hooks = load(tmp_path)
    found = hooks.controls(hooks.part("all of them", "txt2img"), "txt2img", CATALOG, None)  # type: ignore[arg-type]
    assert hooks.problems == ()
    return found


def test_the_controls_are_those_that_ui_made_in_the_order_of_the_arguments(controls):
    assert [control.label for control in controls if control.positional] == [
        *("Enable", "Weight", "Number", "Text", "Place", "Named", "Many", "Group", "Picture", "")
    ]
    assert [control.kind for control in controls] == [
        *("checkbox", "text", "slider", "number", "textbox", "radio", "dropdown", "dropdown", "checkboxgroup", "button", "image", "state")
    ]
    by_label = {control.label: control for control in controls}
    weight = by_label["Weight"]
    assert (weight.minimum, weight.maximum, weight.step, weight.default, weight.row == by_label["Number"].row != "") == (0, 2, 0.5, 1, True)
    assert (by_label["Text"].default, by_label["Text"].lines, by_label["Text"].placeholder) == ("made", 3, "type")
    assert (by_label["Named"].default, by_label["Named"].choices, by_label["Many"].default) == ("Shown", ("Shown", "Other"), ("q",))
    assert "Some words & more" in by_label and by_label["Swap"].kind == "button"


def test_a_button_and_a_choice_change_other_controls(controls):
    swap = next(control for control in controls if control.label == "Swap").react
    changed = swap({"arg2": 8, "arg3": "abc"})
    assert (changed["arg3"].value, changed["arg2"].value, changed["arg2"].visible) == ("8", 3, False)
    place = next(control for control in controls if control.label == "Place").react
    assert (place({"arg4": "z"})["arg6"].choices, place({"arg4": "z"})["arg6"].value) == (("s", "t"), ("t",))


def test_scripts_get_what_their_controls_stand_for(tmp_path: Path):
    write(tmp_path, "all", all=ALL)
    with carrying(tmp_path) as service:
        values = {"arg0": True, "arg4": "z", "arg5": "Other", "arg6": ["p", "r"], "arg8": Image.new("RGB", (2, 2)), "arg9": {"b": [2]}}
        task = service.submit(ask(parts={"All of them": values})).wait(PATIENCE)
        (script,) = service.hooks.part("all of them", "txt2img").of._host.runners["txt2img"].alwayson_scripts
    assert task.error is None
    (got,) = script.got
    assert got[:8] == (True, 1, 3, "made", 2, 5, ["p", "r"], ["k"])
    assert isinstance(got[8], Image.Image) and got[9] == {"b": [2]}


def test_the_parameters_of_a_picture_set_the_controls(tmp_path: Path):
    write(tmp_path, "all", all=ALL)
    part = load(tmp_path).part("all of them", "txt2img").of
    assert part.read_infotext({"All weight": "1.5", "All place": "z", "All on": "True"}) == {"arg0": True, "arg1": 1.5, "arg4": "z"}
    assert part.read_infotext({"Steps": "3"}) == {}


def test_the_api_tells_and_takes_them_by_place(tmp_path: Path):
    write(tmp_path, "all", all=ALL, chosen=CHOSEN)
    with carrying(tmp_path) as service, TestClient(build(service, parse_flags(["--nowebui"])), base_url="http://127.0.0.1") as client:
        listed = client.get("/sdapi/v1/scripts").json()
        assert [[title for title in listed[tab] if title in ("all of them", "chosen one")] for tab in ("txt2img", "img2img")] == [
            ["all of them"],
            ["chosen one", "all of them"],
        ]
        infos = {(info["name"], info["is_img2img"]): info for info in client.get("/sdapi/v1/script-info").json()}
        assert [name for name in sorted(infos) if name[0] in ("all of them", "chosen one")] == [
            *(("all of them", False), ("all of them", True), ("chosen one", True))
        ]
        args = infos["all of them", False]["args"]
        assert args[1] == {"label": "Weight", "value": 1, "minimum": 0, "maximum": 2, "step": 0.5, "choices": None}
        assert (infos["all of them", False]["is_alwayson"], infos["chosen one", True]["is_alwayson"], len(args)) == (True, False, 10)
        body = {"prompt": "a", "steps": 1, "width": 16, "height": 8, "alwayson_scripts": {"ALL of Them": {"args": [True, 2, 4, "x", 0]}}}
        assert client.post("/sdapi/v1/txt2img", json=body).status_code == 200
        (script,) = service.hooks.part("all of them", "txt2img").of._host.runners["txt2img"].alwayson_scripts
        assert script.got[-1][:8] == (True, 2, 4, "x", 0, "meant", ["q"], ["k"])
        unknown = client.post("/sdapi/v1/txt2img", json={**body, "script_name": "chosen one"})
        assert unknown.status_code == 422 and "Script 'chosen one' not found" in unknown.text
        asked = {"init_images": [picture()], "steps": 1, "width": 16, "height": 8, "script_name": "Chosen One", "script_args": ["words"]}
        answer = client.post("/sdapi/v1/img2img", json=asked)
        assert answer.status_code == 200 and '"prompt": "words"' in answer.json()["info"]


def test_a_script_whose_ui_fails_is_named_and_left_out(tmp_path: Path):
    write(tmp_path, "bad", bad=CHOSEN.replace('return gr.Textbox("t", label="Only")', "return 1 / 0"))
    write(tmp_path, "good", chosen=CHOSEN.replace("Chosen one", "Good"))
    with carrying(tmp_path) as service:
        init = InitImage(images=(Image.new("RGB", (16, 8)),))
        task = service.submit(ask(script=ScriptCall(title="good"), init=init)).wait(PATIENCE)
        assert [(problem.extension, problem.where) for problem in service.hooks.problems] == [("bad", "ui of bad.py")]
    assert (task.error, read(task.images[0].infotext)["Prompt"]) == (None, "t")


def test_a_sentence_that_ui_returns_has_its_place_among_the_arguments(tmp_path: Path):
    code = CHOSEN.replace('return gr.Textbox("t", label="Only")', 'return [gr.HTML("<p>Read this</p>"), gr.Textbox("t", label="Only")]')
    write(tmp_path, "told", told=code.replace("def run(self, p, only)", "def run(self, p, html, only)").replace("p.prompt = only", "p.prompt = only + html"))
    with carrying(tmp_path) as service:
        script = service.hooks.script("chosen one", "img2img")
        sentence, only = service.hooks.controls(script, "img2img", service.catalog, service.settings.current)
        given = service.hooks.positional(script, ["", "words"], "img2img", service.catalog, service.settings.current)
        init = InitImage(images=(Image.new("RGB", (16, 8)),))
        (image,) = service.submit(ask(script=ScriptCall(title="chosen one", values=given), init=init)).wait(PATIENCE).images
    assert (sentence.kind, sentence.label, sentence.positional, only.label) == ("text", "Read this", True, "Only")
    assert read(image.infotext)["Prompt"] == "words<p>Read this</p>"


def test_controls_are_shown_as_they_were_made_and_named_by_their_place(tmp_path: Path):
    body = 'first, second = gr.Textbox("a", label="First"), gr.Textbox("b", label="Second"); gr.HTML("Between"); return [second, gr.State(3), first]'
    write(tmp_path, "turned", turned=CHOSEN.replace('return gr.Textbox("t", label="Only")', body))
    hooks = load(tmp_path)
    found = hooks.controls(hooks.script("chosen one", "img2img"), "img2img", CATALOG, None)  # type: ignore[arg-type]
    assert [control.label for control in found] == ["First", "Second", "Between", ""]
    assert [control.label for control in places(found)] == ["Second", "", "First"]
    assert from_positions(found, ["x", 4], CATALOG) == {"arg0": "x", "arg1": 4, "arg2": "a"}


def test_places_are_those_of_the_arguments(controls):
    assert from_positions(controls, [True, 0.5], CATALOG)["arg1"] == 0.5

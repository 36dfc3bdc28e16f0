"""Scripts and parts of extensions on the page, over a service that is real but for the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from backend.guard import Guard
from backend.request import ScriptCall
from backend.service import GenerationService
from tests.backend.extension_files import load, write_extension
from tests.backend.stage import open_service
from tests.serving import serve
from tests.ui.conftest import page_app
from tests.ui.page import Txt2img, open_page
from ui.scripts import Scripts, pasted

CODE = """
from dataclasses import replace
from backend.hooks import hookimpl
from backend.scripts import Control, Part, Update

class Lines:
    title, tabs = "Lines / <b>rows</b>", ("txt2img",)

    def controls(self, tab, catalog, settings):
        def swap(values):
            return {"first": Update(value=values["second"]), "second": Update(value=values["first"])}
        def kind(values):
            return {"second": Update(visible=values["how"] == "two")}
        return [
            Control(key="about", kind="text", label="One picture for each"),
            Control(key="first", kind="textbox", label="First", default="cat", row="a"),
            Control(key="second", kind="textbox", label="Second", default="dog", row="a"),
            Control(key="swap", kind="button", label="Swap them", react=swap),
            Control(key="how", kind="radio", label="How", default="two", choices=("one", "two"), react=kind),
            Control(key="lora", kind="dropdown", label="With Lora", default="None", choices=("None",), choices_of="lora"),
            Control(key="picture", kind="image", label="A picture"),
            Control(key="file", kind="file", label="Words", react=lambda values: {"first": Update(value=values["file"])} if values["file"] else {}),
        ]

    def run(self, request, values, session):
        for key in ("first", "second")[: 1 if values["how"] == "one" else 2]:
            session.draw(replace(request, prompt=f"{values[key]} {values['lora']} {values['picture'].size if values['picture'] else 0}"))

class Other:
    title, tabs = "Other", ("txt2img", "img2img")
    def controls(self, tab, catalog, settings):
        return [Control(key="n", kind="slider", label="Number of others", default=3, minimum=1, maximum=9, step=1)]
    def run(self, request, values, session):
        pass

class Mark(Part):
    title, enabled = "Mark", "on"
    def controls(self, tab, catalog, settings):
        return [Control(key="on", kind="checkbox", label="Enable mark", default=False), Control(key="text", kind="textbox", label="Text", default="!")]
    def change_request(self, request, values, context):
        return replace(request, prompt=request.prompt + values["text"])
    def infotext(self, values):
        return {"Mark": values["text"]}
    def read_infotext(self, labels):
        return {"on": True, "text": labels["Mark"]} if "Mark" in labels else {}

class Broken(Part):
    title = "Broken"
    def controls(self, tab, catalog, settings):
        return 1 / 0

@hookimpl
def scripts():
    return [Lines(), Other()]

@hookimpl
def parts():
    return [Mark(), Broken()]
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    write_extension(tmp_path, "lines", CODE)
    service = open_service(tmp_path, hooks=load(tmp_path), live_previews_enable=False)
    yield service
    service.close()


@pytest.fixture
def page(browser: Browser, service: GenerationService) -> Iterator[Txt2img]:
    with serve(Guard(page_app(service))) as url, open_page(browser, url) as page:  # type: ignore[arg-type]
        yield page


def test_a_script_is_chosen_its_controls_react_and_its_pictures_are_drawn(page: Txt2img, service: GenerationService, tmp_path: Path) -> None:
    tab = page.page
    first, second, number = tab.get_by_label("First"), tab.get_by_label("Second"), tab.get_by_label("Number of others").first
    expect(first).to_be_hidden()
    page.choose("script_list", "Lines")
    expect(first).to_be_visible()
    expect(number).to_be_hidden()
    tab.get_by_role("button", name="Swap them").click()
    expect(first).to_have_value("dog")
    expect(second).to_have_value("cat")
    tab.get_by_label("Words").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"from a file"})
    expect(first).to_have_value("from a file")
    page.choose("script_txt2img_lines__browsb_lora", "ink")
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    tab.get_by_label("A picture").set_input_files(tmp_path / "a.png")
    page.generate()
    page.wait_finished(2)
    assert [task.planned[0].prompt for task in service.tasks()] == ["from a file ink (3, 2)"]
    page.reload()
    expect(first).to_have_value("from a file")
    tab.get_by_label("one", exact=True).click()
    expect(second).to_be_hidden()
    page.choose("script_list", "None")
    expect(first).to_be_hidden()


def test_a_part_takes_part_where_it_is_switched_on_and_its_parameters_fill_it_again(page: Txt2img, service: GenerationService) -> None:
    page.prompt("a cat")
    page.page.locator("#script_txt2img_mark").get_by_text("Mark", exact=True).click()
    page.page.get_by_label("Enable mark").first.check()
    page.page.locator("#script_txt2img_mark_text textarea").fill("?")
    page.generate()
    page.wait_finished()
    assert page.infotext().startswith("a cat?") and "Mark: ?" in page.infotext()
    page.page.locator("#script_txt2img_mark_text textarea").fill("!")
    page.prompt("b\nSteps: 3, Sampler: Euler, Mark: §, Seed: 1")
    page.page.click("#paste")
    expect(page.page.locator("#script_txt2img_mark_text textarea")).to_have_value("§")
    assert [problem.where for problem in service.hooks.problems] == ["the controls of Broken"]


def test_only_what_belongs_to_the_chosen_script_goes_with_it() -> None:
    values = {"script": "Two words", "script/two_words/a": 1, "script/other/a": 2, "part/mark/on": True, "prompt": "x"}
    scripts = Scripts(kept=dict.fromkeys(values.keys() - {"prompt"}), parts={"mark": "Mark"})  # type: ignore[arg-type]
    assert scripts.take(values) == {"script": ScriptCall(title="Two words", values={"a": 1}), "parts": {"Mark": {"on": True}}}
    assert values == {"prompt": "x"}


def test_none_is_no_script() -> None:
    scripts = Scripts(kept=dict.fromkeys(["script", "script/a/b"]))  # type: ignore[arg-type]
    assert scripts.take({"script": "None", "script/a/b": 1}) == {}


def test_a_script_that_reads_parameters_is_chosen_by_them(service: GenerationService, tmp_path: Path) -> None:
    code = CODE.replace("class Lines:", "class Lines:\n    def read_infotext(self, labels):\n        return {'first': labels['First'], 'how': ('one',)}\n")
    write_extension(tmp_path, "reading", code)
    hooks = load(tmp_path, disabled_extensions=["lines"])
    found = pasted(hooks, {"Script": "lines / <B>ROWS</B>", "First": "x"})
    assert found == {"script": "Lines / <b>rows</b>", "script/lines__browsb/first": "x", "script/lines__browsb/how": ["one"]}
    assert pasted(hooks, {"Script": "Other", "First": "x"}) == {}


def test_what_the_parameters_say_of_a_part_goes_to_its_controls(service: GenerationService) -> None:
    assert pasted(service.hooks, {"Mark": "x"}) == {"part/mark/on": True, "part/mark/text": "x"}
    assert pasted(service.hooks, {"Steps": "3"}) == {}

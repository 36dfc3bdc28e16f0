"""An extension of A1111's form on the page: its controls, its tab, its JavaScript and its styles, over a service that is real but for the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, expect

from backend.guard import Guard
from backend.infotext import read
from backend.service import GenerationService
from tests.backend.stage import open_service
from tests.extensions.a1111_scripts.carried import load, write
from tests.serving import serve
from tests.ui.page import Txt2img, open_page
from ui.blocks import build, mount, page_head
from ui.routes import build_routes

WORDS = """
import gradio as gr
from modules import script_callbacks, scripts, shared
from modules.processing import Processed, process_images
from modules.ui_components import InputAccordion, ToolButton

class Words(scripts.Script):
    def title(self):
        return "Words"
    def show(self, is_img2img):
        return scripts.AlwaysVisible
    def ui(self, is_img2img):
        with InputAccordion(False, label="Enable words") as enabled:
            word = gr.Textbox("gold", label="Word", elem_id=self.elem_id("word"))
            louder = ToolButton("Louder")
            hidden = gr.State([1])
        louder.click(lambda text: text.upper(), inputs=[word], outputs=[word])
        self.infotext_fields = [(enabled, lambda labels: "Word" in labels), (word, "Word")]
        return [enabled, word, hidden]
    def process(self, p, enabled, word, hidden):
        if enabled:
            p.all_prompts = [f"{text} {word} {hidden}" for text in p.all_prompts]
            p.extra_generation_params["Word"] = word

class Each(scripts.Script):
    def title(self):
        return "Each line"
    def ui(self, is_img2img):
        return [gr.Textbox("one\\ntwo", label="Lines", lines=2)]
    def run(self, p, lines):
        images, texts = [], []
        for line in lines.splitlines():
            p.prompt, p.do_not_save_grid = line, True
            done = process_images(p)
            images += done.images
            texts += done.infotexts
        return Processed(p, images, p.seed, texts[0], infotexts=texts)

def on_ui_tabs():
    with gr.Blocks() as tab:
        said = gr.Textbox("abc", label="Said")
        go = gr.Button("Shout")
        heard = gr.Textbox(label="Heard")
        flag = gr.Checkbox(value=True, label="Flag")
        go.click(fn=lambda text: (text.upper(), gr.Checkbox.update(value=False)), inputs=[said], outputs=[heard, flag], _js="text => text + '!'")
    return [(tab, "Shouting", "shouting")]

script_callbacks.on_ui_tabs(on_ui_tabs)
script_callbacks.on_ui_settings(lambda: shared.opts.add_option("words_kind", shared.OptionInfo("kind", "Kind")))
"""
JAVASCRIPT = """
onUiLoaded(() => {
  const box = gradioApp().querySelector('#txt2img_prompt > label textarea');
  box.value = `${opts.words_kind} ${get_uiCurrentTabContent().id} ${get_uiCurrentTab().textContent.trim()}`;
  updateInput(box);
});
onUiTabChange(() => { document.body.dataset.tab = get_uiCurrentTabContent().id; });
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    write(tmp_path, "words", words=WORDS, javascript__words_js=JAVASCRIPT, style_css="#tab_shouting { outline: 3px solid rgb(255, 0, 0); }\n")
    hooks = load(tmp_path)
    service = open_service(tmp_path, hooks=hooks, live_previews_enable=False, return_grid=False)
    service.settings.declare(hooks.settings)
    yield service
    service.close()


@pytest.fixture
def page(browser: Browser, service: GenerationService) -> Iterator[Txt2img]:
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(build_routes(service))
    with serve(Guard(mount(app, build(service), head=page_head(hooks=service.hooks)))) as url, open_page(browser, url) as page:
        yield page


def test_an_extension_of_a1111s_form_is_at_home_on_the_page(page: Txt2img, service: GenerationService) -> None:
    tab = page.page
    expect(tab.locator("#txt2img_prompt textarea")).to_have_value("kind tab_txt2img txt2img")
    tab.locator("#script_txt2img_words").get_by_text("Words", exact=True).click()
    tab.get_by_label("Enable words").first.check()
    tab.get_by_role("button", name="Louder").first.click()
    expect(tab.get_by_label("Word", exact=True).first).to_have_value("GOLD")
    page.generate()
    page.wait_finished(1)
    assert read(service.tasks()[-1].images[0].infotext)["Prompt"] == "kind tab_txt2img txt2img GOLD [1]"
    page.choose("script_list", "Each line")
    page.generate()
    page.wait_finished(2)
    assert [read(image.infotext)["Prompt"] for image in service.tasks()[-1].images] == ["one GOLD [1]", "two GOLD [1]"]
    tab.get_by_role("tab", name="Shouting").click()
    expect(tab.locator("body")).to_have_attribute("data-tab", "tab_shouting")
    expect(tab.locator("#tab_shouting")).to_have_css("outline-color", "rgb(255, 0, 0)")
    tab.get_by_role("button", name="Shout").click()
    expect(tab.get_by_label("Heard")).to_have_value("ABC!")
    expect(tab.get_by_label("Flag")).not_to_be_checked()
    tab.evaluate("switch_to_img2img()")
    expect(tab.locator("body")).to_have_attribute("data-tab", "tab_img2img")

"""The page in another language and another look, in a real browser."""

import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, expect

from backend.exposure import Exposure
from backend.guard import Guard
from tests.serving import serve
from tests.ui.conftest import page_app
from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img, open_page
from ui.blocks import build, mount, page_head
from ui.routes import build_routes

EVIL = "<img src=x onerror=console.error(1)> ${console.error(2)}"
WORDS = {
    "Generate": "Erzeugen",
    "Sampling steps": "Schritte",
    "History": "Verlauf",
    "Interrupt (Esc)": "Unterbrechen (Esc)",
    "Your pictures appear here": EVIL,
    "a blue heart": "nicht zu lesen",
    "CFG Scale": "Seed",
    "Seed": "CFG Scale",
}


@pytest.fixture
def german(browser: Browser, address: str, service: FakeService) -> Iterator[Txt2img]:
    folder = service.folder / "localizations"
    folder.mkdir()
    (folder / "de.json").write_text(json.dumps(WORDS), "utf-8")
    service.settings.update({"localization": "de"})
    with open_page(browser, address) as page:
        yield page


def test_words_of_the_page_are_translated_now_and_later_and_those_of_people_are_not(german: Txt2img) -> None:
    page = german.page
    expect(page.locator("#txt2img_generate")).to_have_text("Erzeugen")
    expect(page.locator("#txt2img_steps")).to_contain_text("Schritte")
    expect(page.locator("#txt2img_interrupt")).to_have_attribute("title", "Unterbrechen (Esc)")
    expect(page.locator("#txt2img_gallery .empty")).to_have_text(EVIL)
    expect(page.locator("#txt2img_cfg_scale")).to_contain_text("Seed")
    expect(page.locator("#txt2img_seed")).to_contain_text("CFG Scale")
    german.prompt("Generate")
    german.generate()
    german.wait_finished()
    expect(page.locator("#txt2img_prompt textarea")).to_have_value("Generate")
    expect(page.locator("#txt2img_gallery .infotext .asked")).to_have_text("Generate")
    page.evaluate("webui.sends.open('History')")
    expect(page.locator(".past-count")).to_be_visible()
    page.get_by_role("tab", name="img2img").click()
    expect(page.locator("#img2img_generate")).to_have_text("Erzeugen")


def test_the_empty_prompt_reads_what_was_drawn_last(page: Txt2img, service: FakeService) -> None:
    (service.folder / "params.txt").write_text("a kept cat\nSteps: 7, Sampler: Euler, CFG scale: 5, Seed: 1, Size: 64x64", "utf-8")
    page.page.click("#paste")
    expect(page.page.locator("#txt2img_prompt textarea")).to_have_value("a kept cat")
    service.exposure = Exposure(open=True)
    page.prompt("")
    page.page.click("#paste")
    page.wait_for(".results .error", "no picture yet")


def test_theme_and_style_of_the_person_who_runs_it(browser: Browser, service: FakeService) -> None:
    (service.folder / "user.css").write_text("#txt2img_skip { display: none !important; }", "utf-8")
    app = FastAPI()
    app.include_router(build_routes(service))  # type: ignore[arg-type]
    mount(app, build(service), head=page_head(theme="dark", user_css=True))  # type: ignore[arg-type]
    with serve(Guard(app)) as url, open_page(browser, url) as page:
        expect(page.page.locator("#txt2img_interrupt")).to_be_visible()
        expect(page.page.locator("#txt2img_skip")).to_be_hidden()
        assert page.page.evaluate("document.body.classList.contains('dark')")
        page.page.click(".pill.theme")
        page.reload()
        assert not page.page.evaluate("document.body.classList.contains('dark')")


def test_a_frozen_setting_cannot_be_set_on_the_page(browser: Browser, service: FakeService) -> None:
    service.settings.frozen = {"samples_save": "--freeze-settings"}
    with serve(Guard(page_app(service))) as url, open_page(browser, url) as page:
        page.page.evaluate("webui.sends.open('Settings')")
        expect(page.page.locator("#setting_samples_save")).to_be_disabled()
        expect(page.page.locator(".setting", has_text="Always save all generated images").first.locator(".info")).to_have_text("Fixed by --freeze-settings")

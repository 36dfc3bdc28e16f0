"""The slider over a scrub strip, over a service that is real but for the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from backend.guard import Guard
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from tests.backend.workers.fake_engine import FakeEngine
from tests.extensions.running import page_with_extensions, running
from tests.serving import serve
from tests.ui.page import Txt2img, open_page


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    with running(tmp_path, "lora_scrub", LocalWorker(engine), live_previews_enable=False) as (service, _):
        yield service


@pytest.fixture
def page(browser: Browser, service: GenerationService) -> Iterator[Txt2img]:
    with serve(Guard(page_with_extensions(service))) as url, open_page(browser, url) as page:
        for name, value in (("width", 64), ("height", 64), ("seed", 7), ("steps", 1)):
            page.set(name, value)
        yield page


def test_the_slider_shows_the_nearest_picture_and_its_weight_goes_into_the_prompt(page: Txt2img, engine: FakeEngine) -> None:
    tab = page.page
    page.prompt("a cat <lora:ink:0.5:lbw=ALL> in snow")
    page.choose("script_list", "LoRA scrub strip")
    page.generate()
    bar, weight = tab.locator(".scrub-bar input"), tab.locator(".scrub-weight")
    expect(bar).to_be_visible()
    assert [bar.get_attribute(limit) for limit in ("min", "max")] == ["-1", "2"]
    expect(tab.get_by_role("button", name="Use in the prompt")).to_be_disabled()  # the strip is seen, and none of its pictures
    bar.fill("0.7")
    expect(weight).to_have_text("0.5")
    assert "<lora:ink:0.5:lbw=ALL>" in page.infotext()
    bar.press("ArrowRight")
    expect(weight).to_have_text("1")
    assert "<lora:ink:1:lbw=ALL>" in page.infotext()
    bar.press("End")
    expect(weight).to_have_text("2")
    tab.locator(".thumb").nth(1).click()  # behind the seven pictures and before them the strip: the order in which they were drawn
    expect(weight).to_have_text("-0.5")
    expect(bar).to_have_value("-0.5")
    tab.get_by_role("button", name="Use -0.5 in the prompt").click()
    assert tab.input_value("#txt2img_prompt textarea") == "a cat <lora:ink:-0.5:lbw=ALL> in snow"
    assert len(engine.jobs) == 7

    page.reload()
    expect(bar).to_be_visible()
    page.choose("script_list", "None")
    page.generate()
    expect(bar).to_be_hidden()  # another picture, which is no strip

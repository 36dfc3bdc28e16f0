"""The History tab in a real browser, over files that are really there."""

import os
import time
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from backend.exposure import Exposure
from backend.images.metadata import Encoding, encode, read_infotext
from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img, open_page

EVIL = "<img src=x onerror=console.error(1)> ${console.error(2)} #1 %2e%2e"
DAY = 86400


def save(service: FakeService, name: str, prompt: str, age: float = 0) -> Path:
    """age: seconds."""
    path = service.folder / "outputs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"{prompt}\nNegative prompt: {EVIL}\nSteps: 9, Sampler: Euler, Seed: {int(age)}, Size: 48x32, Model: demo"
    path.write_bytes(encode(Image.new("RGB", (48, 32), "red"), text, Encoding()))
    then = time.time() - age
    os.utime(path, (then, then))
    return path


@pytest.fixture
def history(page: Txt2img, service: FakeService) -> Page:
    """Three pictures of two days."""
    save(service, "txt2img-images/new.png", "a cat <lora:neon:0.5>", age=1)
    save(service, f"txt2img-images/{EVIL.replace('/', '')}.png", EVIL, age=2)
    save(service, "txt2img-grids/old.png", "a boat", age=3 * DAY)
    open_history(page.page)
    expect(page.page.locator(".past-lora option")).to_have_text(["All Loras", "neon (1)"])  # all have been read
    return page.page


def open_history(page: Page) -> None:
    page.evaluate("webui.sends.open('History')")  # on a phone the tab is behind a button
    page.wait_for_selector(".past-count:not(:empty)")


def test_pictures_stand_under_their_days_and_words_and_choices_find_them(history: Page) -> None:
    shots = history.locator(".shot button")
    expect(shots).to_have_count(3)
    expect(history.locator(".past-head")).to_have_count(2)
    history.wait_for_function("[...document.querySelectorAll('.shot img')].filter(one => one.naturalWidth).length === 3")
    history.fill(".past-search", "cat")
    expect(history.locator(".past-count")).to_have_text("1 of 3 pictures")
    history.fill(".past-search", "zebra")
    expect(history.locator(".past-nothing")).to_be_visible()
    history.fill(".past-search", "")
    history.select_option(".past-lora", "neon")
    expect(shots).to_have_count(1)
    history.select_option(".past-lora", "")
    history.locator(".past-chips .chip", has_text="txt2img-grids").click()
    expect(shots).to_have_count(1)
    expect(shots).to_have_attribute("aria-label", "a boat")


def test_one_picture_is_walked_through_with_keys_shown_with_what_it_says_and_sent(history: Page, page: Txt2img) -> None:
    history.locator(".shot button").first.click()
    expect(history.locator(".past-view .infotext .asked")).to_have_text("a cat <lora:neon:0.5>")
    history.keyboard.press("ArrowRight")
    expect(history.locator(".past-view .infotext .asked")).to_have_text(EVIL)
    history.wait_for_function("document.querySelector('.past-picture img').naturalWidth === 48")
    history.keyboard.press("ArrowRight")
    expect(history.locator(".past-file")).to_have_text("old.png")
    expect(history.locator(".past-after")).to_be_disabled()
    history.keyboard.press("Escape")
    expect(history.locator(".past-view")).to_be_hidden()
    expect(history.locator(".shot button").nth(2)).to_be_focused()
    history.keyboard.press("ArrowLeft")
    history.keyboard.press("ArrowLeft")
    history.keyboard.press("Enter")
    history.locator(".past-view .past-sends button", has_text="txt2img").click()
    expect(history.locator("#txt2img_prompt textarea")).to_have_value("a cat <lora:neon:0.5>")
    expect(history.locator("#txt2img_steps input[type=number]")).to_have_value("9")


def test_the_file_is_downloaded_as_it_is(history: Page, service: FakeService, tmp_path: Path) -> None:
    history.locator(".shot button").first.click()
    with history.expect_download() as waiting:
        history.click(".past-download")
    assert waiting.value.suggested_filename == "new.png"
    waiting.value.save_as(tmp_path / "mine.png")
    assert read_infotext((tmp_path / "mine.png").read_bytes()).startswith("a cat <lora:neon:0.5>")


def test_pictures_come_and_go_with_the_disk(history: Page, service: FakeService) -> None:
    newest = save(service, "txt2img-images/newest.png", "a hat")
    expect(history.locator(".shot button").first).to_have_attribute("aria-label", "a hat")
    newest.unlink()
    expect(history.locator(".past-count")).to_have_text("3 pictures")


def test_deleting_asks_first_and_goes_on_with_the_next(history: Page, service: FakeService) -> None:
    path = service.folder / "outputs/txt2img-images/new.png"
    history.locator(".shot button").first.click()
    history.once("dialog", lambda dialog: dialog.dismiss())
    history.click(".past-delete")
    assert path.exists()
    history.once("dialog", lambda dialog: dialog.accept())
    history.click(".past-delete")
    expect(history.locator(".past-view .infotext .asked")).to_have_text(EVIL)
    assert not path.exists() and len(list(service.folder.glob("outputs/*/*.png"))) == 2


def test_thousands_of_pictures_are_few_elements(browser: Browser, address: str, service: FakeService) -> None:
    first = save(service, "txt2img-images/0.png", "a cat", age=1)
    for number in range(1, 1500):
        other = first.with_name(f"{number}.png")
        os.link(first, other)
    with open_page(browser, address, viewport={"width": 390, "height": 844}) as page:
        open_history(page.page)
        expect(page.page.locator(".past-count")).to_contain_text("1,500 pictures")
        page.page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(page.page.locator(".shot button[data-index='1499']")).to_have_attribute("title", "0.png\na cat")
        assert page.page.locator(".shot").count() < 60 and page.overflow() <= 0
        lefts = page.page.locator(".shot").evaluate_all("all => new Set(all.map(one => Math.round(one.getBoundingClientRect().left))).size")
        assert lefts == 2  # columns


def test_a_refusal_is_told(history: Page, page: Txt2img, service: FakeService) -> None:
    service.exposure = Exposure(open=True, changes=False)
    history.locator(".shot button").first.click()
    history.once("dialog", lambda dialog: dialog.accept())
    with history.expect_response(lambda answer: answer.status == 403):
        history.click(".past-delete")
    expect(history.locator(".past-view .error")).to_contain_text("--gradio-auth")
    assert len(page.problems) == 1 and "403" in page.problems.pop()

"""Names of wildcards that the page suggests while one types."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from backend.guard import Guard
from tests.extensions.running import page_with_extensions, running
from tests.serving import serve
from tests.ui.page import Txt2img, open_page


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Txt2img]:
    folder = tmp_path / "wildcards/clothes"
    folder.mkdir(parents=True)
    (folder / "col<b>lars.txt").write_text("ruff\n", "utf-8")
    with running(tmp_path, "wildcards") as (service, _), serve(Guard(page_with_extensions(service))) as url, open_page(browser, url) as page:
        yield page


def test_a_wildcard_is_suggested_after_two_underscores_and_taken_by_tab(page: Txt2img) -> None:
    box, suggested = page.page.locator("#txt2img_prompt textarea"), page.page.locator(".completions li .what")
    box.click()
    page.page.keyboard.type("a __season__ __col")
    expect(suggested).to_have_text(["color", "clothes/col<b>lars"])
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("Tab")
    expect(box).to_have_value("a __season__ __clothes/col<b>lars__")
    box.press("Control+z")
    expect(box).to_have_value("a __season__ __col")
    page.page.keyboard.type("or__ cat")
    expect(page.page.locator(".completions")).to_have_count(0)
    page.page.keyboard.type(" __")
    expect(suggested).to_have_text(["clothes/col<b>lars", "color", "daytime", "season", "weather"])

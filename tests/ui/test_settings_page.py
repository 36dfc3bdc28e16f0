"""Settings and PNG Info, in a real browser."""

from pathlib import Path

from playwright.sync_api import expect

from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img
from tests.ui.test_prompts_page import PARAMETERS, png, wait_value


def open_tab(page: Txt2img, name: str) -> None:
    page.page.get_by_role("tab", name=name, exact=True).click()


def test_a_setting_is_found_changed_applied_and_reset(page: Txt2img, service: FakeService) -> None:
    open_tab(page, "Settings")
    page.page.fill(".settings-page .search", "clip_stop")
    row = page.page.locator(".setting[data-key=CLIP_stop_at_last_layers]")
    row.locator("input").fill("2")
    expect(page.page.locator(".settings-page .apply")).to_have_text("Apply settings (1)")
    assert service.settings.current["CLIP_stop_at_last_layers"] == 1
    page.page.click(".settings-page .apply")
    expect(page.page.locator(".settings-page .told")).to_have_text("Applied.")
    assert service.settings.current["CLIP_stop_at_last_layers"] == 2
    row.get_by_text("Reset").click()
    page.page.click(".settings-page .apply")
    expect(page.page.locator(".settings-page .told")).to_have_text("Applied.")
    assert service.settings.current["CLIP_stop_at_last_layers"] == 1


def test_a_value_that_a_setting_does_not_take_is_refused_beside_it_and_nothing_is_applied(page: Txt2img, service: FakeService) -> None:
    open_tab(page, "Settings")
    page.page.fill(".settings-page .search", "images")
    page.page.locator(".setting[data-key=webp_lossless] input").check()
    page.page.locator(".setting[data-key=jpeg_quality] input").fill("500")
    page.page.click(".settings-page .apply")
    expect(page.page.locator(".setting[data-key=jpeg_quality] .wrong")).to_contain_text("from 1 to 100")
    assert service.settings.current["webp_lossless"] is False
    assert service.settings.current["jpeg_quality"] == 80


def test_png_info_shows_the_parameters_and_sends_them_on(page: Txt2img, tmp_path: Path) -> None:
    png(tmp_path, PARAMETERS)
    open_tab(page, "PNG Info")
    page.page.set_input_files(".pnginfo input", tmp_path / "picture.png")
    expect(page.page.locator(".pnginfo .infotext .asked")).to_have_text("a fox")
    page.page.locator(".pnginfo .sends").get_by_text("→ txt2img").click()
    wait_value(page.page, "#txt2img_prompt textarea", "a fox")
    assert page.value("steps") == 9

"""The Extras tab in a real browser, over a service that is real but for the engine."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Page, expect

from backend.extras_steps import STEPS
from backend.guard import Guard
from backend.service import GenerationService
from tests.backend.stage import open_service
from tests.serving import serve
from tests.ui.conftest import page_app
from tests.ui.page import open_page
from tests.ui.test_blocks import by_id
from ui import blocks, extras, quicksettings


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path)
    yield service
    service.close()


@pytest.fixture
def tab(browser: Browser, service: GenerationService) -> Iterator[Page]:
    with serve(Guard(page_app(service))) as url, open_page(browser, url) as page:  # type: ignore[arg-type]
        page.page.evaluate("webui.sends.open('Extras')")
        page.page.wait_for_selector(".extras-sources .modes [aria-pressed=true]")
        yield page.page


def save(path: Path, color: str = "red") -> Path:
    info = PngInfo()
    info.add_text("parameters", "a <b>cat</b>\nSteps: 1")
    Image.new("RGB", (16, 8), color).save(path, pnginfo=info)
    return path


def choose(page: Page, elem_id: str, name: str) -> None:
    page.click(f"#{elem_id} input")
    page.locator("ul[role=listbox] li", has_text=name).first.click()


def finish(page: Page) -> None:
    page.click("#extras_generate")
    page.wait_for_selector("#extras_gallery .results[data-state=done]")


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_a_picture_goes_through_the_chosen_steps_into_the_gallery_and_on(tab: Page, tmp_path: Path) -> None:
    tab.click("#extras_generate")
    expect(tab.locator("#extras_gallery .error")).to_have_text("There is no picture: choose one first.")
    tab.set_input_files(".extras-sources .single input", save(tmp_path / "red.png"))
    choose(tab, "extras_upscaler_1", "Lanczos")
    tab.locator("#extras_sharpen").get_by_label("Sharpen").first.check()
    finish(tab)
    expect(tab.locator("#extras_gallery .infotext")).to_contain_text("Upscale: yes, Sharpen: yes")
    expect(tab.locator("#extras_gallery .infotext .asked")).to_have_text("a <b>cat</b>")
    with Image.open(tmp_path / "outputs/extras-images/red.png") as saved:
        assert saved.size == (32, 16)
    assert not list((tmp_path / "cache/extras").iterdir())
    tab.locator("#extras_gallery .sends button", has_text="→ img2img").click()
    expect(tab.locator(".sources .size-of")).to_have_text("32 × 16")
    expect(tab.locator("#img2img_prompt textarea")).to_have_value("a <b>cat</b>")


def test_several_pictures_and_a_folder(tab: Page, tmp_path: Path) -> None:
    tab.click(".extras-sources [data-mode=batch]")
    tab.set_input_files(".extras-sources .batch input", [save(tmp_path / "a b%2F.png"), save(tmp_path / "c.png", "blue")])
    expect(tab.locator(".extras-sources .about")).to_contain_text("a b%2F.png, c.png")
    finish(tab)
    expect(tab.locator("#extras_gallery .thumb")).to_have_count(2)
    expect(tab.locator("#extras_gallery .comments")).to_contain_text("No step changes anything")
    assert files(tmp_path / "outputs") == ["extras-images/a b%2F.png", "extras-images/c.png"]

    (tmp_path / "in").mkdir()
    save(tmp_path / "in/d.png")
    expect(tab.locator("#extras_batch_input_dir")).to_be_hidden()
    tab.click(".extras-sources [data-mode=folder]")
    tab.fill("#extras_batch_input_dir textarea, #extras_batch_input_dir input", "in")
    tab.fill("#extras_batch_output_dir textarea, #extras_batch_output_dir input", "out")
    finish(tab)
    tab.wait_for_function("document.querySelector('#extras_gallery .file').textContent === 'd.png'")
    assert files(tmp_path / "out") == ["d.png"]


def test_what_means_nothing_at_the_moment_is_not_shown(tab: Page) -> None:
    expect(tab.locator("#extras_upscaling_resize")).to_be_visible()
    expect(tab.locator("#extras_upscaling_resize_w")).to_be_hidden()
    expect(tab.locator("#extras_denoise_strength")).to_be_hidden()
    tab.locator("#extras_upscale_upscale_mode").get_by_text("Scale to").click()
    expect(tab.locator("#extras_upscaling_resize_w")).to_be_visible()
    expect(tab.locator("#extras_upscaling_resize")).to_be_hidden()
    tab.locator("#extras_denoise").get_by_label("Denoise").first.check()
    expect(tab.locator("#extras_denoise_strength")).to_be_visible()


def test_a_step_of_an_extension_is_on_the_page_and_in_the_request(service: GenerationService) -> None:
    import gradio as gr

    glow = replace(next(step for step in STEPS if step.name == "Sharpen"), name="Soft glow", order=950)
    with blocks._in_a_loop(gr.Blocks) as page:
        extras.build(service, page, quicksettings.build(service), (*STEPS, glow))
    assert by_id(page)["extras_soft_glow_amount"].label == "Sharpen amount"  # type: ignore[attr-defined]
    asked = extras.request({"Soft glow/on": True, "Soft glow/amount": 2, "Upscale/on": False}, (), folder=False, steps=(*STEPS, glow))
    assert asked.steps == {"Soft glow": {"amount": 2}}


def test_a_step_says_which_files_it_needs_until_they_are_there(service: GenerationService) -> None:
    import gradio as gr

    def built() -> dict[str, object]:
        with blocks._in_a_loop(gr.Blocks) as page:
            extras.build(service, page, quicksettings.build(service))
        return by_id(page)

    assert built()["extras_gfpgan_missing"].value.startswith("GFPGAN needs GFPGANv1.4.pth in models/GFPGAN and ")  # type: ignore[attr-defined]
    for name in ("GFPGANv1.4.pth", "detection_Resnet50_Final.pth"):
        (service.paths.gfpgan[0] / name).touch()
    there = built()
    assert "extras_gfpgan_missing" not in there and there["extras_gfpgan_visibility"].value == 1  # type: ignore[attr-defined]

"""ui-config.json, and what else the person who runs the program arranges on the page."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Browser, expect

from backend.errors import WebUIError
from backend.guard import Guard
from tests.serving import serve
from tests.ui.conftest import page_app
from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img, open_page
from tests.ui.test_blocks import by_id
from ui.blocks import build
from ui.ui_config import UIConfig

Open = Callable[[], Txt2img]


@pytest.fixture
def started(browser: Browser, service: FakeService) -> Iterator[Open]:
    """A page of a program that is started now."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(open_page(browser, stack.enter_context(serve(Guard(page_app(service))))))


def config(service: FakeService, **entries: object) -> None:
    (service.folder / "ui-config.json").write_text(json.dumps({key.replace("__", "/"): value for key, value in entries.items()}), "utf-8")


def test_a1111s_entries_are_what_the_page_starts_with(service: FakeService, started: Open) -> None:
    entries = {
        "txt2img/Sampling steps/value": 33,
        "txt2img/Sampling steps/maximum": 60,
        "customscript/sampler.py/txt2img/Sampling method/value": "Euler a",
        "img2img/Resize mode/value": "Crop and resize",
        "txt2img/Width/value": 640,
        "txt2img/Batch size/visible": False,
        "extras/Resize/value": 2,
    }
    (service.folder / "ui-config.json").write_text(json.dumps(entries), "utf-8")
    page = started()
    assert (page.value("steps"), page.size()) == (33, (640, 512))
    assert page.page.get_attribute("#txt2img_steps input[type=range]", "max") == "60"
    expect(page.page.locator("#txt2img_sampling input")).to_have_value("Euler a")
    expect(page.page.locator("#txt2img_batch_size")).to_be_hidden()
    page.prompt("a cat")
    page.generate()
    page.wait_finished()
    asked = service.tasks()[0].request
    assert (asked.sampling.steps, asked.sampling.sampler, asked.batch_size) == (33, "Euler a", 1)
    page.page.evaluate("webui.sends.open('img2img')")
    expect(page.page.locator("#resize_mode input:checked")).to_have_value("1")
    page.page.evaluate("webui.sends.open('Extras')")
    expect(page.page.locator("#extras_upscaling_resize input[type=number]")).to_have_value("2")


def test_what_makes_no_sense_is_named_in_the_log_and_the_rest_counts(service: FakeService, caplog: pytest.LogCaptureFixture) -> None:
    config(service, **{"txt2img/Sampling steps/value": 900, "txt2img/Sampling method/value": "Nope", "txt2img/CFG Scale/value": 5, "txt2img/Gone/value": 1})
    with caplog.at_level(logging.WARNING):
        found = by_id(build(service))  # type: ignore[arg-type]
    assert (found["txt2img_steps"].value, found["txt2img_sampling"].value, found["txt2img_cfg_scale"].value) == (20, "DPM++ 2M", 5)  # type: ignore[attr-defined]
    assert [record.getMessage() for record in caplog.records] == [
        "ui-config.json: txt2img/Sampling method/value cannot be 'Nope'",
        "ui-config.json: txt2img/Sampling steps/value cannot be 900",
    ]


def test_a_broken_file_is_told_and_never_written_over(service: FakeService, caplog: pytest.LogCaptureFixture) -> None:
    file = service.folder / "ui-config.json"
    file.write_text("{", "utf-8")
    with caplog.at_level(logging.ERROR):
        broken = UIConfig(file)
    assert "cannot be read" in caplog.text
    with pytest.raises(WebUIError, match="cannot be written"):
        broken.write({"txt2img/Width/value": 1})
    assert file.read_text("utf-8") == "{"


@pytest.mark.parametrize("values", [{"x": 1}, {"txt2img/Width/maximum": 1}, {"txt2img/Width/value": {"a": 1}}, {"txt2img/Prompt/value": "x" * 200_000}])
def test_only_defaults_are_written(tmp_path: Path, values: dict[str, object]) -> None:
    with pytest.raises(WebUIError):
        UIConfig(tmp_path / "ui-config.json").write(values)
    assert not list(tmp_path.iterdir())


def test_defaults_are_viewed_applied_and_hold_after_a_restart(service: FakeService, started: Open) -> None:
    config(service, **{"img2img/Seed/value": 5})
    page = started()
    page.set("steps", 9)
    page.prompt("<img src=x onerror=console.error(1)>")
    page.page.evaluate("webui.sends.open('Settings')")
    page.page.locator(".section", has_text="Defaults").click()
    page.page.get_by_role("button", name="View changes").click()
    rows = page.page.locator(".defaults tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="Sampling steps")).to_have_text("txt2img/Sampling steps/value209")
    page.page.get_by_role("button", name="Apply", exact=True).click()
    expect(page.page.locator(".rows .told")).to_contain_text("Written to ui-config.json")
    written = json.loads((service.folder / "ui-config.json").read_text("utf-8"))
    assert written == {"img2img/Seed/value": 5, "txt2img/Prompt/value": "<img src=x onerror=console.error(1)>", "txt2img/Sampling steps/value": 9}
    assert started().value("steps") == 9


def test_settings_on_top_order_of_tabs_and_hidden_ones(service: FakeService, started: Open) -> None:
    quick = ["sd_model_checkpoint", "CLIP_stop_at_last_layers", "nix"]
    service.settings.update({"quicksettings_list": quick, "ui_tab_order": ["Settings", "img2img"], "hidden_tabs": ["Extras", "Settings"]})
    titles = [block.label for block in build(service).blocks.values() if isinstance(block, gr.Tab) and str(block.elem_id).startswith("tab_")]  # type: ignore[arg-type]
    assert titles[:5] == ["Settings", "img2img", "txt2img", "PNG Info", "History"]
    assert "Extras" not in titles
    service.settings.update({"ui_tab_order": []})
    page = started()
    box = page.page.locator("#quick_CLIP_stop_at_last_layers")
    box.fill("99")
    expect(page.page.locator(".quick .wrong")).to_contain_text("cannot be 99")
    box.fill("2")
    expect(page.page.locator(".quick .wrong")).to_be_empty()
    page.page.wait_for_function("document.querySelector('.quick .wrong').textContent === ''")
    page.wait_until(lambda: service.settings.current["CLIP_stop_at_last_layers"] == 2)

"""Checkpoint Merger and LoRA tools in a real browser, over a real queue and the engine's real part."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from safetensors.torch import load_file

from backend.service import GenerationService
from backend.workers.local import LocalWorker
from tests import checkpoint_files as files
from tests.backend.networks.small import whole_lora
from tests.backend.stage import open_service
from tests.backend.test_tool_task import Maker
from tests.serving import serve
from tests.ui.conftest import page_app
from tests.ui.page import open_page

PATIENCE = 30_000  # milliseconds


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    for seed, name in enumerate(("a", "<b> ${c}")):
        files.write_sd1(tmp_path / f"models/Stable-diffusion/{name}.safetensors", seed=seed)
    whole_lora(tmp_path / "models/Lora/pen.safetensors")
    opened = open_service(tmp_path, LocalWorker(Maker(tmp_path)))
    yield opened
    opened.close()


def test_a_person_merges_checkpoints_and_loras_and_sees_the_new_files(browser: Browser, service: GenerationService, tmp_path: Path) -> None:
    with serve(page_app(service)) as url, open_page(browser, url) as opened:  # type: ignore[arg-type]
        page = opened.page
        page.evaluate("webui.sends.open('Checkpoint Merger')")
        form = page.locator("[data-tool=merge]")
        expect(form.locator("[name=tertiary]")).to_be_disabled()
        form.locator("[name=primary]").select_option("a.safetensors")
        form.locator("[name=secondary]").select_option("<b> ${c}.safetensors")
        expect(form.locator(".tool-name")).to_have_text("New file: 0.7(a) + 0.3(<b> ${c}).safetensors")
        form.get_by_role("button", name="Merge", exact=True).click()
        expect(form.locator(".error")).to_contain_text("no name for a model file")
        form.locator("[name=name]").fill("mix")
        form.get_by_role("button", name="Merge", exact=True).click()
        expect(form.locator(".comments")).to_have_text("Saved as mix.safetensors", timeout=PATIENCE)
        expect(form.locator("[name=primary] option[value='mix.safetensors']")).to_be_attached()
        assert load_file(tmp_path / "models/Stable-diffusion/mix.safetensors")

        page.evaluate("webui.sends.open('txt2img')")
        opened.prompt("a cat <lora:pen:0.5>")
        page.evaluate("webui.sends.open('LoRA tools')")
        form = page.locator("[data-tool=bake]")
        form.locator(".from-prompt").click()
        expect(form.locator(".tool-lora")).to_have_count(1)
        form.locator("[name=name]").fill("soft")
        form.get_by_role("button", name="Merge Loras").click()
        expect(form.locator(".comments")).to_contain_text("Saved as soft.safetensors", timeout=PATIENCE)
        form = page.locator("[data-tool=blocks]")
        form.locator("[name=lora]").fill("soft")
        form.get_by_role("button", name="Show").click()
        expect(form.locator(".block-bars li b")).to_have_text(["TE", "IN00", "IN01"], timeout=PATIENCE)
        form.locator("[name=lora]").fill("nobody")
        form.get_by_role("button", name="Show").click()
        expect(form.locator(".error")).to_contain_text("There is no lora 'nobody'")
        opened.problems = [problem for problem in opened.problems if "422" not in problem and "404" not in problem]  # refusals that the test asked for

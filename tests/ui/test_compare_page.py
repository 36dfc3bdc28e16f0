"""Re-render and compare from PNG Info and History, in a real browser, and the routes and the API behind it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from playwright.sync_api import Browser, expect

from backend.api.v2 import build_v2_router
from backend.flags import parse_flags
from backend.images.metadata import Encoding, encode
from backend.service import GenerationService
from tests.backend.stage import ask, open_service
from tests.backend.workers.fake_engine import colour
from tests.serving import serve
from tests.ui.conftest import page_app
from tests.ui.page import open_page
from ui.routes import build_routes

PATIENCE = 30  # seconds before a test gives up


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    opened = open_service(tmp_path, randn_source="CPU")
    yield opened
    opened.close()


@pytest.fixture
def picture(service: GenerationService) -> Path:
    path = service.submit(ask("a cat <lora:ink:0.5>")).wait(PATIENCE).images[0].path
    assert path
    return path


def changed(picture: Path, to: Path) -> Path:
    """The same with a darker corner."""
    with Image.open(picture) as image:
        text = image.text["parameters"]  # type: ignore[attr-defined]
        pixels = image.convert("RGB")
    pixels.putpixel((0, 0), tuple(level // 2 for level in pixels.getpixel((0, 0))))  # type: ignore[union-attr]
    to.write_bytes(encode(pixels, text, Encoding()))
    return to


def test_a_person_compares_a_picture_in_png_info_and_one_of_the_history(browser: Browser, service: GenerationService, picture: Path, tmp_path: Path) -> None:
    with serve(page_app(service)) as url, open_page(browser, url) as opened:  # type: ignore[arg-type]
        page = opened.page
        page.evaluate("webui.sends.open('PNG Info')")
        page.set_input_files(".pnginfo input[type=file]", changed(picture, tmp_path / "changed.png"))
        page.locator("#pnginfo").get_by_role("button", name="Re-render and compare").click()
        dialog = page.locator(".compare-dialog")
        expect(dialog.locator(".compare-note")).to_contain_text("PSNR")
        expect(dialog.locator("figcaption")).to_have_text(["The picture", "Drawn again", re.compile(r"Difference, \d+ times brighter")])
        expect(dialog.locator(".compare-needs li")).to_have_text(["Checkpoint tiny tiny.safetensors, by its hash", "Lora ink ink.safetensors, by its hash"])
        page.wait_for_function("[...document.querySelectorAll('.compare-dialog img')].every(image => image.naturalWidth === 16)")
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)
        page.evaluate("webui.sends.open('History')")
        page.locator(".shot button").first.click()
        page.locator(".past-view").get_by_role("button", name="Re-render and compare").click()
        expect(dialog.locator(".compare-note")).to_have_text("Identical: every pixel is the same.")
        expect(dialog.locator("figure")).to_have_count(2)


def test_the_api_answers_with_needs_and_verdict(service: GenerationService, picture: Path, tmp_path: Path) -> None:
    app = FastAPI()
    app.include_router(build_v2_router(service, parse_flags([])))
    with TestClient(app) as http:
        same = http.post("/api/v2/compare", content=picture.read_bytes()).json()
        assert (same["verdict"]["identical"], same["state"], [need["kind"] for need in same["needs"]]) == (True, "done", ["checkpoint", "lora"])
        apart = http.post("/api/v2/compare", content=changed(picture, tmp_path / "changed.png").read_bytes()).json()
        assert (apart["verdict"]["identical"], apart["verdict"]["most"] > 0, apart["verdict"]["psnr"] > 0) == (False, True, True)
        assert http.get(f"/api/v2/jobs/{apart['task']}/images/0").status_code == 200


def test_what_is_no_picture_is_refused_and_what_is_not_drawn_yet_is_not_there(service: GenerationService) -> None:
    app = FastAPI()
    app.include_router(build_routes(service))
    with TestClient(app) as http:
        client = {"client": "0123456789abcdef" * 2}
        assert http.post("/internal/compare", params=client, content=b"text").status_code == 422
        assert http.post("/internal/compare", content=encode(Image.new("RGB", (8, 8), colour(1)), "", Encoding())).status_code == 422
        told = http.post("/internal/compare", params=client, content=encode(Image.new("RGB", (8, 8), colour(1)), "", Encoding())).json()
        assert "no parameters" in told["problem"]
        assert http.get(f"/internal/compare/{told['id']}/before.png").status_code == 200
        assert http.get(f"/internal/compare/{told['id']}/after.png").status_code == 404
        assert http.get("/internal/compare/nobody").status_code == 404

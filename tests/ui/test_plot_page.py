"""X/Y/Z plot on the page, over a service that is real but for the engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, expect

from backend.guard import Guard
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE, until
from tests.backend.workers.fake_engine import FakeEngine, colour
from tests.extensions.running import running, table
from tests.serving import serve
from tests.ui.conftest import page_app
from tests.ui.page import Txt2img, open_page
from ui.progress import pictures
from ui.routes import build_routes

PLOT = "script_txt2img_xyz_plot"
SIZE = (64, 64)
BLANK = (232, 232, 232)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    with running(tmp_path, "xyz_plot", LocalWorker(engine), live_previews_enable=False) as (service, _):
        yield service


@pytest.fixture
def page(browser: Browser, service: GenerationService) -> Iterator[Txt2img]:
    with serve(Guard(page_app(service))) as url, open_page(browser, url) as page:  # type: ignore[arg-type]
        for name, value in (("width", 64), ("height", 64), ("seed", 7), ("steps", 2)):
            page.set(name, value)
        page.choose("script_list", "X/Y/Z plot")
        yield page


def values(page: Txt2img, axis: str, kind: str, text: str) -> None:
    page.choose(f"{PLOT}_{axis}_type", kind)
    page.page.locator(f"#{PLOT}_{axis}_values textarea").fill(text)


def test_a_plot_over_a_loras_weight_is_drawn_and_its_parameters_make_it_again(page: Txt2img, service: GenerationService, engine: FakeEngine) -> None:
    tab = page.page
    page.prompt("a cat <lora:ink:1>")
    values(page, "x", "LoRA weight", "-1-1 (+1)")
    page.choose(f"{PLOT}_y_type", "Sampler")
    expect(tab.locator(f"#{PLOT}_y_values")).to_have_count(0)
    page.choose(f"{PLOT}_y_values_dropdown", "Restart")
    tab.get_by_role("button", name="Swap X/Y axes").click()
    expect(tab.locator(f"#{PLOT}_y_values textarea")).to_have_value("-1-1 (+1)")
    page.generate()
    page.wait_for(".results .infotext", "Script: X/Y/Z plot")
    assert [(job.sampling.sampler, [network.unet_weight for network in job.networks]) for job in engine.jobs] == [
        ("Restart", [-1.0]),
        ("Restart", [0.0]),
        ("Restart", [1.0]),
    ]
    expect(tab.locator(".thumbs")).to_be_hidden()  # the grid alone
    expect(tab.locator(".results .what")).to_contain_text("3 pictures in")
    assert "Script: X/Y/Z plot, X Type: Sampler, X Values: Restart, Y Type: LoRA weight, Y Values: -1-1 (+1)" in page.infotext()

    told = service.tasks()[0].images[0].infotext
    page.choose("script_list", "None")
    values_before = tab.locator(f"#{PLOT}_y_type input")
    page.prompt(told)
    tab.click("#paste")
    expect(tab.locator("#script_list input")).to_have_value("X/Y/Z plot")
    expect(values_before).to_have_value("LoRA weight")
    page.generate()
    until(lambda: len(service.tasks()) == 2)
    first, second = (task.wait(PATIENCE) for task in service.tasks())
    assert second.images[0].image.tobytes() == first.images[0].image.tobytes()


def test_an_interrupted_plot_shows_what_was_made(page: Txt2img, service: GenerationService) -> None:
    page.prompt("a cat")
    values(page, "x", "Prompt S/R", "cat, dog, hang")
    page.generate()
    page.page.wait_for_function("document.querySelectorAll('.thumb').length === 2")
    (task,) = service.tasks()
    page.wait_until(lambda: task.batch == 2 and task.step > 0)
    page.interrupt()
    expect(page.page.locator(".results .what")).to_have_text("Interrupted · 3 pictures")
    (grid,) = service.tasks()[0].images
    assert table(grid.image, 3, 1, SIZE) == [[colour(7), colour(7), BLANK]]
    page.wait_for(".results .infotext", "Script: X/Y/Z plot")
    assert len(list(service.paths.data.glob("outputs/txt2img-images/*/*.png"))) == 2


def test_a_plot_over_a_loras_weight_interrupted_in_the_middle_keeps_what_was_made(page: Txt2img, service: GenerationService, engine: FakeEngine) -> None:
    page.prompt("a cat <lora:ink:1>")
    values(page, "x", "LoRA weight", "0.5, 1")
    values(page, "y", "Prompt S/R", "cat, dog, hang")
    page.generate()
    page.page.wait_for_function("document.querySelectorAll('.thumb').length === 2")
    page.interrupt()
    expect(page.page.locator(".results .what")).to_contain_text("Interrupted")
    page.wait_for(".results .infotext", "Script: X/Y/Z plot")
    (grid,) = service.tasks()[0].images
    assert table(grid.image, 2, 3, SIZE) == [[colour(7), BLANK], [colour(7), BLANK], [BLANK, BLANK]]
    assert {network.unet_weight for job in engine.jobs for network in job.networks} == {0.5}
    assert len(list(service.paths.data.glob("outputs/txt2img-images/*/*.png"))) == 2
    page.reload()
    page.wait_for(".results .infotext", "Y Values")


def test_a_picture_that_was_not_saved_is_still_there_for_a_page_as_its_script_takes_it_back(service: GenerationService) -> None:
    service.settings.update({"samples_save": False})
    task = service.submit(ask()).wait(PATIENCE)
    (address,) = (picture["url"] for picture in pictures(task))
    task.hide(task.images)
    assert task.images == ()
    app = FastAPI()
    app.include_router(build_routes(service))
    with TestClient(app) as http:
        answer = http.get(f"/{address}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        task.forget_pixels()
        assert http.get(f"/{address}").status_code == 404

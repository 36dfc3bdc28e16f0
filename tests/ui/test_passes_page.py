"""Hires. fix and Refiner on the txt2img tab, in a real browser."""

from collections.abc import Iterator
from itertools import product

import pytest
from playwright.sync_api import Page, expect

from backend import plan_passes
from backend.errors import WebUIError
from backend.request import Hires, Refiner, Size
from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img

PASTED = (
    "a lake\nSteps: 6, Sampler: Euler, Schedule type: Automatic, CFG scale: 5, Seed: 3, Size: 128x128, Model hash: 0000000000, Model: demo, "
    "Denoising strength: 0.45, Hires prompt: a deep lake, Hires upscale: 1.5, Hires steps: 4, Hires upscaler: Lanczos, "
    "Refiner: other [0000000000], Refiner switch at: 0.6, Version: v1.10.1"
)


def switch(page: Page, elem_id: str) -> None:
    page.locator(f"[id='{elem_id}'] input").click()


def test_the_hires_pass_is_asked_for_and_tells_its_size(page: Txt2img, service: FakeService) -> None:
    expect(page.page.locator("#txt2img_hr_upscaler")).to_be_hidden()
    switch(page.page, "txt2img_hr-checkbox")
    page.choose("txt2img_hr_upscaler", "Lanczos")
    page.set("hires_steps", 4)
    page.set("denoising_strength", 0.4)
    expect(page.page.locator("#txt2img_hr .final")).to_have_text("from 128x128 to 256x256")
    page.set("hr_resize_x", 192)
    expect(page.page.locator("#txt2img_hr .final")).to_have_text("from 128x128 to 192x192")
    expect(page.page.locator("#txt2img_hr_prompt")).to_be_hidden()
    page.reload()
    expect(page.page.locator("#txt2img_hr .final")).to_have_text("from 128x128 to 192x192")
    page.generate()
    page.wait_finished()
    asked = service.tasks()[0].request
    assert (asked.hires, asked.refiner, asked.denoising_strength) == (Hires(upscaler="Lanczos", steps=4, resize_x=192), None, 0.4)


def test_both_come_back_from_pasted_parameters_and_leave_with_the_next(page: Txt2img, service: FakeService) -> None:
    page.prompt(PASTED)
    page.page.click("#paste")
    expect(page.page.locator("#txt2img_hr_prompt textarea")).to_have_value("a deep lake")
    expect(page.page.locator("#txt2img_hr_prompt")).to_be_visible()
    expect(page.page.locator("#txt2img_hr_sampler")).to_be_hidden()
    expect(page.page.locator("#txt2img_checkpoint input")).to_have_value("other.safetensors [0000000000]")
    page.generate()
    page.wait_finished()
    page.prompt(PASTED.replace("Hires", "No").replace("Refiner", "None").replace("Seed: 3", "Seed: 2000"))
    page.page.click("#paste")
    expect(page.page.locator("#txt2img_hr_upscaler")).to_be_hidden()
    page.generate()
    page.wait_for(".infotext", "Seed: 2000")
    first, second = (task.request for task in service.tasks())
    assert first.hires == Hires(upscaler="Lanczos", scale=1.5, steps=4, prompt="a deep lake")
    assert (first.refiner, first.denoising_strength) == (Refiner(checkpoint="other.safetensors", switch_at=0.6), 0.45)
    assert (second.prompt, second.hires, second.refiner) == ("a lake", None, None)


def test_a_picture_is_enlarged_with_its_seed_and_the_hires_settings(page: Txt2img, service: FakeService) -> None:
    page.set("width", 256)
    page.set("batch_size", 2)
    page.generate()
    page.wait_finished(2)
    page.pick_thumb(0)
    switch(page.page, "txt2img_hr-checkbox")
    page.set("hr_scale", 1.5)
    switch(page.page, "txt2img_hr-checkbox")
    page.page.click(".results .upscale")
    page.page.wait_for_function("document.querySelectorAll('.thumb').length === 1")
    page.wait_finished()
    first, second = service.tasks()
    asked = second.request
    assert (asked.seed.seed, asked.batch_size, asked.size) == (1000, 1, Size(width=256, height=128))
    assert asked.override_settings["save_images_before_highres_fix"] is False
    assert asked.hires is not None and asked.hires.picture is not None
    assert (asked.hires.scale, asked.hires.picture.tobytes()) == (1.5, first.images[0].image.tobytes())


@pytest.mark.parametrize("setting, row", [("hires_fix_show_sampler", "#txt2img_hr_sampler"), ("hires_fix_show_prompts", "#txt2img_hr_neg_prompt")])
def test_settings_show_more_of_the_hires_pass(page: Txt2img, service: FakeService, setting: str, row: str) -> None:
    service.settings.update({setting: True})
    page.reload()
    switch(page.page, "txt2img_hr-checkbox")
    expect(page.page.locator(row)).to_be_visible()


def test_the_size_told_is_the_size_drawn(page: Txt2img) -> None:
    asked, expected = zip(*sizes(), strict=True)
    assert len(asked) > 300
    assert page.page.evaluate("all => all.map(one => webui.hires.sizes(one, one.old).map(size => size.join('x')))", list(asked)) == list(expected)


def sizes() -> Iterator[tuple[dict[str, float], list[str]]]:
    """What is asked, and both sizes as the server decides them; without what the server refuses."""
    table = product(((512, 512), (520, 768), (1024, 328)), (1, 1.15, 1.7, 3.35), (0, 64, 600, 1000), (0, 344, 768, 1004), (False, True))
    for (width, height), scale, x, y, old in table:
        size, hires = Size(width=width, height=height), Hires(scale=scale, resize_x=x, resize_y=y)
        if old:
            size, hires = plan_passes._old_sizes(size, hires)
        try:
            _, final = plan_passes.target(size, hires)
        except WebUIError:
            continue
        values = {"width": width, "height": height, "hr_scale": scale, "hr_resize_x": x, "hr_resize_y": y, "old": old}
        yield values, [f"{size.width}x{size.height}", f"{final[0]}x{final[1]}"]


def test_a_new_upscaler_is_offered(page: Txt2img, service: FakeService) -> None:
    service.catalog.add("upscaler", "4x-Sharp.pth")
    switch(page.page, "txt2img_hr-checkbox")
    page.choose("txt2img_hr_upscaler", "4x-Sharp")
    expect(page.page.locator("#txt2img_hr_upscaler input")).to_have_value("4x-Sharp")

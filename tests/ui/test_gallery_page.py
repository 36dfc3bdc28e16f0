"""The gallery's tools in a real browser."""

from pathlib import Path

from playwright.sync_api import expect

from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img


def test_a_picture_is_looked_at_closely_saved_taken_home_and_deleted(page: Txt2img, service: FakeService, tmp_path: Path) -> None:
    page.set("batch_size", 3)
    page.generate()
    page.wait_finished(3)
    box, files = page.page.locator("dialog.lightbox"), page.gallery_files()
    page.page.click(".results .picture")
    expect(box.locator(".caption")).to_have_text(f"3 / 3 · {files[2]}")
    page.page.keyboard.press("ArrowRight")
    expect(box.locator(".caption")).to_have_text(f"1 / 3 · {files[0]}")
    page.page.mouse.move(400, 300)
    page.page.mouse.wheel(0, -600)
    expect(box).to_have_attribute("data-zoomed", "true")
    page.page.keyboard.press("s")
    expect(box.locator(".caption")).to_have_text(f"Saved: log/images/{files[0]}")
    page.page.keyboard.press("Escape")
    expect(box).not_to_be_visible()
    assert page.page.locator(".results .file").inner_text() == files[0]
    page.page.click(".results .save")
    expect(page.page.locator(".results .save")).to_have_text("Saved")
    assert len(list((service.folder / "log/images").glob("*.png"))) == 2
    with page.page.expect_download() as waiting:
        page.page.click(".results .zip")
    assert waiting.value.suggested_filename == f"{Path(files[0]).stem}.zip"
    page.page.once("dialog", lambda dialog: dialog.accept())
    page.page.click(".results .delete")
    expect(page.page.locator(".thumb")).to_have_count(2)
    assert page.gallery_files() == files[1:]

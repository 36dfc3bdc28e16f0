"""The img2img tab, in a real browser."""

import base64
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from backend.errors import WebUIError
from backend.exposure import Exposure
from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img
from ui import sources


@pytest.fixture
def img2img(page: Txt2img) -> Page:
    page.page.get_by_role("tab", name="img2img", exact=True).click()
    page.page.wait_for_selector(".sources")
    return page.page


def give(page: Page, folder: Path, selector: str = ".choose", *names: str) -> None:
    for name in names or ("start",):
        Image.new("RGB", (96, 64), (200, 30, 30)).save(folder / f"{name}.png")
    page.set_input_files(f".sources {selector}", [folder / f"{name}.png" for name in names or ("start",)])


def draw(page: Page) -> None:
    """A short stroke in the middle of the picture."""
    box = page.locator(".sources .strokes").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 20, y)
    page.mouse.down()
    page.mouse.move(x + 20, y)
    page.mouse.up()


def wait_task(page: Page, service: FakeService, tasks: int = 1) -> None:
    for _ in range(200):
        if len(service.tasks()) == tasks and all(task.ended.is_set() for task in service.tasks()):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{len(service.tasks())} tasks, {tasks} were expected")


def test_a_picture_goes_into_the_request_with_size_and_strength(img2img: Page, service: FakeService, tmp_path: Path) -> None:
    give(img2img, tmp_path)
    img2img.fill("#img2img_prompt textarea", "a house")
    expect(img2img.locator(".sources .size-of")).to_have_text("96 × 64")
    img2img.click("#img2img_detect_image_size_btn")
    expect(img2img.locator("#img2img_width input[type=number]")).to_have_value("96")
    img2img.click("#img2img_generate")
    wait_task(img2img, service)
    asked = service.tasks()[0].request
    assert asked.init is not None
    assert asked.init.inpaint is None
    assert (asked.prompt, asked.init.images[0].size, asked.init.images[0].getpixel((5, 5))) == ("a house", (96, 64), (200, 30, 30))
    assert (asked.size.width, asked.size.height, asked.denoising_strength) == (96, 64, 0.75)


def test_a_stroke_is_the_mask_of_inpainting(img2img: Page, service: FakeService, tmp_path: Path) -> None:
    give(img2img, tmp_path)
    expect(img2img.locator("#img2img_mask_blur")).to_be_hidden()
    img2img.click(".sources .modes [data-mode=inpaint]")
    expect(img2img.locator("#img2img_mask_blur")).to_be_visible()
    draw(img2img)
    img2img.locator("#img2img_inpaint_full_res").get_by_text("Only masked").click()
    img2img.click("#img2img_generate")
    wait_task(img2img, service)
    init = service.tasks()[0].request.init
    assert init is not None
    assert init.inpaint is not None
    assert init.inpaint.mask is not None
    mask = init.inpaint.mask.convert("L")
    assert (mask.size, mask.getpixel((48, 32)), mask.getpixel((2, 2))) == ((96, 64), 255, 0)
    assert (init.inpaint.only_masked, init.inpaint.fill, init.inpaint.padding, init.inpaint.blur) == (True, 1, 32, 4)
    assert init.images[0].getpixel((48, 32))[:3] == (200, 30, 30)


def test_a_sketch_is_drawn_into_the_picture_and_undone(img2img: Page, service: FakeService, tmp_path: Path) -> None:
    give(img2img, tmp_path)
    img2img.click(".sources .modes [data-mode=sketch]")
    img2img.locator(".sources .color").fill("#0000ff")
    draw(img2img)
    img2img.click("#img2img_generate")
    wait_task(img2img, service)
    img2img.click(".sources .undo")
    img2img.click("#img2img_generate")
    wait_task(img2img, service, 2)
    middles = [task.request.init.images[0].convert("RGB").getpixel((48, 32)) for task in service.tasks() if task.request.init]
    assert middles == [(0, 0, 255), (200, 30, 30)]


def test_each_picture_of_a_batch_is_a_task_and_a_picture_is_asked_for(img2img: Page, service: FakeService, tmp_path: Path) -> None:
    img2img.click("#img2img_generate")
    expect(img2img.locator("#img2img_gallery .error")).to_contain_text("needs a picture")
    img2img.click(".sources .modes [data-mode=batch]")
    give(img2img, tmp_path, ".choose-batch", "one", "two")
    img2img.locator("#img2img_resize_kind").get_by_text("Resize by").click()
    img2img.locator("#img2img_scale input[type=number]").fill("2")
    img2img.locator("#img2img_scale input[type=number]").blur()
    img2img.click("#img2img_generate")
    wait_task(img2img, service, 2)
    assert [(task.request.size.width, task.request.size.height) for task in service.tasks()] == [(192, 128), (192, 128)]


def test_a_directory_is_one_task_of_the_script_for_it(img2img: Page, service: FakeService) -> None:
    (service.folder / "in").mkdir()
    Image.new("RGB", (96, 64)).save(service.folder / "in" / "one.png")
    img2img.click(".sources .modes [data-mode=batch]")
    expect(img2img.locator(".sources .batch-folder")).to_be_hidden()
    img2img.click(".sources [data-batch=folder]")
    expect(img2img.locator(".sources .batch-drop")).to_be_hidden()
    img2img.click("#img2img_generate")
    expect(img2img.locator("#img2img_gallery .error")).to_contain_text("Name the input directory")
    img2img.get_by_label("Input directory", exact=True).fill("/etc")
    img2img.click("#img2img_generate")
    expect(img2img.locator("#img2img_gallery .error")).to_contain_text("may not be used")
    img2img.get_by_label("Input directory", exact=True).fill("in")
    img2img.get_by_label("Output directory").fill("out")
    img2img.get_by_text("PNG info", exact=True).click()
    img2img.get_by_label("Append png info to prompts").check()
    img2img.locator(".batch-folder").get_by_label("Seed").check()
    img2img.click("#img2img_generate")
    wait_task(img2img, service)
    script = service.tasks()[0].request.script
    assert script is not None
    assert (script.title, {key: value for key, value in script.values.items() if value}) == (
        sources.BATCH,
        {"input_dir": "in", "output_dir": "out", "use_png_info": True, "png_info_props": ["Seed"]},
    )
    expect(img2img.locator("#img2img_script_list")).to_have_count(0)
    service.exposure = Exposure(open=True, changes=False)
    img2img.click("#img2img_generate")
    expect(img2img.locator("#img2img_gallery .error")).to_contain_text("read and write folders of the server")
    assert len(service.tasks()) == 1


def test_keys_zoom_move_and_fill_the_screen(img2img: Page, tmp_path: Path) -> None:
    give(img2img, tmp_path)
    img2img.click(".sources .modes [data-mode=inpaint]")
    stage, brush = img2img.locator(".sources .stage"), img2img.locator(".sources .size input")
    stage.hover()
    before = float(brush.input_value())
    img2img.keyboard.press("w")
    assert float(brush.input_value()) == before + 5
    img2img.keyboard.press("q")
    assert float(brush.input_value()) == before
    img2img.keyboard.press("s")
    expect(img2img.locator(".sources")).to_have_attribute("data-full", "true")
    box = img2img.locator(".sources").bounding_box()
    assert box and (box["x"], box["y"], box["width"]) == (0, 0, 1280)
    img2img.keyboard.down("Alt")
    for _ in range(12):
        img2img.mouse.wheel(0, -100)
    img2img.keyboard.up("Alt")
    wide = img2img.locator(".sources .strokes").bounding_box()
    assert wide and wide["width"] > 2000
    img2img.keyboard.down("f")
    img2img.mouse.move(400, 400)
    img2img.mouse.move(300, 350)
    img2img.keyboard.up("f")
    img2img.wait_for_function("document.querySelector('.sources .stage').scrollLeft >= 100")
    img2img.keyboard.press("r")
    fitted = img2img.locator(".sources .strokes").bounding_box()
    assert fitted and fitted["width"] < 1300
    img2img.keyboard.press("s")
    expect(img2img.locator(".sources")).to_have_attribute("data-full", "false")


def test_a_finished_picture_is_sent_to_inpaint_with_its_parameters(page: Txt2img) -> None:
    page.prompt("a barn")
    page.set("steps", 6)
    page.generate()
    page.wait_finished()
    page.page.locator("#txt2img_gallery .sends").get_by_text("→ inpaint").click()
    expect(page.page.locator(".sources .size-of")).to_have_text("128 × 128")
    expect(page.page.locator(".sources")).to_have_attribute("data-mode", "inpaint")
    expect(page.page.locator("#img2img_prompt textarea")).to_have_value("a barn")
    expect(page.page.locator("#img2img_steps input[type=number]")).to_have_value("6")


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(WebUIError, match="no picture that can be read"):
        list(sources.requests({}, '{"mode": "img2img", "images": ["data:image/png;base64,AAAA"]}'))
    with pytest.raises(WebUIError, match="too large: up to 89 megapixels"):
        header = base64.b64encode(b"P6 20000 20000 255 ").decode()  # of a picture, and no pixels behind it
        list(sources.requests({}, f'{{"mode": "img2img", "images": ["data:image/x-portable-pixmap;base64,{header}"]}}'))
    with pytest.raises(WebUIError, match="needs a mask"):
        pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
        list(sources.requests({}, f'{{"mode": "inpaint", "images": ["{pixel}"]}}'))

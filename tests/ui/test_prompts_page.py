"""Around the prompt boxes, in a real browser: styles, tokens, parameters of a picture, what survives a reload."""

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect

from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img

PARAMETERS = (
    "a fox\nNegative prompt: blurry\nSteps: 9, Sampler: Euler a, Schedule type: Karras, CFG scale: 4.5, Seed: 77, Size: 256x192, "
    "Clip skip: 2, Variation seed: 5, Variation seed strength: 0.3"
)
DROP = """async ([selector, bytes, kind]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], 'picture.png', { type: 'image/png' }));
    const event = kind === 'drop' ? new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data })
                                  : new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData: data });
    document.querySelector(selector).dispatchEvent(event);
}"""


def png(folder: Path, text: str) -> list[int]:
    info = PngInfo()
    info.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(folder / "picture.png", pnginfo=info)
    return list((folder / "picture.png").read_bytes())


def wait_value(page: Page, selector: str, value: str) -> None:
    expect(page.locator(selector)).to_have_value(value)


def test_a_picture_that_is_dropped_or_pasted_onto_the_prompt_fills_the_page(page: Txt2img, service: FakeService, tmp_path: Path) -> None:
    page.page.evaluate(DROP, ["#txt2img_prompt textarea", png(tmp_path, PARAMETERS), "drop"])
    wait_value(page.page, "#txt2img_prompt textarea", "a fox")
    wait_value(page.page, "#txt2img_steps input[type=number]", "9")
    assert page.size() == (256, 192)
    expect(page.page.locator("#txt2img_override_settings")).to_contain_text("Clip skip: 2")
    page.generate()
    page.wait_finished()
    asked = service.tasks()[0].request
    assert (asked.sampling.sampler, asked.sampling.scheduler, asked.seed.seed, asked.seed.subseed_strength) == ("Euler a", "Karras", 77, 0.3)
    assert asked.override_settings["CLIP_stop_at_last_layers"] == "2"
    page.page.evaluate(DROP, ["#txt2img_neg_prompt textarea", png(tmp_path, "a hare\nSteps: 3, Sampler: DDIM, Seed: 1, Size: 64x64"), "paste"])
    wait_value(page.page, "#txt2img_prompt textarea", "a hare")
    expect(page.page.locator("#txt2img_override_settings")).to_be_hidden()


def test_the_arrow_reads_the_prompt_box_or_the_last_picture(page: Txt2img) -> None:
    page.prompt(PARAMETERS)
    page.page.click("#paste")
    wait_value(page.page, "#txt2img_prompt textarea", "a fox")
    page.set("steps", 4)
    page.generate()
    page.wait_finished()
    page.reload()
    page.page.once("dialog", lambda dialog: dialog.accept())
    page.page.click("#txt2img_clear_prompt")
    wait_value(page.page, "#txt2img_prompt textarea", "")
    page.set("steps", 20)
    page.page.click("#paste")
    wait_value(page.page, "#txt2img_steps input[type=number]", "4")
    wait_value(page.page, "#txt2img_neg_prompt textarea", "blurry")


def test_only_what_differs_from_the_page_is_kept(page: Txt2img) -> None:
    kept = "JSON.parse(localStorage.getItem('webui-form-txt2img') || '{}')"
    page.set("steps", 9)
    page.set("batch_count", 2)
    page.page.wait_for_function(f"Object.keys({kept}).length === 2")
    assert page.page.evaluate(kept) == {"steps": 9, "n_iter": 2}
    page.set("batch_count", 1)
    page.page.wait_for_function(f"Object.keys({kept}).length === 1")
    for _ in range(2):
        page.page.reload()
        page.page.wait_for_selector("#txt2img_generate")  # and left again before all has settled
    page.reload()
    expect(page.page.locator("#txt2img_steps input[type=number]")).to_have_value("9")


def test_what_was_typed_and_set_survives_a_reload(page: Txt2img) -> None:
    page.prompt("kept ${alert(1)}")
    page.set("steps", 33)
    page.set("width", 320)
    page.choose("txt2img_sampling", "Euler a")
    page.page.wait_for_function("JSON.parse(localStorage.getItem('webui-form-txt2img') || '{}').sampler_name === 'Euler a'")
    page.reload()
    wait_value(page.page, "#txt2img_prompt textarea", "kept ${alert(1)}")
    wait_value(page.page, "#txt2img_sampling input", "Euler a")
    assert (page.value("steps"), page.size()) == (33, (320, 128))


def test_tokens_are_counted_as_one_types(page: Txt2img) -> None:
    page.page.locator("#txt2img_prompt textarea").type("a red fox")
    expect(page.page.locator("#txt2img_token_counter")).to_have_text("3/75")
    page.prompt(", ".join(["fox"] * 50))
    expect(page.page.locator("#txt2img_token_counter")).to_have_text("99/150")


def test_a_style_is_written_chosen_applied_and_deleted(page: Txt2img, service: FakeService) -> None:
    page.page.click("#txt2img_styles_edit_button")
    dialog = page.page.locator(".webui-dialog")
    dialog.locator(".name").fill("<b>Ink</b>")
    dialog.locator(".text").fill("ink drawing of {prompt}")
    dialog.locator(".negative").fill("photo")
    dialog.get_by_text("Save", exact=True).click()
    expect(dialog.locator(".note")).to_have_text("Saved.")
    assert service.styles.table.styles["<b>Ink</b>"].prompt == "ink drawing of {prompt}"
    dialog.get_by_text("Close", exact=True).click()
    page.prompt("a fox")
    page.choose("txt2img_styles", "<b>Ink</b>")
    page.page.keyboard.press("Escape")
    page.generate()
    page.wait_finished()
    assert service.tasks()[0].request.styles == ("<b>Ink</b>",)
    page.page.click("#txt2img_style_apply")
    wait_value(page.page, "#txt2img_prompt textarea", "ink drawing of a fox")
    wait_value(page.page, "#txt2img_neg_prompt textarea", "photo")
    page.page.click("#txt2img_styles_edit_button")
    page.page.once("dialog", lambda shown: shown.accept())
    dialog.locator(".name").fill("<b>Ink</b>")
    dialog.get_by_text("Delete", exact=True).click()
    expect(dialog.locator(".note")).to_have_text("Deleted.")
    assert not service.styles.table.styles

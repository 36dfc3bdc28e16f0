"""Cards over the real library, its files and its routes, in a real browser; only the drawing is pretended."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from backend.guard import Guard
from backend.images.metadata import infotext_of
from backend.service import GenerationService
from tests.backend.stage import open_service, write_safetensors
from tests.serving import serve
from tests.ui.conftest import page_app
from tests.ui.page import Txt2img, open_page

LORA = '{"lora_unet_x.lora_up.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
DROP = """([name, header, rest]) => {
    const text = new TextEncoder().encode(header), length = new Uint8Array(8), data = new DataTransfer();
    length[0] = text.length;
    data.items.add(new File([length, text, new Uint8Array(rest)], name));
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path)
    yield service
    service.close()


@pytest.fixture
def page(browser: Browser, service: GenerationService) -> Iterator[Txt2img]:
    with serve(Guard(page_app(service))) as url, open_page(browser, url) as page:  # type: ignore[arg-type]
        yield page


@pytest.fixture
def cards(page: Txt2img) -> Locator:
    page.page.get_by_role("tab", name="Lora", exact=True).click()
    return page.page.locator("#txt2img_lora_cards .card")


def loras(service: GenerationService) -> Path:
    return service.paths.loras[0]


def test_notes_and_the_last_picture_are_written_beside_the_file_and_its_card_follows(page: Txt2img, service: GenerationService, cards: Locator) -> None:
    (loras(service) / "ink.json").write_text('{"civitai": 3}')
    page.page.get_by_role("tab", name="Generation", exact=True).first.click()
    page.set("steps", 2)
    page.generate()
    page.wait_finished()
    page.page.get_by_role("tab", name="Lora", exact=True).click()
    assert "/internal/thumbnail/" not in cards.inner_html()
    cards.hover()
    cards.get_by_role("button", name="Notes and facts").click()
    dialog = page.page.get_by_role("dialog")
    dialog.locator(".trained button", has_text="cat").click()
    expect(dialog.locator("[name='activation text']")).to_have_value("cat")
    dialog.locator("[name='preferred weight']").fill("0.6")
    dialog.locator("[name=description]").fill("<b>lines</b>")
    expect(dialog.locator("details", has_text="What the file says")).to_contain_text("indian-ink")
    dialog.get_by_text("Use last picture as preview").click()
    expect(dialog.get_by_text("The picture is its preview now")).to_be_visible()
    dialog.get_by_text("Save").click()
    expect(dialog).to_have_count(0)
    expect(cards.locator(".d")).to_have_text("<b>lines</b> · “cat”")
    expect(cards.locator(".pic img")).to_be_visible()
    notes = json.loads((loras(service) / "ink.json").read_text())
    assert notes == {
        "civitai": 3,
        "description": "<b>lines</b>",
        "activation text": "cat",
        "preferred weight": 0.6,
        **dict.fromkeys(("negative text", "notes", "sd version"), ""),
    }
    assert "Steps: 2" in infotext_of(Image.open(loras(service) / "ink.preview.png"))
    cards.locator(".pick").click()
    expect(page.page.locator("#txt2img_prompt textarea")).to_have_value("<lora:ink:0.6> cat")


def test_a_file_dropped_onto_the_page_is_on_the_disk_and_its_card_appears(page: Txt2img, service: GenerationService, cards: Locator) -> None:
    page.page.evaluate(DROP, ["new ink.safetensors", LORA, [0] * 4])
    expect(page.page.locator(".upload .said")).to_have_text("It is in the Lora list now.")
    expect(cards.filter(has_text="new ink")).to_be_visible()
    assert (loras(service) / "new ink.safetensors").read_bytes()[8:].startswith(LORA.encode())


def test_a_cut_off_file_is_refused_in_a_sentence_and_nothing_is_kept(page: Txt2img, service: GenerationService, cards: Locator) -> None:
    page.page.evaluate(DROP, ["bad.safetensors", LORA, [0] * 3])
    said = page.page.locator(".upload[data-state=failed] .said")
    expect(said).to_contain_text("bad.safetensors")
    expect(said).to_contain_text("download it again")
    assert [path.name for path in loras(service).glob("*.safetensors")] == ["ink.safetensors"]
    page.problems.clear()  # the browser reports the refusal in its console


def open_notes(page: Txt2img, cards: Locator) -> Locator:
    cards.hover()
    cards.get_by_role("button", name="Notes and facts").click()
    return page.page.get_by_role("dialog")


def test_words_that_are_typed_are_kept_until_they_are_saved_and_those_of_other_programs_stay(page: Txt2img, service: GenerationService, cards: Locator) -> None:
    (loras(service) / "ink.json").write_text('{"sd version": "Pony"}')
    service.catalog.refresh("lora")
    dialog = open_notes(page, cards)
    expect(dialog.locator("[name='sd version']")).to_have_value("Pony")
    dialog.locator("[name=notes]").fill("with a wide brush")
    page.page.mouse.click(3, 3)  # beside the dialog
    expect(dialog.locator("[name=notes]")).to_have_value("with a wide brush")
    dialog.locator("[name='preferred weight']").fill("0.7")
    dialog.locator("[name='preferred weight']").press("Enter")
    expect(dialog).to_have_count(0)
    notes = json.loads((loras(service) / "ink.json").read_text())
    assert (notes["notes"], notes["preferred weight"], notes["sd version"]) == ("with a wide brush", 0.7, "Pony")
    open_notes(page, cards)
    expect(dialog.get_by_role("button", name="Save")).to_be_enabled()
    page.page.mouse.click(3, 3)
    expect(dialog).to_have_count(0)


def test_notes_that_could_not_be_read_are_not_written_over(page: Txt2img, service: GenerationService, cards: Locator) -> None:
    page.page.route("**/internal/library/lora/notes/**", lambda route: route.fulfill(status=500, body="{}"))
    dialog = open_notes(page, cards)
    expect(dialog.get_by_role("alert")).to_contain_text("cannot be read now")
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    dialog.locator("[name='preferred weight']").press("Enter")
    expect(dialog).to_be_visible()
    assert not (loras(service) / "ink.json").exists()
    page.problems.clear()  # the browser reports the failure in its console


def test_previews_are_made_for_the_cards_without_one_and_what_failed_is_told(page: Txt2img, service: GenerationService, cards: Locator) -> None:
    write_safetensors(loras(service) / "wrong.safetensors", {"n": "2"})
    (loras(service) / "wrong.json").write_text('{"activation text": "refuse"}')
    service.catalog.refresh()
    below = page.page.locator("#txt2img_lora_cards .previews")
    below.get_by_role("button", name="Make previews for all cards without one").click()
    expect(below.locator(".told")).to_contain_text("Previews done: 2 of 2, 1 failed")
    expect(cards.filter(has_text="ink").locator(".pic img")).to_be_visible()
    page.reload()
    page.page.get_by_role("tab", name="Lora", exact=True).click()
    expect(below.locator(".told")).to_contain_text("Previews done: 2 of 2, 1 failed")


def test_previews_pause_for_a_reload_and_are_stopped(page: Txt2img, service: GenerationService, cards: Locator) -> None:
    service.settings.update({"card_previews_prompt": "hang"})
    below = page.page.locator("#txt2img_lora_cards .previews")
    below.get_by_role("button", name="Make previews").click()
    below.get_by_role("button", name="Pause").click()
    expect(below.locator(".told")).to_have_text("Previews paused: 0 of 1")
    page.reload()
    page.page.get_by_role("tab", name="Lora", exact=True).click()
    below.get_by_role("button", name="Continue").click()
    below.get_by_role("button", name="Stop").click()
    expect(below.locator(".told")).to_have_text("Previews stopped: 0 of 1")
    expect(below.get_by_role("button", name="Make previews")).to_be_visible()


def test_hostile_names_and_metadata_are_only_text(page: Txt2img, service: GenerationService, cards: Locator) -> None:
    """What ran would show in the console, and the page's own check finds it there."""
    evil = "<img src=x onerror=console.error(1)> ${console.error(2)} {{this}}"
    (loras(service) / "ink.safetensors").unlink()
    write_safetensors(loras(service) / f"{evil}.safetensors", {"ss_output_name": evil, "ss_tag_frequency": json.dumps({evil: {evil: 3}}), evil: evil})
    (loras(service) / f"{evil}.json").write_text(json.dumps(dict.fromkeys(("description", "activation text", "negative text", "notes", "sd version"), evil)))
    service.catalog.refresh()
    expect(cards.locator(".n")).to_have_text(evil)
    dialog = open_notes(page, cards)
    expect(dialog.locator("[name=notes]")).to_have_value(evil)
    dialog.locator("summary").first.click()
    expect(dialog.locator("td", has_text=evil).first).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    cards.locator(".pick").click()
    expect(page.page.locator("#txt2img_prompt textarea")).to_have_value(re.compile(r"console\.error"))
    assert page.page.locator("img[src=x]").count() == 0

"""Cards, sliders, undo and the prompt's keys in a real browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img
from ui.network_routes import weight_range


@pytest.fixture
def box(page: Txt2img) -> Locator:
    return page.page.locator("#txt2img_prompt textarea")


@pytest.fixture
def cards(page: Txt2img) -> Callable[[str], Locator]:
    """The cards of a tab, by its label; it is opened first."""

    def open_tab(label: str) -> Locator:
        page.page.get_by_role("tab", name=label, exact=True).click()
        kind = {"Lora": "lora", "Checkpoints": "checkpoint", "Textual Inversion": "embedding"}[label]
        return page.page.locator(f"#txt2img_{kind}_cards .card .pick")

    return open_tab


def set_range(page: Txt2img, value: float, at: int = 0) -> None:
    page.page.locator(".loras input[type=range]").nth(at).evaluate("(one, value) => { one.value = value; one.dispatchEvent(new Event('input')); }", value)


def test_a_click_puts_tag_and_words_in_and_another_takes_them_out(page: Txt2img, service: FakeService, box: Locator, cards: Callable[[str], Locator]) -> None:
    service.catalog.add("lora", "ink.safetensors", sidecar='{"negative text": "colour"}')
    page.prompt("a cat")
    neon, ink = cards("Lora").filter(has_text="neon"), cards("Lora").filter(has_text="ink")
    neon.click()
    expect(box).to_have_value("a cat <lora:neon:0.8> glowing neon")
    expect(neon).to_have_attribute("aria-pressed", "true")
    ink.press("Enter")
    expect(box).to_have_value("a cat <lora:neon:0.8> glowing neon <lora:ink:1>")
    expect(page.page.locator("#txt2img_neg_prompt textarea")).to_have_value("colour")
    neon.click()
    ink.click()
    expect(box).to_have_value("a cat")
    expect(page.page.locator("#txt2img_neg_prompt textarea")).to_have_value("")
    expect(neon).to_have_attribute("aria-pressed", "false")


def test_the_default_weight_is_the_settings(page: Txt2img, service: FakeService, box: Locator, cards: Callable[[str], Locator]) -> None:
    service.catalog.add("lora", "ink.safetensors")
    service.settings.update({"extra_networks_default_multiplier": 0.65})
    page.reload()
    cards("Lora").filter(has_text="ink").click()
    expect(box).to_have_value("<lora:ink:0.65>")


def test_an_embedding_puts_its_word_into_the_prompt_that_was_used_last(page: Txt2img, service: FakeService, cards: Callable[[str], Locator]) -> None:
    service.catalog.add("embedding", "badhands.pt")
    negative = page.page.locator("#txt2img_neg_prompt textarea")
    negative.fill("blurry")
    card = cards("Textual Inversion")
    card.click()
    expect(negative).to_have_value("blurry badhands")
    card.click()
    expect(negative).to_have_value("blurry")


def test_a_card_chooses_the_checkpoint(page: Txt2img, service: FakeService, cards: Callable[[str], Locator]) -> None:
    other = cards("Checkpoints").filter(has_text="other")
    other.click()
    expect(other).to_have_attribute("aria-pressed", "true")
    page.generate()
    page.wait_finished()
    assert service.tasks()[0].request.override_settings == {"sd_model_checkpoint": "other.safetensors"}


def test_search_chips_and_folders_show_what_they_name_with_numbers(page: Txt2img, service: FakeService, cards: Callable[[str], Locator]) -> None:
    for name, family in (("people/ann.safetensors", "SDXL"), ("people/bob.safetensors", "SDXL"), ("old.safetensors", "SD1")):
        service.catalog.add("lora", name)
        service.library.families[name] = family
    service.library.refused = [{"name": "cut.safetensors", "reason": "cut.safetensors is cut off: download it again."}]
    shown = cards("Lora")
    expect(shown).to_have_count(4)
    panel = page.page.locator("#txt2img_lora_cards")
    assert panel.locator(".chips-of-families .chip").all_inner_texts()[:3] == ["All 4", "SD1 2", "SDXL 2"]
    panel.locator(".chip", has_text="SDXL").click()
    expect(shown).to_have_count(2)
    expect(panel.locator(".count")).to_have_text("2 of 4 Loras")
    panel.locator(".chip", has_text="All").click()
    panel.locator(".search").fill("glowing")
    expect(shown).to_have_count(1)
    panel.locator(".search").fill("")
    panel.locator(".chips-of-folders .chip", has_text="people/").click()
    expect(shown).to_have_count(2)
    panel.locator(".chip", has_text="cannot be used").click()
    expect(panel.locator(".refused")).to_contain_text("cut.safetensors is cut off")


def test_a_badge_says_what_fits(service: FakeService, cards: Callable[[str], Locator]) -> None:
    service.library.fits["styles/neon.safetensors"] = ("none", "not at all")
    service.library.families["styles/neon.safetensors"] = "SDXL"
    expect(cards("Lora").locator(".badge")).to_have_text("SDXL – not for this one")


def test_of_three_hundred_cards_only_the_visible_ones_exist_and_the_last_is_reached(
    page: Txt2img, service: FakeService, cards: Callable[[str], Locator]
) -> None:
    for number in range(300):
        service.catalog.add("lora", f"many/{number:04}.safetensors")
    shown = cards("Lora")
    expect(page.page.locator("#txt2img_lora_cards .count")).to_have_text("301 Loras")  # the page hears of new files while they are added
    scroller = page.page.locator("#txt2img_lora_cards .scroller")
    # two frames later: a scroll bar that has just come makes the cards narrower, and the list shorter
    scroller.evaluate("one => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => { one.scrollTop = one.scrollHeight; done(); })))")
    expect(shown.filter(has_text="neon")).to_be_visible()
    assert page.page.locator("#txt2img_lora_cards *").count() < 400


def test_cards_that_came_while_the_library_was_asked_again_are_not_lost(page: Txt2img, service: FakeService, cards: Callable[[str], Locator]) -> None:
    for number in range(300):
        service.catalog.add("lora", f"many/{number:04}.safetensors")
    page.reload()  # it knows of all from the start, and asks again for no other reason
    tab, shown, held = page.page, cards("Lora"), list[Route]()
    expect(tab.locator("#txt2img_lora_cards .count")).to_have_text("301 Loras")
    tab.route(re.compile("internal/library/lora[?].*start=0&"), lambda route: held.append(route))
    tab.evaluate("webui.networks.refreshAll()")
    page.wait_until(lambda: bool(held))
    with tab.expect_response(re.compile("start=300&")):
        tab.locator("#txt2img_lora_cards .scroller").evaluate("one => { one.scrollTop = one.scrollHeight; }")
    shown.filter(has_text="neon").evaluate("one => { one.dataset.before = ''; }")
    for route in held:
        route.continue_()
    expect(shown.and_(tab.locator("[data-before]"))).to_have_count(0)  # the answer that was held has come: all are drawn anew
    expect(shown.filter(has_text="neon")).to_be_visible()


def test_a_new_file_appears_by_itself(service: FakeService, cards: Callable[[str], Locator]) -> None:
    shown = cards("Lora")
    expect(shown).to_have_count(1)
    service.catalog.add("lora", "fresh.safetensors")
    expect(shown.filter(has_text="fresh")).to_be_visible()


def test_a_favourite_is_kept_and_counted(page: Txt2img, service: FakeService, cards: Callable[[str], Locator]) -> None:
    cards("Lora").hover()
    page.page.locator("#txt2img_lora_cards .star").click()
    expect(page.page.locator("#txt2img_lora_cards [data-chip=favourites]")).to_have_text("★ 1")
    assert service.library.favourites == {"styles/neon.safetensors"}


def test_sliders_and_text_follow_each_other_without_a_lost_update(page: Txt2img, box: Locator) -> None:
    page.prompt("a <lora:neon:0.5:te=0.3> b <lora:neon:1>")
    ranges = page.page.locator(".loras input[type=range]")
    expect(ranges).to_have_count(2)
    for step in range(40):
        set_range(page, step / 40, at=1)
    set_range(page, 0.95, at=1)
    expect(box).to_have_value("a <lora:neon:0.5:te=0.3> b <lora:neon:0.95>")
    page.prompt("a <lora:neon:0.7:0.2>")
    for one, value in zip(ranges.all(), ("0.7", "0.2"), strict=True):  # text encoder and U-Net apart
        expect(one).to_have_value(value)
    page.page.click(".loras .apart")
    expect(box).to_have_value("a <lora:neon:0.7>")


def test_a_switched_off_row_keeps_its_weight_and_its_place(page: Txt2img, box: Locator) -> None:
    page.prompt("a cat <lora:neon:0.35>, on a mat")
    page.page.click(".loras .switch")
    expect(box).to_have_value("a cat, on a mat")
    page.page.click(".loras .switch")
    expect(box).to_have_value("a cat <lora:neon:0.35>, on a mat")
    page.page.click(".loras .remove")
    expect(box).to_have_value("a cat, on a mat")
    expect(page.page.locator(".loras .row")).to_have_count(0)


def test_clicks_and_typing_are_undone_and_redone_step_by_step(page: Txt2img, box: Locator, cards: Callable[[str], Locator]) -> None:
    box.click()
    page.page.keyboard.type("a cat")
    cards("Lora").click()
    set_range(page, 0.3)
    expect(box).to_have_value("a cat <lora:neon:0.3> glowing neon")
    for value in ("a cat <lora:neon:0.8> glowing neon", "a cat"):
        box.press("Control+z")
        expect(box).to_have_value(value)
    box.press("Control+Shift+z")
    page.page.click(".loras .redo")
    expect(box).to_have_value("a cat <lora:neon:0.3> glowing neon")


@pytest.mark.parametrize(
    ("text", "caret", "keys", "wanted"),
    [
        ("a red cat", 4, "Control+ArrowUp", "a (red:1.1) cat"),
        ("a (red:1.1) cat", 5, "Control+ArrowUp", "a (red:1.2) cat"),
        ("a (red:1.1) cat", 5, "Control+ArrowDown", "a red cat"),
        ("a ((red)) cat", 5, "Control+ArrowUp", "a (red:1.31) cat"),
        ("a <lora:neon:0.8:te=1> cat", 6, "Control+ArrowDown", "a <lora:neon:0.75:te=1> cat"),
        ("red, big, cat", 6, "Alt+ArrowRight", "red, cat, big"),
        ("red, big, cat", 6, "Alt+ArrowLeft", "big, red, cat"),
    ],
)
def test_keys_change_weights_and_move_words(page: Txt2img, box: Locator, text: str, caret: int, keys: str, wanted: str) -> None:
    page.prompt(text)
    box.evaluate("(one, caret) => { one.focus(); one.setSelectionRange(caret, caret); }", caret)
    page.page.keyboard.press(keys)
    expect(box).to_have_value(wanted)


def test_a_draft_follows_the_slider_and_the_queue_does_not_grow(page: Txt2img, service: FakeService) -> None:
    page.prompt("a cat <lora:neon:0.8>")
    page.set("batch_count", 4)
    service.hold()
    page.page.click(".loras .live")
    for step in range(10):
        set_range(page, step / 10)
        page.page.wait_for_timeout(30)
    service.release()
    expect(page.page.locator(".loras .draft img")).to_be_visible()
    page.page.wait_for_function("document.querySelector('.loras .draft .state').textContent.includes('seed') || !document.querySelector('.draft img').hidden")
    page.wait_until(lambda: service.tasks()[-1].request.prompt == "a cat <lora:neon:0.9>")
    drafts = [task for task in service.tasks() if task.id.startswith("draft-")]
    assert len(drafts) <= 2
    assert (drafts[-1].request.prompt, drafts[-1].request.n_iter, drafts[-1].request.sampling.steps) == ("a cat <lora:neon:0.9>", 1, 8)


def test_the_range_of_a_slider_is_as_wide_as_the_notes_ask() -> None:
    assert weight_range("", "a fine style, 2 of 3") == (-1, 2)
    assert weight_range("weight from -3 to 3", "") == (-3, 3)
    assert weight_range("Strength: -2…1.5") == (-2, 2)


def test_a_lora_is_suggested_after_an_angle_bracket_and_taken_by_tab(page: Txt2img, box: Locator) -> None:
    box.click()
    page.page.keyboard.type("a cat <ne")
    expect(page.page.locator(".completions li")).to_contain_text(["neon"])
    page.page.keyboard.press("Tab")
    expect(box).to_have_value("a cat <lora:neon:0.8> glowing neon")
    box.press("Control+z")
    expect(box).to_have_value("a cat <ne")


def test_no_suggestion_where_the_setting_is_off(page: Txt2img, service: FakeService, box: Locator) -> None:
    service.settings.update({"prompt_autocomplete": False})
    page.reload()
    box.click()
    page.page.keyboard.type("<ne")
    page.page.wait_for_timeout(400)
    expect(page.page.locator(".completions")).to_have_count(0)


def test_a_dropped_file_is_uploaded_and_a_refusal_is_a_sentence(page: Txt2img) -> None:
    answers = iter([(200, "{}"), (400, '{"detail": "ink.safetensors is there already."}')])
    asked: list[tuple[str, str]] = []

    def answer(route: Route) -> None:
        asked.append((route.request.method, route.request.url.rpartition("/internal/")[2]))
        status, body = next(answers)
        route.fulfill(status=status, body=body)

    page.page.route("**/internal/upload/**", answer)
    drop = """name => {
        const header = new TextEncoder().encode('{"lora_unet_x.lora_up.weight":{}}'), length = new Uint8Array(8);
        length[0] = header.length;
        const data = new DataTransfer();
        data.items.add(new File([length, header], name));
        document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    page.page.evaluate(drop, "ink.safetensors")
    expect(page.page.locator(".upload .said")).to_have_text("It is in the Lora list now.")
    page.page.evaluate(drop, "ink.safetensors")
    expect(page.page.locator(".upload[data-state=failed] .said")).to_have_text("ink.safetensors is there already.")
    assert asked == [("PUT", "upload/lora/ink.safetensors")] * 2
    page.problems.clear()  # the browser reports the refusal in its console

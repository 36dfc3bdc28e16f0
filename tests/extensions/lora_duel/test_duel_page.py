"""A duel on the page, over a service that is real but for the engine: to its end, and interrupted in the middle."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from backend.guard import Guard
from backend.images.metadata import read_infotext
from backend.service import GenerationService
from backend.sidecar import read_sidecar
from backend.workers.local import LocalWorker
from tests.backend.stage import write_safetensors
from tests.backend.workers.fake_engine import FakeEngine
from tests.extensions.running import page_with_extensions, running
from tests.serving import serve
from tests.ui.page import Txt2img, open_page


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    write_safetensors(tmp_path / "models/Lora/gold.safetensors", {"which": "gold"})
    with running(tmp_path, "lora_duel", LocalWorker(engine), live_previews_enable=False) as (service, _):
        yield service


@pytest.fixture
def page(browser: Browser, service: GenerationService) -> Iterator[Txt2img]:
    with serve(Guard(page_with_extensions(service))) as url, open_page(browser, url) as page:
        for name, value in (("width", 64), ("height", 64), ("seed", 7), ("steps", 2)):
            page.set(name, value)
        page.prompt("a cat <lora:ink:0.5>")
        yield page


def open_tab(page: Txt2img) -> Page:
    page.page.get_by_role("tab", name="LoRA duel").click()
    expect(page.page.locator(".duel-page")).to_be_visible()
    return page.page


def start(tab: Page, weights: str) -> None:
    tab.get_by_role("button", name="gold", exact=True).click()
    tab.get_by_label("Weights").fill(weights)
    expect(tab.locator(".duel-count")).to_contain_text("5 pictures, at most 8 comparisons")
    tab.get_by_role("button", name="Start").click()


def worth(label: str) -> float:
    """gold 1, gold 0.4, ink 1, ink 0.4, without."""
    name, _, weight = label.partition(" ")
    return float(weight or 0) + {"gold": 10, "ink": 1}.get(name, 0)


def judge(tab: Page, judged: int) -> None:
    """One pair, by keys; until the answer is there."""
    left, right = (tab.locator(f".duel-side[data-side={side}] .duel-label").inner_text() for side in ("left", "right"))
    tab.keyboard.press("ArrowLeft" if worth(left) > worth(right) else "ArrowRight")
    tab.wait_for_function("judged => webuiDuel.state().judged > judged", arg=judged)


def judge_all(tab: Page) -> None:
    """To the end, with what is still to be drawn."""
    while True:
        tab.wait_for_function("() => { const now = webuiDuel.state(); return now && now.contestants && (now.pair || !now.drawing); }")
        now = tab.evaluate("() => ({ judged: webuiDuel.state().judged, pair: !!webuiDuel.state().pair })")
        if not now["pair"]:
            return
        judge(tab, now["judged"])


def ranked(tab: Page) -> list[str]:
    return [" ".join(text.split()[1:3]) for text in tab.locator(".duel-said").all_inner_texts()]


def test_a_duel_is_judged_to_the_end_and_its_winner_used(page: Txt2img, service: GenerationService) -> None:
    tab = open_tab(page)
    start(tab, "0.4, 1")
    expect(tab.locator(".duel-side .duel-label")).to_have_text(["A", "B"])  # blind
    expect(tab.locator(".duel-ranking")).to_be_hidden()
    tab.get_by_text("Blind").click()
    expect(tab.locator(".duel-side .duel-label").first).to_have_text(" ".join(tab.locator(".duel-side").first.get_attribute("aria-label").split()[:-2]))  # type: ignore[union-attr]
    judge_all(tab)
    expect(tab.locator(".duel-place")).to_have_count(5)
    assert ranked(tab) == ["gold 1", "gold 0.4", "ink 1", "ink 0.4", "without"]

    winner = tab.locator(".duel-place.first")
    winner.get_by_role("button", name="Use 1 as preferred weight").click()
    expect(winner.locator(".duel-told")).to_contain_text("weight 1 from now on")
    winner.get_by_role("button", name="Use as the card").click()
    expect(winner.locator(".duel-told")).to_contain_text("on the card of gold")
    winner.get_by_role("radio", name="4 of 5").click()
    expect(winner.locator(".duel-told")).to_have_text("gold is rated 4 of 5")
    winner.get_by_role("button", name="Put into the prompt").click()
    expect(winner.locator(".duel-told")).to_contain_text("The prompt of txt2img has gold")
    gold = service.paths.data / "models/Lora/gold.safetensors"
    assert read_sidecar(gold) == {"preferred weight": 1, "rating": 4}
    assert "<lora:gold:1>" in (read_infotext(gold.with_suffix(".preview.png").read_bytes()) or "")
    assert tab.input_value("#txt2img_prompt textarea") == "a cat <lora:ink:0.5> <lora:gold:1>"

    tab.get_by_role("tab", name="txt2img").click()
    tab.get_by_role("tab", name="Lora", exact=True).click()
    expect(tab.locator(".card", has_text="gold").locator(".rating")).to_have_text("★★★★")


def test_a_duel_interrupted_in_the_middle_keeps_what_was_made_and_goes_on(page: Txt2img, service: GenerationService, engine: FakeEngine) -> None:
    notes = service.paths.data / "models/Lora/gold.json"
    notes.write_text('{"activation text": "hang"}')  # its first picture is drawn until the interruption
    tab = open_tab(page)
    start(tab, "0.4, 1")
    tab.wait_for_function("() => webuiDuel.state()?.contestants && webuiDuel.state().drawing?.state === 'running'")
    tab.get_by_role("button", name="Interrupt", exact=True).locator("visible=true").click()
    expect(tab.get_by_role("button", name="Draw what is missing")).to_be_visible()
    made = tab.evaluate("() => webuiDuel.state().contestants.filter(one => one.version).map(one => one.label)")
    assert len(made) < 5 and not any("gold" in label for label in made)
    judged = tab.evaluate("() => webuiDuel.state().judged")
    if tab.evaluate("() => !!webuiDuel.state().pair"):
        tab.get_by_text("Blind").click()
        judge(tab, judged)
    judged = tab.evaluate("() => webuiDuel.state().judged")
    files = len(list((service.paths.data / "outputs").rglob("*.png")))
    assert files == len(made)

    notes.write_text("{}")
    page.reload()
    page.prompt("something else")
    open_tab(page)
    expect(tab.get_by_role("button", name="Draw what is missing")).to_be_visible()
    assert tab.evaluate("() => webuiDuel.state().judged") == judged
    tab.get_by_role("button", name="Draw what is missing").click()
    tab.wait_for_function("() => webuiDuel.state().contestants.every(one => one.version)")
    assert len(list((service.paths.data / "outputs").rglob("*.png"))) == 5
    if tab.get_by_label("Blind").is_checked():
        tab.get_by_text("Blind").click()
    judge_all(tab)
    assert ranked(tab) == ["gold 1", "gold 0.4", "ink 1", "ink 0.4", "without"]
    assert not any("something" in job.prompts[0] for job in engine.jobs)

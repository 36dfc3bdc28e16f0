"""Pictures that a tab of an extension asks for: the form as it stands, drawn by the script that it names."""

from playwright.sync_api import expect

from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img

ASK = "([tab, script, place]) => webui.asks.script(tab, { script, values: { lines: 'a\\nb' }, place }).then(tasks => tasks.join(' '), error => error.message)"


def test_the_form_goes_to_the_script_and_its_task_belongs_to_the_tab(page: Txt2img, service: FakeService) -> None:
    page.prompt("a ${cat} <b>")
    page.set("seed", 11)
    told = [page.page.evaluate(ASK, ["txt2img", script, "mytab"]) for script in ("Every line", "Another")]
    assert [len(one.split("-")) for one in told] == [3, 3] and all("-mytab-" in one for one in told)
    asked = [task.request for task in service.tasks()]
    assert [(one.prompt, one.seed.seed, one.script.title, one.script.values) for one in asked if one.script] == [
        ("a ${cat} <b>", 11, "Every line", {"lines": "a\nb"}),
        ("a ${cat} <b>", 11, "Another", {"lines": "a\nb"}),
    ]
    expect(page.page.locator(".results").first).to_have_attribute("data-state", "empty")  # the gallery of txt2img is not theirs


def test_what_cannot_be_asked_is_told(page: Txt2img, service: FakeService) -> None:
    assert page.page.evaluate(ASK, ["img2img", "Every line", "mytab"]) == "Open the tab img2img once: what is set there is needed."
    assert "cannot be read" in page.page.evaluate(ASK, ["txt2img", "Every line", "My tab!"])
    service.refuse = "No more today."
    assert page.page.evaluate(ASK, ["txt2img", "Every line", "mytab"]) == "No more today."
    page.page.get_by_role("tab", name="img2img").click()
    asked = "webui.asks.script('img2img', { script: 'Every line', place: 'mytab' })"  # which it can be once the tab is there
    page.page.wait_for_function(f"() => {asked}.catch(error => error.message === 'img2img needs a picture to start from.')")
    assert service.tasks() == ()

"""Generate forever, and the sound as a task ends, in a real browser."""

from itertools import pairwise

from playwright.sync_api import Browser, expect

from tests.ui.fake_service import FINISHED, FakeService
from tests.ui.page import Txt2img, open_page

LISTEN = """() => {
    const play = Audio.prototype.play;
    Audio.prototype.play = function () { window.heard = [this.src, this.volume]; return play.call(this); };
}"""


def test_each_task_is_followed_by_another_one_until_it_is_cancelled(page: Txt2img, service: FakeService) -> None:
    page.set("steps", 1)
    page.page.click("#txt2img_generate", button="right")
    page.page.get_by_role("button", name="Generate forever", exact=True).click()
    page.page.wait_for_function("new Set((window.seen = [...(window.seen || []), document.querySelector('.results .file').textContent])).size > 3", polling=50)
    page.page.click("#txt2img_skip", button="right", force=True)
    page.page.get_by_role("button", name="Cancel generate forever").click()
    expect(page.page.locator("#txt2img_generate_box.forever")).to_have_count(0)
    page.wait_finished()
    tasks = service.tasks()
    assert len(tasks) >= 3
    assert all(earlier.finished <= later.started for earlier, later in pairwise(tasks)), "never two at once"  # type: ignore[operator]
    page.reload()
    assert len(service.tasks()) == len(tasks)


def test_a_failure_ends_it(page: Txt2img, service: FakeService) -> None:
    service.fail = "Out of memory."
    page.page.click("#txt2img_generate", button="right")
    page.page.get_by_role("button", name="Generate forever", exact=True).click()
    page.wait_for(".results .error", "Out of memory.")
    expect(page.page.locator("#txt2img_generate_box.forever")).to_have_count(0)
    assert [task.state for task in service.tasks()] == ["failed"]


def test_a_finger_that_rests_on_generate_opens_the_menu_and_draws_nothing(browser: Browser, address: str, service: FakeService) -> None:
    with open_page(browser, address, viewport={"width": 390, "height": 800}, has_touch=True) as page:
        box = page.page.locator("#txt2img_generate").bounding_box()
        assert box
        touch = page.page.context.new_cdp_session(page.page)
        point = {"x": box["x"] + 20, "y": box["y"] + 10}
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
        expect(page.page.locator("dialog.forever-menu")).to_be_visible()
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(page.page.locator("dialog.forever-menu")).to_be_visible()
        assert service.tasks() == ()
        assert page.overflow() == 0


def test_the_sound_of_the_data_folder_is_played_as_a_task_ends(page: Txt2img, service: FakeService) -> None:
    service.paths.notification.write_bytes(b"ID3")
    service.settings.update({"notification_volume": 40})
    page.reload()
    page.page.evaluate(LISTEN)
    page.generate()
    page.page.wait_for_function("window.heard")
    assert page.page.evaluate("window.heard") == [f"{page.url}/internal/notification", 0.4]
    assert all(task.state in FINISHED for task in service.tasks())


def test_no_sound_where_the_setting_says_so(page: Txt2img, service: FakeService) -> None:
    service.settings.update({"notification_audio": False})
    assert page.page.evaluate("fetch('internal/networks/options').then(answer => answer.json()).then(found => found.sound)") == ""
    service.settings.update({"notification_audio": True})
    assert page.page.evaluate("fetch('internal/networks/options').then(answer => answer.json()).then(found => found.sound)") == "chime"

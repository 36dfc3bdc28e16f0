"""The list of jobs, and what was left over from the last run, in a real browser."""

from playwright.sync_api import Browser, expect

from backend.request import GenerationRequest
from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img, open_page

HOSTILE = "${alert(1)} <img src=x onerror=\"document.title='owned'\">"


def submit(page: Txt2img, prompt: str, service: FakeService) -> None:
    before = len(service.tasks())
    page.prompt(prompt)
    page.generate()
    page.page.wait_for_function("count => Number(document.querySelector('.pill.jobs b')?.textContent || 0) > count", arg=before)


def test_the_list_shows_everyones_jobs_and_lets_one_move_and_cancel_them(browser: Browser, address: str, service: FakeService) -> None:
    with open_page(browser, address, viewport={"width": 390, "height": 800}) as page:
        service.hold()
        service.submit(GenerationRequest(prompt=HOSTILE, n_iter=4), id_task="b" * 32 + "-txt2img-1")
        submit(page, "first", service)
        submit(page, "second", service)
        list_ = page.page.locator(".jobs-list")
        page.page.click(".pill.jobs")
        expect(list_.locator(".prompt")).to_have_text([HOSTILE, "first", "second"])
        expect(list_.locator(".state")).to_have_text(["Drawing: 0%", "Waiting: 1 before it", "Waiting: 2 before it"])
        expect(list_.locator(".facts").first).to_have_text("Another page · txt2img · 512 × 512 · 20 steps · 4 pictures")
        expect(list_.locator(".facts").last).to_contain_text("This page")

        earlier = list_.locator(".job", has_text="second").get_by_label("Earlier")
        earlier.focus()
        page.page.keyboard.press("Enter")
        expect(list_.locator(".prompt")).to_have_text([HOSTILE, "second", "first"])
        assert [task.request.prompt for task in service.tasks()] == [HOSTILE, "second", "first"]
        expect(list_.locator(".job", has_text="second").get_by_label("Later")).to_be_focused()

        list_.locator(".job", has_text="first").get_by_label("Cancel").click()
        expect(list_.locator(".prompt")).to_have_text([HOSTILE, "second"])
        assert service.tasks()[2].state == "interrupted"
        assert page.overflow() == 0
        page.page.keyboard.press("Escape")
        expect(list_).to_have_count(0)
        assert [task.stop.is_set() for task in service.tasks()] == [False, False, True], "Escape closes the list and interrupts nothing"
        service.release()


def test_what_was_left_over_is_offered_and_drawn_for_who_goes_on(page: Txt2img, service: FakeService) -> None:
    service.leave(GenerationRequest(prompt="from yesterday"), "b" * 32 + "-txt2img-1")
    page.wait_for(".left-jobs", "1 job was waiting when the program ended.")
    page.page.get_by_role("button", name="Continue").click()
    page.wait_finished()
    assert "from yesterday" in page.infotext()
    expect(page.page.locator(".left-jobs")).to_be_hidden()
    service.leave(GenerationRequest(), "c" * 32 + "-txt2img-1")
    service.leave(GenerationRequest(), "c" * 32 + "-txt2img-2")
    page.wait_for(".left-jobs", "2 jobs were waiting when the program ended.")
    page.page.get_by_role("button", name="Discard").click()
    expect(page.page.locator(".left-jobs")).to_be_hidden()
    assert service.left() == ()

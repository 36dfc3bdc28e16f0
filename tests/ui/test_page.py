"""The page in a real browser. Every test ends with a clean console and no request to anywhere else (see `open_page`)."""

from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Route, expect

from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img, open_page

HOSTILE = "${alert(1)} {{this}} <img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script>"


def test_a_press_of_generate_draws_what_was_asked_and_shows_its_parameters(page: Txt2img, service: FakeService) -> None:
    page.prompt("a lighthouse")
    page.negative_prompt("blurry")
    page.set("steps", 7)
    page.set("cfg_scale", 5.5)
    page.set("seed", 42)
    page.choose("txt2img_sampling", "Euler a")
    page.choose("txt2img_scheduler", "Karras")
    page.generate()
    page.wait_finished()
    asked = service.tasks()[0].request
    assert (asked.prompt, asked.negative_prompt, asked.seed.seed) == ("a lighthouse", "blurry", 42)
    assert (asked.sampling.steps, asked.sampling.cfg_scale, asked.sampling.sampler, asked.sampling.scheduler) == (7, 5.5, "Euler a", "Karras")
    assert (asked.size.width, asked.size.height) == (128, 128)
    assert page.infotext() == service.tasks()[0].images[0].infotext
    page.page.wait_for_function("document.querySelector('.picture img').naturalWidth === 128")


def test_the_downloaded_file_is_the_one_on_disk_with_its_parameters(page: Txt2img, service: FakeService, tmp_path: Path) -> None:
    page.prompt("a lighthouse")
    page.generate()
    page.wait_finished()
    saved = service.tasks()[0].images[0]
    assert saved.path is not None
    path = page.download(tmp_path / "downloads")
    assert (path.name, path.read_bytes()) == (saved.path.name, saved.path.read_bytes())
    with Image.open(path) as image:
        assert image.info["parameters"] == saved.infotext


def test_a_reload_in_mid_job_brings_progress_preview_and_finished_pictures_back(page: Txt2img, service: FakeService) -> None:
    page.set("batch_count", 3)
    page.set("steps", 6)
    service.hold(pictures=1)
    page.generate()
    page.wait_for(".results .what", "image 2 of 3")
    page.page.wait_for_selector(".infotext p")
    page.reload()
    page.wait_for(".results .what", "image 2 of 3")
    page.page.wait_for_selector(".infotext p")
    page.page.wait_for_selector(".frame[data-preview=true] img")
    assert "ETA" in page.page.title()
    service.release()
    page.wait_finished(3)
    assert page.gallery_files() == [image.path.name for image in service.tasks()[0].images if image.path]
    assert page.page.title() == "Stable Diffusion"


def test_a_reload_after_the_end_still_shows_the_pictures(page: Txt2img) -> None:
    page.set("batch_size", 2)
    page.generate()
    page.wait_finished(2)
    files = page.gallery_files()
    page.reload()
    page.wait_finished(2)
    assert page.gallery_files() == files


def test_interrupt_ends_the_task_and_keeps_what_is_finished(page: Txt2img, service: FakeService) -> None:
    page.set("batch_count", 100)
    page.set("steps", 5)
    service.hold(pictures=1)
    page.generate()
    page.page.wait_for_selector(".infotext p")
    page.interrupt()
    page.wait_until(service.tasks()[0].stop.is_set)
    service.release()
    page.wait_state("done")
    assert service.tasks()[0].state == "interrupted"
    assert len(service.tasks()[0].images) == 1
    page.wait_for(".results .what", "Interrupted")


def test_skip_goes_on_with_the_next_picture(page: Txt2img, service: FakeService) -> None:
    page.set("batch_count", 2)
    page.set("steps", 150)
    service.pace = 0.3
    page.generate()
    page.wait_running()
    page.skip()
    page.wait_for(".results .what", "image 2 of 2")
    page.skip()
    page.wait_finished(2)
    task = service.tasks()[0]
    assert (task.state, task.skips) == ("done", 2)


def test_keys_generate_and_interrupt(page: Txt2img, service: FakeService) -> None:
    service.pace = 0.3
    page.set("steps", 150)
    page.prompt("typed just now")
    page.page.keyboard.press("Control+Enter")
    page.wait_running()
    assert service.tasks()[0].request.prompt == "typed just now"
    page.page.keyboard.press("Escape")
    page.wait_state("done", "empty")
    assert service.tasks()[0].state == "interrupted"


def test_several_pages_see_only_their_own_tasks(browser: Browser, address: str, service: FakeService) -> None:
    with open_page(browser, address) as first, open_page(browser, address) as second:
        service.hold()
        first.prompt("mine")
        first.generate()
        first.wait_state("running")
        second.prompt("yours")
        second.generate()
        second.wait_for(".results .what", "Waiting: 1 task before this one")
        service.release()
        first.wait_finished()
        second.wait_finished()
        assert first.infotext().startswith("mine\n")
        assert second.infotext().startswith("yours\n")


def test_an_error_and_comments_of_a_task_are_shown_as_text(page: Txt2img, service: FakeService) -> None:
    service.comments = ('Unknown network "nix" in <lora:nix:1>',)
    service.fail = "demo.safetensors is truncated: <b>download</b> it again."
    page.generate()
    page.wait_for(".results .error", service.fail)
    assert page.comments() == list(service.comments)
    service.fail = ""
    page.generate()
    page.wait_finished()
    expect(page.page.locator(".results .error")).to_be_hidden()


def test_what_the_service_refuses_at_once_is_shown_as_text(page: Txt2img, service: FakeService) -> None:
    service.refuse = "The program is ending. <img src=x onerror=\"document.title='owned'\">"
    page.generate()
    page.wait_for(".results .error", "The program is ending. <img src=x")
    assert page.page.title() == "Stable Diffusion"
    service.refuse = ""
    page.generate()
    page.wait_finished()
    expect(page.page.locator(".results .error")).to_be_hidden()


def test_the_engines_state_is_seen_before_the_first_step(page: Txt2img, service: FakeService) -> None:
    service.engine = "starting"
    page.wait_for(".pill.engine", "Starting the engine…")
    service.hold()
    page.generate()
    page.wait_for(".results .what", "Starting the engine…")
    service.engine = "ready"
    page.wait_for(".results .what", "Loading checkpoint demo.safetensors")
    service.release()
    page.wait_finished()


def test_width_and_height_follow_the_checkpoint_until_the_person_sets_them(page: Txt2img, service: FakeService) -> None:
    page.page.wait_for_function("document.querySelector('#txt2img_width input[type=number]').value === '128'")
    page.choose("setting_sd_model_checkpoint", "other")
    page.page.wait_for_function("document.querySelector('#txt2img_width input[type=number]').value === '512'")
    assert service.settings.current["sd_model_checkpoint"] == "other.safetensors [0000000000]"
    page.set("width", 192)
    page.choose("setting_sd_model_checkpoint", "demo")
    page.page.wait_for_selector(".examples:not([hidden])")
    assert page.size() == (192, 512)
    page.page.click("#txt2img_res_switch_btn")
    page.page.wait_for_function("document.querySelector('#txt2img_width input[type=number]').value === '512'")
    assert page.size() == (512, 192)


def test_a_width_set_while_the_server_tells_of_a_checkpoint_stays(page: Txt2img) -> None:
    page.page.wait_for_function("document.querySelector('#txt2img_width input[type=number]').value === '128'")
    held: list[Route] = []
    page.page.route("**/gradio_api/run/predict*", lambda route: held.append(route))
    with page.page.expect_request("**/gradio_api/run/predict*"):
        page.choose("setting_sd_model_checkpoint", "other")
    page.set("width", 192)
    for route in held:
        route.continue_()
    page.page.wait_for_selector(".examples", state="hidden")
    assert page.size() == (192, 128)


def test_each_page_draws_with_the_checkpoint_that_it_shows(page: Txt2img, service: FakeService) -> None:
    service.settings.update({"sd_model_checkpoint": "other.safetensors"})  # another page, meanwhile
    page.generate()
    page.wait_finished()
    assert service.tasks()[0].request.override_settings == {"sd_model_checkpoint": "demo.safetensors"}


def test_a_new_checkpoint_file_appears_by_itself_and_can_be_chosen(page: Txt2img, service: FakeService) -> None:
    with page.page.expect_response("**/gradio_api/run/predict*"):
        service.catalog.add("checkpoint", "new/landscape.safetensors", {"modelspec.resolution": "768x512"})
    page.choose("setting_sd_model_checkpoint", "landscape")
    page.page.wait_for_function("document.querySelector('#txt2img_width input[type=number]').value === '768'")
    page.generate()
    page.wait_finished()
    assert service.tasks()[0].request.override_settings == {"sd_model_checkpoint": "new/landscape.safetensors"}


def test_an_example_fills_the_empty_prompt_box(page: Txt2img, service: FakeService) -> None:
    page.page.click(".examples .chip >> text=a blue heart")
    expect(page.page.locator(".examples")).to_be_hidden()
    page.generate()
    page.wait_finished()
    assert service.tasks()[0].request.prompt == "a blue heart"


def test_an_empty_prompt_box_draws_the_empty_prompt(page: Txt2img, service: FakeService) -> None:
    page.generate()
    page.wait_finished()
    assert service.tasks()[0].request.prompt == ""


def test_dice_and_recycle_set_the_seed(page: Txt2img) -> None:
    page.set("seed", 77)
    page.generate()
    page.wait_finished()
    page.page.click("#txt2img_random_seed")
    page.page.wait_for_function("document.querySelector('#txt2img_seed input').value === '-1'")
    page.page.click("#txt2img_reuse_seed")
    page.page.wait_for_function("document.querySelector('#txt2img_seed input').value === '1000'")  # the seed of the shown picture


def test_the_extra_group_counts_only_while_it_is_open(page: Txt2img, service: FakeService) -> None:
    assert not page.page.is_visible("#txt2img_subseed")
    page.page.click("#txt2img_subseed_show input")
    page.set("subseed", 5)
    page.set("subseed_strength", 0.5)
    page.generate()
    page.wait_finished()
    page.page.click("#txt2img_subseed_show input")
    service.hold()
    page.generate()
    page.wait_state("running")
    service.release()
    page.wait_finished()
    opened, closed = (task.request.seed for task in service.tasks())
    assert (opened.subseed, opened.subseed_strength) == (5, 0.5)
    assert (closed.subseed, closed.subseed_strength) == (-1, 0.0)


def test_hostile_names_prompts_and_comments_are_only_text(browser: Browser, address: str, service: FakeService) -> None:
    service.catalog.add("lora", "${alert(1)}.safetensors")
    service.catalog.add("lora", "<img src=x onerror=alert(1)>.safetensors")
    checkpoint, sidecar = "<img src=x onerror=alert(2)> ${alert(2)}.safetensors", '{"example prompts": ["<img src=x onerror=alert(3)>${alert(3)}"]}'
    service.catalog.add("checkpoint", checkpoint, sidecar=sidecar)
    service.settings.update({"sd_model_checkpoint": checkpoint})
    service.comments = (HOSTILE,)
    with open_page(browser, address) as page:
        page.page.on("dialog", lambda dialog: page.problems.append(f"dialog {dialog.message}"))
        page.wait_for(".examples .chip", "<img src=x onerror=alert(3)>${alert(3)}")
        page.page.get_by_role("tab", name="Lora", exact=True).click()
        page.wait_for("#txt2img_lora_cards .card .n", "${alert(1)}")
        page.prompt(HOSTILE)
        page.generate()
        page.wait_finished()
        assert page.infotext().startswith(HOSTILE + "\n")
        assert page.comments() == [HOSTILE]
        assert page.page.locator("img[src=x]").count() == 0
        assert page.page.title() == "Stable Diffusion"


def test_a_phone_has_one_column_no_overflow_and_generate_in_reach(browser: Browser, address: str, service: FakeService) -> None:
    service.comments = ("a" * 300,)
    with open_page(browser, address, viewport={"width": 390, "height": 844}) as page:
        assert page.overflow() <= 0
        page.prompt("very-long-word-" * 30)
        page.page.click("#txt2img_subseed_show input")
        page.set("batch_size", 8)
        page.generate()
        page.wait_finished(8)
        assert page.overflow() <= 0
        for place in (0, 500, 100_000):
            page.page.evaluate(f"scrollTo(0, {place})")
            box = page.page.locator("#txt2img_generate").bounding_box()
            assert box and 0 <= box["y"] <= 844 - box["height"]


def test_the_frame_keeps_its_place_while_pictures_arrive(page: Txt2img, service: FakeService) -> None:
    frame = page.page.locator(".frame")
    before = frame.bounding_box()
    service.hold()
    page.generate()
    page.wait_state("running")
    during = frame.bounding_box()
    service.release()
    page.wait_finished()
    assert before == during == frame.bounding_box()


def test_the_theme_is_changed_by_a_button_and_remembered(page: Txt2img) -> None:
    dark = "document.body.classList.contains('dark')"
    assert not page.page.evaluate(dark)
    page.page.click(".pill.theme")
    assert page.page.evaluate(dark)
    page.reload()
    page.page.wait_for_function(dark)


def test_thumbs_choose_the_picture_by_mouse_and_by_arrow_keys(page: Txt2img) -> None:
    page.set("batch_size", 3)
    page.generate()
    page.wait_finished(3)
    files = page.gallery_files()
    page.pick_thumb(0)
    page.wait_for(".results .file", files[0])
    page.page.keyboard.press("ArrowRight")
    page.wait_for(".results .file", files[1])
    assert page.page.get_attribute(".results .download", "download") == files[1]


def test_a_grid_is_shown_last_and_not_counted_as_a_picture(page: Txt2img, service: FakeService) -> None:
    service.grid = True
    page.set("batch_size", 2)
    page.generate()
    page.wait_finished(2)
    page.wait_for(".results .what", "2 pictures in")
    files = [image.path.name for image in service.tasks()[0].images if image.path]
    assert page.gallery_files() == files[:2]
    assert page.text(".file") == files[2]


def test_every_control_has_a_name_for_a_screen_reader(page: Txt2img) -> None:
    nameless = page.page.evaluate(
        """[...document.querySelectorAll('button, input, textarea, a[href]')].filter(one => one.offsetParent
            && !(one.getAttribute('aria-label') || one.textContent.trim() || one.title || (one.labels && one.labels[0]?.textContent.trim())))
            .map(one => one.outerHTML.slice(0, 120))"""
    )
    assert nameless == []

"""The txt2img page as a person sees it: for browser tests over the fake service and over the real engine alike."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

SECOND = 1000  # milliseconds


@contextmanager
def open_page(browser: Browser, url: str, **context: Any) -> Iterator["Txt2img"]:
    """A page in a context of its own. At the end: nothing in the console, and no request to anywhere else."""
    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "accept_downloads": True, **context}
    with browser.new_context(**options) as ctx:
        page = Txt2img(ctx.new_page(), url)
        page.open()
        yield page
        assert page.problems == [], page.problems


class Txt2img:
    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url.rstrip("/")
        self.problems: list[str] = []  # console errors and warnings, exceptions, foreign requests
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        page.on("request", lambda request: self._check(request.url))

    def open(self) -> None:
        """Until a person could type and press."""
        self.page.goto(self.url)
        self.wait_usable()

    def reload(self) -> None:
        self.page.reload()
        self.wait_usable()

    def wait_usable(self) -> None:
        self.page.wait_for_selector("#txt2img_generate")
        self.page.wait_for_function("document.querySelector('.pill.engine')?.textContent && document.querySelector('#txt2img_generate').title")

    # ---- what a person does

    def prompt(self, text: str) -> None:
        self.page.fill("#txt2img_prompt textarea", text)

    def negative_prompt(self, text: str) -> None:
        self.page.fill("#txt2img_neg_prompt textarea", text)

    def set(self, name: str, value: float) -> None:
        """A number by the end of its elem_id: steps, width, height, batch_count, batch_size, cfg_scale, seed, subseed, …"""
        box = self.page.locator(f"#txt2img_{name} input[type=number]")
        box.fill(f"{value:g}")
        box.blur()

    def choose(self, elem_id: str, text: str) -> None:
        """In a drop-down: txt2img_sampling, txt2img_scheduler, setting_sd_model_checkpoint."""
        self.page.click(f"#{elem_id} input")
        self.page.locator("ul[role=listbox] li", has_text=text).first.click()

    def generate(self) -> None:
        self.page.click("#txt2img_generate")

    def interrupt(self) -> None:
        self.page.click("#txt2img_interrupt")

    def skip(self) -> None:
        self.page.click("#txt2img_skip")

    def pick_thumb(self, index: int) -> None:
        self.page.locator(".thumb").nth(index).click()

    def download(self, folder: Path) -> Path:
        """Presses Download; the path of the file that a person then has, under the name that the page gave it."""
        with self.page.expect_download() as waiting:
            self.page.click(".results .download")
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    # ---- what a person sees

    @property
    def state(self) -> str:
        """ "empty", "queued", "running" or "done"."""
        return self.page.get_attribute(".results", "data-state") or ""

    def value(self, name: str) -> float:
        return float(self.page.input_value(f"#txt2img_{name} input[type=number]"))

    def size(self) -> tuple[int, int]:
        return int(self.value("width")), int(self.value("height"))

    def text(self, selector: str) -> str:
        return self.page.inner_text(f".results {selector}")

    def infotext(self) -> str:
        """Of the picture that is shown, as it lies in the file."""
        return "\n".join(self.page.locator(".infotext p").all_text_contents())

    def comments(self) -> list[str]:
        return self.page.locator(".comments li").all_text_contents()

    def gallery_files(self) -> list[str]:
        """Names of the files on disk, in the order drawn, without the grid."""
        if not self.page.is_visible(".results .download"):
            return []
        thumbs = self.page.locator(".thumb:not([data-grid=true]) img").evaluate_all("all => all.map(one => one.getAttribute('src'))")
        urls = thumbs or [self.page.get_attribute(".results .download", "href")]
        return [str(url).rsplit("/", 1)[-1] for url in urls]

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    # ---- waiting

    def wait_until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        """Of what the service knows; the page goes on meanwhile."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "What was waited for did not come."
            self.page.wait_for_timeout(20)

    def wait_for(self, selector: str, text: str, seconds: float = 30) -> None:
        expect(self.page.locator(selector).first).to_contain_text(text, timeout=seconds * SECOND)

    def wait_state(self, *states: str, seconds: float = 30) -> None:
        wanted = ", ".join(f".results[data-state={state}]" for state in states)
        self.page.wait_for_selector(wanted, timeout=seconds * SECOND)

    def wait_running(self, seconds: float = 30) -> None:
        """Until a step has been taken."""
        self.wait_state("running", seconds=seconds)
        self.wait_for(".results .what", "step", seconds=seconds)

    def wait_finished(self, pictures: int = 1, seconds: float = 60) -> None:
        """Until nothing of this page runs or waits and so many pictures are there (a grid is not counted)."""
        self.page.wait_for_function(
            """wanted => document.querySelector('.results').dataset.state === 'done'
                && Math.max(document.querySelectorAll('.thumb:not([data-grid=true])').length, document.querySelector('.infotext').hidden ? 0 : 1) >= wanted""",
            arg=pictures,
            timeout=seconds * SECOND,
        )

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.problems.append(f"{kind}: {text}")

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self.url:
            self.problems.append(f"request to {url}")

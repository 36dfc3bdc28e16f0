"""The program as a person starts it: `python app.py`, the engine in its own process, the shipped models, a real browser."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from backend.images.metadata import read_infotext
from tests.ui.page import Txt2img, open_page

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Program:
    url: str
    data: Path
    log: Path

    def pictures(self) -> list[Path]:
        """What was saved, in the order of its numbers."""
        return sorted((self.data / "outputs" / "txt2img-images").glob("*/*.png"))

    def lines(self) -> str:
        return self.log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    data = tmp_path_factory.mktemp("data")
    log = data / "log.txt"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--data-dir", str(data), "--models-dir", str(ROOT / "models"), "--api"]
    environment = {name: value for name, value in os.environ.items() if name != "COMMANDLINE_ARGS"}
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment) as process:
        program = Program(f"http://127.0.0.1:{port}", data, log)
        wait_for_answer(program, process)
        yield program
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def wait_for_answer(program: Program, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, program.lines()
        try:
            with urllib.request.urlopen(f"{program.url}/internal/ping"):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(program.lines())


@pytest.fixture
def page(browser: Browser, program: Program) -> Iterator[Txt2img]:
    with open_page(browser, program.url) as page:
        yield page


def draw(page: Txt2img, prompt: str, *, steps: int = 4, seed: int = 5) -> None:
    page.prompt(prompt)
    page.set("steps", steps)
    page.set("seed", seed)
    page.generate()


def drawn(page: Txt2img, program: Program, prompt: str) -> Path:
    """The picture, saved and shown."""
    before = program.pictures()
    draw(page, prompt)
    for _ in range(180 * 20):
        if program.pictures() != before:
            break
        page.page.wait_for_timeout(50)
    page.wait_finished()
    (saved,) = set(program.pictures()) - set(before)
    return saved


def test_a_prompt_with_a_lora_becomes_a_saved_picture_with_its_parameters(page: Txt2img, program: Program, tmp_path: Path):
    assert page.size() == (128, 128), "the demo checkpoint's own size"
    prompt = "cat face <lora:neon:0.8>"
    saved = drawn(page, program, prompt)
    infotext = read_infotext(saved.read_bytes())
    assert infotext.startswith(f"{prompt}\nSteps: 4, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 5, Size: 128x128, Model hash: ")
    assert re.search(r'Lora hashes: "neon: [0-9a-f]{12}"', infotext)
    assert page.infotext() == infotext
    assert page.download(tmp_path).read_bytes() == saved.read_bytes()
    assert any("neon" in comment for comment in page.comments())


def test_the_lora_changes_the_picture_and_leaves_no_trace_behind(page: Txt2img, program: Program):
    pictures = [np.asarray(Image.open(drawn(page, program, prompt))).astype(int) for prompt in ("cat face", "cat face <lora:neon:1>", "cat face")]
    assert np.array_equal(pictures[0], pictures[2])
    assert pictures[0].mean() - pictures[1].mean() > 20, "neon draws on black"


def test_a_reload_in_mid_job_gets_it_back(page: Txt2img, program: Program):
    draw(page, "house", steps=60)
    page.wait_running(seconds=60)
    page.reload()
    page.wait_running()
    page.wait_finished(seconds=120)
    assert page.infotext().startswith("house\nSteps: 60, ")


def test_what_a_stroke_covers_is_drawn_anew_and_nothing_else(page: Txt2img, program: Program, tmp_path: Path):
    start = Image.linear_gradient("L").resize((128, 128)).convert("RGB")
    start.save(tmp_path / "start.png")
    tab = page.page
    tab.get_by_role("tab", name="img2img", exact=True).click()
    tab.set_input_files(".sources .choose", tmp_path / "start.png")
    tab.click(".sources .modes [data-mode=inpaint]")
    box = tab.locator(".sources .strokes").bounding_box()
    assert box
    tab.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    tab.mouse.up()
    tab.fill("#img2img_prompt textarea", "a red apple")
    tab.locator("#img2img_steps input[type=number]").fill("8")
    tab.locator("#img2img_mask_blur input[type=number]").fill("0")
    tab.locator("#img2img_denoising_strength input[type=number]").fill("1")
    tab.locator("#img2img_denoising_strength input[type=number]").blur()
    tab.click("#img2img_generate")
    tab.wait_for_selector("#img2img_gallery .infotext:not([hidden])", timeout=120_000)
    (saved,) = (program.data / "outputs" / "img2img-images").glob("*/*.png")
    assert "Steps: 8, Sampler: DPM++ 2M" in read_infotext(saved.read_bytes())
    changed = np.any(np.asarray(Image.open(saved)) != np.asarray(start), axis=2)
    assert changed[64, 52:76].mean() > 0.8, "below the stroke"
    assert not changed[:, :20].any() and not changed[:20].any() and not changed[-20:].any(), "all that is far from it is the picture as it was"


def test_interrupt_ends_a_picture_early_and_the_next_one_is_drawn(page: Txt2img, program: Program):
    draw(page, "rocket", steps=150)
    page.wait_running(seconds=60)
    page.interrupt()
    page.wait_state("done", seconds=30)
    assert read_infotext(drawn(page, program, "penguin").read_bytes()).startswith("penguin\n")


def test_after_the_engine_was_killed_the_page_says_so_and_the_next_picture_is_drawn(page: Txt2img, program: Program):
    draw(page, "boat", steps=150)
    page.wait_running(seconds=60)
    os.kill(engine_of(program), signal.SIGKILL)
    page.wait_for(".results", "engine", seconds=30)
    assert read_infotext(drawn(page, program, "pizza").read_bytes()).startswith("pizza\n")


def test_nothing_but_news_is_in_the_log(program: Program):
    unexpected = [line for line in program.lines().splitlines() if re.search(r"warn|traceback|deprecat", line, re.IGNORECASE)]
    assert unexpected == []


def engine_of(program: Program) -> int:
    """The process id of the program's engine: the one child that runs backend.workers.engine with this data folder."""
    import psutil

    mine = [process for process in psutil.Process().children(recursive=True) if "backend.workers.engine" in " ".join(process.cmdline())]
    assert len(mine) == 1
    return mine[0].pid

"""What the page costs with many LoRAs, in a real Chromium over the program itself.

  python -m tools.bench_page [--files 10,1000,10000] [--port 7870] [--folder DIR]

The files are made as tools.bench_library makes them, in a folder of their own, and removed afterwards. Times are milliseconds of wall clock: on a machine
that has other work they say little. Search is told in two parts: the whole, from the letter to the cards, and of that the wait for the server's answer.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import find_browser
from tools.bench_library import ROOT, make_files

GOALS = {"first card": 1500.0, "click": 100.0, "search": 50.0, "nodes": 400.0, "idle": 3.0}
WORDS = "a lighthouse in a storm, oil on canvas, thick strokes, cold light"
SEARCHES = ("lora 7", "lora 77", "style 99", "trained 1", "zebra")
IDLE = 10  # seconds
PANEL = "#txt2img_lora_cards"
TELL = """() => {
    window.told = { paints: [], searches: [] };
    const own = window.fetch;
    window.fetch = async (url, ...rest) => {
        const start = performance.now(), answer = await own(url, ...rest);
        if (String(url).includes('search=')) window.told.searches.push(performance.now() - start);
        return answer;
    };
}"""
CLICK = """panel => new Promise((done, fail) => {
    setTimeout(() => fail(new Error('The click changed nothing')), 10000);
    const box = document.querySelector('#txt2img_prompt textarea'), start = performance.now();
    document.querySelector(`${panel} .card .pick`).click();
    const watch = setInterval(() => { if (box.value.includes('<lora:')) { clearInterval(watch); done(performance.now() - start); } });
})"""
SEARCH = """([root, text]) => new Promise((done, fail) => {
    const box = document.querySelector(`${root} .search`), start = performance.now();
    setTimeout(() => fail(new Error(`Searching ${text} found nothing`)), 10000);
    new MutationObserver((_, watcher) => {
        watcher.disconnect();
        done([performance.now() - start, window.told.searches.at(-1) ?? 0]);
    }).observe(document.querySelector(`${root} .cards`), { childList: true });
    box.value = text;
    box.dispatchEvent(new Event('input', { bubbles: true }));
})"""
TYPE = """text => new Promise(done => {
    const box = document.querySelector('#txt2img_prompt textarea'), times = [];
    box.focus();
    const next = index => {
        if (index === text.length) return done(times);
        const start = performance.now();
        document.execCommand('insertText', false, text[index]);
        requestAnimationFrame(() => {
            const painted = new MessageChannel();
            painted.port1.onmessage = () => { times.push(performance.now() - start); setTimeout(() => next(index + 1), 30); };
            painted.port2.postMessage(0);
        });
    };
    next(0);
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="10,1000,10000")
    parser.add_argument("--port", type=int, default=7870)
    parser.add_argument("--folder", type=Path, help="where the temporary folders are made")
    given = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else "")
    for count in map(int, given.files.split(",")):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            report(count, measure(Path(folder), count, given.port))


def measure(folder: Path, count: int, port: int) -> dict[str, float]:
    make_files(folder / "models" / "Lora", count)
    (folder / "models" / "Stable-diffusion").mkdir()
    shutil.copy(ROOT / "models" / "Stable-diffusion" / "demo-emoji.safetensors", folder / "models" / "Stable-diffusion")
    with program(folder, port) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser())
        seen = visit(browser, f"http://127.0.0.1:{port}")
        browser.close()
        return {**seen, "idle": idle(server)}


@contextmanager
def program(folder: Path, port: int) -> Iterator[psutil.Process]:
    """The server's process, as soon as it answers."""
    command = [sys.executable, "app.py", "--port", str(port), "--data-dir", str(folder), "--skip-load-model-at-start", "--no-hashing"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_answer(process, f"http://127.0.0.1:{port}/internal/ping")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def wait_for_answer(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            sys.exit("The program ended: is the port in use?")
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("The program does not answer.")


def visit(browser: Browser, url: str) -> dict[str, float]:
    """Milliseconds, bytes and elements of one visit with an empty cache, after one that warms the server."""
    warm = browser.new_page()
    warm.goto(url)
    usable(warm)
    warm.close()
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    requests: list[float] = []
    page.on("requestfinished", lambda request: requests.append(request.sizes()["responseBodySize"]))
    page.add_init_script(f"({TELL})()")
    start = time.perf_counter()
    page.goto(url)
    usable(page)
    seen = {"usable": since(start), "first paint": page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")}
    start = time.perf_counter()
    page.get_by_role("tab", name="Lora", exact=True).first.click()
    page.wait_for_selector(f"{PANEL} .card .pick")
    seen["first card"] = since(start)
    page.wait_for_timeout(1500)
    seen |= {"bytes": float(sum(requests)), "requests": float(len(requests))}
    seen["nodes"] = page.locator(f"{PANEL} *").count()
    seen["click"] = page.evaluate(CLICK, PANEL)
    searches = [search(page, text) for text in SEARCHES]
    seen["search"] = statistics.median(whole for whole, _ in searches)
    seen["search, server"] = statistics.median(server for _, server in searches)
    typed = sorted(page.evaluate(TYPE, WORDS))
    seen |= {"typing": statistics.median(typed), "typing p95": typed[int(len(typed) * 0.95)]}
    return {**seen, "all nodes": page.locator("*").count()}


def search(page: Page, text: str) -> tuple[float, float]:
    """As a person types: what the search before it drew is on the screen already."""
    page.wait_for_timeout(200)
    whole, server = page.evaluate(SEARCH, [PANEL, text])
    return whole, server


def usable(page: Page) -> None:
    page.wait_for_selector("#txt2img_generate")
    page.wait_for_function("document.querySelector('.pill.engine')?.textContent && document.querySelector('#txt2img_generate').title")


def since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def idle(server: psutil.Process) -> float:
    """Percent of a core that the server takes while no page is open; its engine is a process of its own."""
    time.sleep(2)
    server.cpu_percent()
    time.sleep(IDLE)
    return server.cpu_percent()


def report(count: int, seen: dict[str, float]) -> None:
    told = {name: f"{value:.1f}" if value < 10 else f"{value:.0f}" for name, value in seen.items()}
    missed = [f"{name} {told[name]} > {goal:g}" for name, goal in GOALS.items() if seen[name] > goal]
    print(f"{count} Loras: {json.dumps(told)[1:-1]}".replace('"', ""))
    print(f"  missed: {', '.join(missed)}" if missed else "  every goal is met", flush=True)


if __name__ == "__main__":
    main()

"""What the history of many pictures costs: the first look, reading them, a later start, a page, a search.

  python -m tools.bench_history [--files 10000] [--folder DIR]

The pictures are made for the occasion and removed afterwards: small PNGs in folders by day, with parameters as the page writes them.
Seconds on the clock: other programs that run at the same time count.
"""

import argparse
import io
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from backend.flags import parse_flags
from backend.history import History
from backend.paths import Paths
from backend.picture_search import Query
from backend.settings import Settings

ROOT = Path(__file__).parent.parent
DAYS, LORAS = 100, 200
FIRST_PAGE, SEARCH = 0.3, 0.05  # seconds for 10,000 pictures
WORDS = (
    "portrait castle river ink watercolour storm light old young sailor forest bridge night gold blue red cat fox train market window rain snow harbour".split()
)
SEARCHES: Mapping[str, Query] = {
    "one word": Query(search="castle"),
    "three words": Query(search="castle river -storm"),
    "a Lora": Query(lora="style 7"),
    "a word, a Lora and a checkpoint": Query(search="night", lora="style 9", model="dreamline"),
    "nothing found": Query(search="zebra"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        paths = Paths.from_flags(parse_flags(["--data-dir", folder]), ROOT)
        make_pictures(paths.outputs / "txt2img-images", given.files)
        measure(paths, given.files)


def measure(paths: Paths, count: int) -> None:
    print(f"{count} pictures")
    first = History(paths, Settings)
    print(f"first look, nothing known: {seconds(lambda: page(first)):.3f} s")
    print(f"all of them read: {seconds(lambda: wait_read(first)):.1f} s in the background")
    first.close()
    again = History(paths, Settings)
    print(f"first page of a later start: {seconds(lambda: page(again)):.3f} s (limit {FIRST_PAGE} s)")
    print(f"first page again: {seconds(lambda: page(again)) * 1000:.1f} ms")
    for name, query in SEARCHES.items():
        taken = seconds(lambda query=query: again.find(query))
        print(f"search for {name}: {taken * 1000:.1f} ms, {len(again.find(query).pictures)} found (limit {SEARCH * 1000:.0f} ms)")
    make_pictures(paths.outputs / "txt2img-images", 1, start=count)
    print(f"first page after one new picture: {seconds(lambda: page(again)) * 1000:.1f} ms")
    again.close()


def page(history: History) -> None:
    history.look()
    history.find(Query())


def wait_read(history: History) -> None:
    while history.unread:
        time.sleep(0.05)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def make_pictures(folder: Path, count: int, start: int = 0) -> None:
    draw = random.Random(start)
    image = Image.effect_noise((64, 64), 60)
    for number in range(start, start + count):
        path = folder / f"2026-{number % DAYS // 28 + 1:02}-{number % DAYS % 28 + 1:02}" / f"{number:05}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        info, data = PngInfo(), io.BytesIO()
        info.add_text("parameters", infotext(draw, number))
        image.save(data, "png", pnginfo=info)
        path.write_bytes(data.getvalue())
        then = time.time() - (DAYS - number % DAYS) * 86400 + number / 100
        os.utime(path, (then, then))


def infotext(draw: random.Random, number: int) -> str:
    """About as long as people's own."""
    prompt = ", ".join(" ".join(draw.choices(WORDS, k=3)) for _ in range(12))
    lora = f"style {draw.randrange(LORAS)}"
    negative = ", ".join(draw.choices(WORDS, k=20))
    return (
        f"{prompt} <lora:{lora}:0.8>\nNegative prompt: {negative}\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.0, Seed: {number}, "
        f'Size: 64x64, Model hash: 0123456789, Model: {draw.choice(("dreamline", "tiny", "other"))}, Lora hashes: "{lora}: 0123456789ab", Version: webui-0.1.0'
    )


if __name__ == "__main__":
    main()

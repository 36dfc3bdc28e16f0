"""LoRA scrub strip: one picture at weights from -1 to 2 of a LoRA, side by side. What was drawn once is not drawn again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.catalog import Catalog, Entry
from backend.controls import Control
from backend.drawn_before import DrawnBefore
from backend.errors import Interrupted
from backend.flags import Flags
from backend.hooks import hookimpl
from backend.images.legend import Colors, Label, table
from backend.paths import Paths
from backend.request import GenerationRequest
from backend.scripts import Script, Session
from backend.settings import Settings
from backend.tasks import SavedImage
from extensions.lora_scrub.weights import chosen, weighed, with_lora

TITLE = "LoRA scrub strip"
ABOUT = "Empty = the first one in the prompt. Prompt, seed and settings stay; a picture that was drawn before comes from a cache."


class ScrubStrip:
    title = TITLE
    tabs = ("txt2img",)

    def __init__(self) -> None:
        self.drawn_before = DrawnBefore()

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="lora", kind="dropdown", label="LoRA", default="", choices=("",), choices_of="lora", any_choice=True, info=ABOUT),
            Control(key="first", kind="number", label="From weight", default=-1.0, minimum=-10, maximum=10, step=0.05, row="weights"),
            Control(key="last", kind="number", label="To weight", default=2.0, minimum=-10, maximum=10, step=0.05, row="weights"),
            Control(key="count", kind="slider", label="Pictures", default=7, minimum=2, maximum=31, step=1),
        )

    def read_infotext(self, labels: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            weights = [float(weight) for weight in labels.get("Scrub weights", "").split()]
        except ValueError:
            weights = []
        known = {"lora": labels["Scrub LoRA"]} if "Scrub LoRA" in labels else {}
        return {**known, "first": weights[0], "last": weights[-1], "count": len(weights)} if len(weights) > 1 else known

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        request = replace(session.fixed(request), batch_size=1, n_iter=1, prompts=(), negative_prompts=())
        request = with_lora(request, values["lora"], session.catalog, session.settings)
        entry = chosen(request, values["lora"], session.catalog)
        weights = spread(float(values["first"]), float(values["last"]), int(values["count"]))
        drawn, pictures = 0, []
        session.expect(len(weights))
        for weight in weights:
            try:
                picture, fresh = self.drawn_before.draw(weighed(request, entry, weight, session.catalog), session, save=False)
            except Interrupted:
                break
            pictures.append(picture)
            drawn += fresh
        if pictures:
            _show(pictures, entry, weights[: len(pictures)], session)
            session.comment(f"{len(pictures) - drawn} of {len(pictures)} pictures came from the cache.")


def spread(first: float, last: float, count: int) -> tuple[float, ...]:
    """Evenly, both ends among them."""
    return tuple(round(first + (last - first) * number / (count - 1), 4) + 0.0 for number in range(count))


def _show(pictures: Sequence[SavedImage], entry: Entry, weights: Sequence[float], session: Session) -> None:
    settings = session.settings
    colors = Colors(background=settings["grid_background_color"], active=settings["grid_text_active_color"], inactive=settings["grid_text_inactive_color"])
    strip = table([[picture.image for picture in pictures]], [[Label(text=f"{weight:g}")] for weight in weights], colors=colors)
    told = {"Script": TITLE, "Scrub LoRA": session.catalog.path_name(entry), "Scrub weights": " ".join(f"{weight:g}" for weight in weights)}
    session.add(strip, session.infotext(pictures, told), grid=True, front=True)


STRIP = ScrubStrip()


@hookimpl
def begin(paths: Paths, flags: Flags, settings: Settings, failed: Callable[[str, str, BaseException], str]) -> None:
    STRIP.drawn_before = DrawnBefore(flags)


@hookimpl
def page_files() -> Sequence[Path]:
    return [Path(__file__).parent / "strip.css", Path(__file__).parent / "strip.js"]


@hookimpl
def scripts() -> Sequence[Script]:
    return [STRIP]

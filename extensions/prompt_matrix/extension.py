"""Prompt matrix: "a cat|in snow|at night" is drawn with every combination of the parts behind the first, as a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from backend import hooks
from backend.catalog import Catalog
from backend.controls import Control
from backend.errors import Interrupted, WebUIError
from backend.images.legend import Colors, Label, Labels, table
from backend.request import GenerationRequest
from backend.scripts import Script, Session
from backend.settings import Settings
from backend.tasks import SavedImage

MOST_PARTS = 12  # behind the first: 4096 pictures
NOT_DRAWN = "#e8e8e8"


def combinations(prompt: str, *, at_start: bool, separator: str) -> tuple[str, ...]:
    """In A1111's order: part k is in every picture whose number has bit k. Raises WebUIError for more than can be drawn."""
    first, *parts = prompt.split("|")
    if len(parts) > MOST_PARTS:
        raise WebUIError(f"{len(parts)} parts behind the first one would be {2 ** len(parts)} pictures: at most {MOST_PARTS} are possible.")
    texts = []
    for number in range(2 ** len(parts)):
        chosen = [part.strip(", ") for bit, part in enumerate(parts) if number & (1 << bit)]
        texts.append(separator.join([*chosen, first] if at_start else [first, *chosen]))
    return tuple(texts)


def legend(parts: Sequence[str]) -> tuple[Labels, Labels]:
    """Of the columns and of the rows: the first half of the parts goes across, the second down."""
    half = math.ceil(len(parts) / 2)
    return _labels(parts[:half]), _labels(parts[half:])


def _labels(parts: Sequence[str]) -> list[list[Label]]:
    return [[Label(text=part, active=bool(number & (1 << bit))) for bit, part in enumerate(parts)] for number in range(2 ** len(parts))]


class PromptMatrix:
    title = "Prompt matrix"
    tabs = ("txt2img", "img2img")

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="put_at_start", kind="checkbox", label="Put variable parts at start of prompt", default=False, row="what"),
            Control(key="different_seeds", kind="checkbox", label="Use different seed for each picture", default=False, row="what"),
            Control(key="prompt_type", kind="radio", label="Select prompt", default="positive", choices=("positive", "negative"), row="how"),
            Control(key="variations_delimiter", kind="radio", label="Select joining char", default="comma", choices=("comma", "space"), row="how"),
            Control(key="margin_size", kind="slider", label="Grid margins (px)", default=0, minimum=0, maximum=500, step=2),
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        request = replace(session.fixed(request), batch_size=1, n_iter=1)
        positive = values["prompt_type"] == "positive"
        text = request.prompt if positive else request.negative_prompt
        texts = combinations(text, at_start=values["put_at_start"], separator=", " if values["variations_delimiter"] == "comma" else " ")
        session.expect(len(texts))
        images: list[SavedImage] = []
        for number, each in enumerate(texts):
            told = replace(request, prompt=each) if positive else replace(request, negative_prompt=each)
            if values["different_seeds"]:
                told = replace(told, seed=replace(told.seed, seed=told.seed.seed + number))
            try:
                images += session.draw(told)[:1]
            except Interrupted:
                break
        if images:
            _show_grid(text.split("|")[1:], len(texts), images, int(values["margin_size"]), session)


def _show_grid(parts: Sequence[str], count: int, images: Sequence[SavedImage], margin: int, session: Session) -> None:
    columns, rows = legend(parts)
    pictures = [image.image for image in images]
    pictures += [Image.new("RGB", pictures[0].size, NOT_DRAWN)] * (count - len(pictures))  # interrupted
    settings = session.settings
    colors = Colors(background=settings["grid_background_color"], active=settings["grid_text_active_color"], inactive=settings["grid_text_inactive_color"])
    wide = len(columns)
    grid = table([pictures[start : start + wide] for start in range(0, count, wide)], columns, rows, margin=margin, colors=colors)
    session.add(grid, session.infotext(images, {}), grid=True, front=True)


@hooks.hookimpl
def scripts() -> Sequence[Script]:
    return [PromptMatrix()]

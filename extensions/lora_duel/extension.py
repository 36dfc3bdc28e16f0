"""LoRA duel: LoRAs at weights beside the picture without, one seed; a person clicks the better one until there is a ranking. Its tab, routes and script."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from backend.drawn_before import DrawnBefore
from backend.flags import Flags
from backend.hooks import hookimpl
from backend.paths import Paths
from backend.scripts import PageTab, Script
from backend.settings import Settings
from extensions.lora_duel import routes
from extensions.lora_duel.script import TITLE, LoraDuel

HERE = Path(__file__).parent
DUEL = LoraDuel()
SHELL = '<section class="duel-page" aria-label="LoRA duel"></section>'


@hookimpl
def begin(paths: Paths, flags: Flags, settings: Settings, failed: Callable[[str, str, BaseException], str]) -> None:
    DUEL.drawn_before = DrawnBefore(flags)


@hookimpl
def scripts() -> Sequence[Script]:
    return [DUEL]


@hookimpl
def page_routes(service: Any) -> APIRouter:
    return routes.build(service, DUEL)


@hookimpl
def page_files() -> Sequence[Path]:
    return [HERE / "page" / name for name in ("duel.css", "parts.js", "duel.js")]


@hookimpl
def tabs(service: Any) -> Sequence[PageTab]:
    return [PageTab(title=TITLE, id="loraduel", draw=_draw)]


def _draw() -> None:
    import gradio as gr  # takes seconds, and is not there without a page

    gr.HTML(html_template=SHELL, js_on_load="webuiDuel.attach(element)", elem_id="lora_duel", apply_default_css=False)

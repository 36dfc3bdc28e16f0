"""The page as a whole: `build` makes it, `mount` puts it at / of the app."""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import gradio as gr
from fastapi import FastAPI

from backend.plugins import Hooks
from backend.scripts import PageTab
from backend.service import GenerationService
from ui import bind, extensions_tab, extras, history, model_tools, png_info, quicksettings, settings_tab, tab
from ui.theme import theme
from ui.ui_config import UIConfig

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
# page.js makes `webui`, the others fill it
SCRIPTS = (
    "page.js",
    "localization.js",
    "dialog.js",
    "progress.js",
    "form.js",
    "sends.js",
    "asks.js",
    "jobs.js",
    "bar.js",
    "gallery.js",
    "pictures.js",
    "lightbox.js",
    "suggestions.js",
    "paste.js",
    "styles.js",
    "counter.js",
    "scripts.js",
    "extensions.js",
    "canvas.js",
    "hires.js",
    "extras.js",
    "pnginfo.js",
    "settings.js",
    "defaults.js",
    "quick.js",
    "keys.js",
    "history.js",
    "prompt.js",
    "drafts.js",
    "sliders.js",
    "networks.js",
    "cards.js",
    "previews.js",
    "folders.js",
    "editor.js",
    "upload.js",
    "complete.js",
    "history_grid.js",
    "history_view.js",
    "history_page.js",
    "tools.js",
    "compare.js",
    "attention.js",
    "forever.js",
    "batch_folder.js",
)
STYLES = (
    "layout.css",
    "controls.css",
    "gallery.css",
    "dialog.css",
    "jobs.css",
    "settings.css",
    "networks.css",
    "sliders.css",
    "lightbox.css",
    "scripts.css",
    "extensions.css",
    "canvas.css",
    "extras.css",
    "history_page.css",
    "tools.css",
)
KINDS: Mapping[str, tuple[str, str, str]] = {
    ".js": ("<script>", "</script>", "</script"),
    ".mjs": ('<script type="module">', "</script>", "</script"),
    ".css": ("<style>", "</style>", "</style"),
}
Made = TypeVar("Made")
OPEN = '<p class="notice" role="note">Anyone in this network can use this page. A password: <code>--gradio-auth name:password</code></p>'
AN_HOUR, A_DAY = 3600, 86400


Make = Callable[[GenerationService, gr.Blocks, quicksettings.QuickSettings], bind.Kept | None]


@dataclass(frozen=True, kw_only=True)
class Tab:
    title: str  # A1111's
    id: str
    build: Make


def _without_form(shell: Callable[[], object]) -> Make:
    def make(*_: object) -> None:
        shell()

    return make


TABS = (
    Tab(title="txt2img", id="txt2img", build=partial(tab.build, tab="txt2img")),
    Tab(title="img2img", id="img2img", build=partial(tab.build, tab="img2img")),
    Tab(title="Extras", id="extras", build=extras.build),
    Tab(title="PNG Info", id="pnginfo", build=_without_form(png_info.build)),
    Tab(title="History", id="history", build=_without_form(history.build)),
    Tab(title="Checkpoint Merger", id="modelmerger", build=_without_form(model_tools.build_merger)),
    Tab(title="LoRA tools", id="loratools", build=_without_form(model_tools.build_lora_tools)),
    Tab(title="Extensions", id="extensions", build=_without_form(extensions_tab.build)),
    Tab(title="Settings", id="settings", build=_without_form(settings_tab.build)),
)


def build(service: GenerationService) -> gr.Blocks:
    """Only looks at the service; nothing in it belongs to one visitor. GRADIO_ANALYTICS_ENABLED must be "False" before gradio is imported."""
    return _in_a_loop(lambda: _build(service))


def mount(app: FastAPI, blocks: gr.Blocks, accounts: Mapping[str, str] | None = None, head: str | None = None) -> FastAPI:
    """After every other route: what is mounted at / takes all that is left. accounts: {name: password} of those who may come in; none = everyone."""
    return _in_a_loop(lambda: _mount(app, blocks, accounts or {}, page_head() if head is None else head))


def _build(service: GenerationService) -> gr.Blocks:
    with gr.Blocks(title="Stable Diffusion", analytics_enabled=False, fill_width=True, delete_cache=(AN_HOUR, A_DAY)) as blocks:
        if service.exposure.open:
            gr.HTML(html_template=OPEN, elem_id="open_to_all", apply_default_css=False)
        settings, config = quicksettings.build(service), UIConfig(service.paths.ui_config_file)
        forms: dict[str, bind.Kept] = {}
        with gr.Tabs(elem_id="tabs"):
            for made in _tabs(service):
                with gr.Tab(made.title, id=made.id, elem_id=f"tab_{made.id}"):
                    if form := made.build(service, blocks, settings):
                        forms[made.id] = form
        sizes = [form for name, form in forms.items() if "width" in form.kept and not config.sets_size(name)]
        quicksettings.wire(service, blocks, settings, [form.kept[side] for form in sizes for side in ("width", "height")])
        for name, form in forms.items():
            config.apply(name, form.kept)
    return blocks


def _tabs(service: GenerationService) -> list[Tab]:
    """In the order of the settings; those that it does not name follow as they are."""
    first, hidden = (list(service.settings.current[key]) for key in ("ui_tab_order", "hidden_tabs"))
    shown = [made for made in (*TABS[:-2], *_added_tabs(service), *TABS[-2:]) if made.title not in hidden or made.id == "settings"]
    return sorted(shown, key=lambda made: first.index(made.title) if made.title in first else len(first))


def _added_tabs(service: GenerationService) -> list[Tab]:
    """Those of extensions; one that fails is left empty, and named among the problems of its extension."""
    return [Tab(title=added.title, id=added.id, build=partial(_draw_added, extension, added)) for extension, added in service.hooks.tabs(service)]


def _draw_added(extension: str, added: PageTab, service: GenerationService, *_: object) -> None:
    with gr.Column() as column:
        drawn = service.hooks.guarded(extension, f"tab {added.title}", False, lambda sentence: None, lambda: added.draw() or True)
    if not drawn:
        column.children.clear()


def _mount(app: FastAPI, blocks: gr.Blocks, accounts: Mapping[str, str], head: str) -> FastAPI:
    _calm_queue(blocks)
    return gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=theme(),
        head=head,
        auth=list(accounts.items()) or None,
        footer_links=[],
        run_history=False,
        max_file_size="64mb",
        ssr_mode=False,
        show_error=True,
    )


def page_head(*, theme: str = "", user_css: bool = False, hooks: Hooks | None = None) -> str:
    """Styles and scripts inline: Gradio does not wait for linked ones before it runs `js_on_load`. theme: "light" or "dark" for who has not chosen."""
    styles = [f"<style>\n{_read(name)}/*# sourceURL=ui/static/{name} */\n</style>" for name in STYLES]
    scripts = [f"<script>\n{_read(name)}//# sourceURL=ui/static/{name}\n</script>" for name in SCRIPTS]
    if theme not in ("", "light", "dark"):
        log.warning("--theme %s is neither light nor dark: the page follows the visitor's system.", theme)
    own = ['<link rel="stylesheet" href="internal/user.css">'] if user_css else []
    return "\n".join([*styles, *own, f"<script>window.webuiTheme = {json.dumps(theme)}</script>", *scripts, *_added_files(hooks or Hooks())])


def _added_files(hooks: Hooks) -> list[str]:
    """Of extensions, inline as well: they may use `webui`."""
    found: list[str] = []
    for extension, file in hooks.page_files():
        with hooks.watched(extension, file.name):
            before, after, closing = KINDS[file.suffix.lower()]
            text = re.sub(closing, lambda end: end[0].replace("</", "<\\/"), file.read_text("utf-8"), flags=re.IGNORECASE)
            found.append(f"{before}\n{text}\n{after}")
    return found


def _read(name: str) -> str:
    return (STATIC / name).read_text("utf-8")


def _in_a_loop(make: Callable[[], Made]) -> Made:
    """Where no event loop runs, Gradio opens some and never closes them."""

    async def call() -> Made:
        return make()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(call())
    return make()


def _calm_queue(blocks: gr.Blocks) -> None:
    """Gradio's idle queue wakes up 1,000 times a second (8 % of a core); 50 times cost 2 % and no delay that one notices."""
    if hasattr(blocks._queue, "sleep_when_free"):
        blocks._queue.sleep_when_free = 0.02

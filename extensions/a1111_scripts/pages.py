"""Tabs that scripts add by on_ui_tabs: declared as the page is built, drawn by `replay`."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from backend.errors import WebUIError
from backend.scripts import PageTab
from extensions.a1111_scripts.host import Host
from extensions.a1111_scripts.interface import Component


def tabs(host: Host) -> Iterator[PageTab]:
    """Each callback gives (blocks, title, id) of one or more."""
    for extension, given in host.callbacks.call("ui_tabs"):
        for tab in given or ():
            if not (isinstance(tab, tuple | list) and len(tab) == 3 and isinstance(tab[0], Component)):
                host.failed(extension, "on_ui_tabs", WebUIError(f"It gave {tab!r} in the place of (blocks, title, id)."))
                continue
            blocks, title, id = tab
            yield PageTab(title=str(title), id=str(id).replace("-", "_"), draw=partial(_draw, blocks))


def _draw(blocks: Any) -> None:
    from extensions.a1111_scripts import replay  # Gradio takes seconds to import, and is not there without a page

    replay.draw(blocks)

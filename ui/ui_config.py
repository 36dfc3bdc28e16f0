"""ui-config.json: A1111's file of the page's defaults. "txt2img/Sampling steps/value": 30; beside value: minimum, maximum, step, visible."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import gradio as gr
from gradio.components import Component

from backend.errors import WebUIError
from ui import bind

log = logging.getLogger(__name__)

LIMITS = ("minimum", "maximum", "step")
LONGEST = 100_000  # characters of what one press of Apply may write
_KEY = re.compile(r"[\w ]{1,40}/.{1,200}/value")
_SCRIPT = re.compile(r"customscript/[^/]+/")  # A1111 1.6 and later write it before what a script draws: the sampler, the seed


class UIConfig:
    """The file, as it was when the program started; what is written into it later holds from the next start on."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._entries = {_SCRIPT.sub("", key): value for key, value in _entries_or_none(path).items()}

    def apply(self, tab: str, components: Mapping[str, Component]) -> None:
        """Before the page is mounted. What a component does not take is told in the log, and its own default holds. Of two with one label the first counts."""
        for label, component in _by_label(components):
            for name in (*LIMITS, "visible", "value"):
                key = f"{tab}/{label}/{name}"
                if key in self._entries and not _put(component, name, self._entries[key]):
                    log.warning("%s: %s cannot be %r", self._path.name, key, self._entries[key])

    def sets_size(self, tab: str) -> bool:
        """Whether width and height are the file's, and no longer the checkpoint's. A1111's own 512, which each of its files has, does not count."""
        return any(self._entries.get(f"{tab}/{bind.label(side)}/value", bind.default(side)) != bind.default(side) for side in ("width", "height"))

    def write(self, values: Mapping[str, object]) -> None:
        """Into the file, beside what it has. Raises WebUIError."""
        if wrong := next((key for key, value in values.items() if not (_KEY.fullmatch(key) and _is_plain(value))), None):
            raise WebUIError(f"{wrong!r} is no default that can be written.")
        if len(json.dumps(values)) > LONGEST:
            raise WebUIError("These defaults are too long for the file.")
        with self._lock:
            try:
                entries = {**_read(self._path), **values}
                temporary = self._path.with_name(f"{self._path.name}.tmp")
                temporary.write_text(json.dumps(entries, indent=4, ensure_ascii=False), "utf-8")
                temporary.replace(self._path)
            except (OSError, ValueError) as error:
                raise WebUIError(f"The defaults cannot be written to {self._path.name}: {error}.") from error


def _by_label(components: Mapping[str, Component]) -> Iterator[tuple[str, Component]]:
    seen: set[str] = set()
    for component in components.values():
        label = str(getattr(component, "label", "") or "")
        if label and label not in seen:
            seen.add(label)
            yield label, component


def _entries_or_none(path: Path) -> Mapping[str, Any]:
    try:
        return _read(path)
    except (OSError, ValueError) as error:
        log.error("The defaults in %s cannot be read: %s. The page starts with its own.", path, error)
        return {}


def _read(path: Path) -> dict[str, Any]:
    """Empty where there is no file. Raises OSError and ValueError."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def _put(component: Component, name: str, value: object) -> bool:
    if name == "visible":
        taken = isinstance(value, bool)
    elif name in LIMITS:
        taken = isinstance(component, gr.Slider) and _is_number(value) and (name != "step" or float(value) > 0)  # type: ignore[arg-type]
    else:
        value, taken = _value(component, value)
    if taken:
        setattr(component, name, value)
    return taken


def _value(component: Component, value: object) -> tuple[object, bool]:
    """As the component takes it, and whether it does."""
    match component:
        case gr.Slider():
            return value, _is_number(value) and component.minimum <= value <= component.maximum  # type: ignore[operator]
        case gr.Number():
            return value, _is_number(value)
        case gr.Checkbox():
            return value, isinstance(value, bool)
        case gr.Dropdown() | gr.Radio():
            return _choice(component, value)
        case _:
            return value, isinstance(value, str)


def _choice(component: gr.Dropdown | gr.Radio, value: object) -> tuple[object, bool]:
    """By what is read on the page, as A1111 writes it, or by what it stands for."""
    choices: dict[object, object] = dict(component.choices or ())
    many = isinstance(component, gr.Dropdown) and bool(component.multiselect)
    wanted = value if many and isinstance(value, list) else [value]
    found = [choices.get(one, one) for one in wanted if isinstance(one, str | int)]
    known = len(found) == len(wanted) and all(one in choices.values() for one in found)
    return (found if many else found[0] if found else None), known


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str | int | float) for one in value)
    return value is None or isinstance(value, str | int | float | bool)

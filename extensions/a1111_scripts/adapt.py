"""Scripts of A1111's form as the program's own: their controls, their values, and their run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import unescape
from typing import Any

import numpy as np
from PIL import Image

from backend.catalog import Catalog
from backend.controls import Control, Update
from backend.request import GenerationRequest
from backend.scripts import EngineCall, Part, Session
from backend.settings import Settings
from extensions.a1111_scripts.host import Host
from extensions.a1111_scripts.interface import UPDATE, Component
from extensions.a1111_scripts.processing import StableDiffusionProcessing, StableDiffusionProcessingImg2Img, StableDiffusionProcessingTxt2Img
from extensions.a1111_scripts.scripting import TABS, Script, title_of

_TAG = re.compile("<[^>]*>")
REACTS = ("change", "click", "input", "select", "submit", "release", "upload", "clear")


class A1111Part(Part):
    """An always-on script; one object for both tabs. Its work is done by `draw`, with that of all others."""

    def __init__(self, host: Host, title: str, tabs: tuple[str, ...]) -> None:
        self.title, self.tabs = title, tabs
        self._host = host

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return controls(self._host, self.title, tab, catalog, settings)

    def engine(self, values: Mapping[str, Any]) -> Sequence[EngineCall]:
        """The first one that has something to do in a step asks for all of them."""
        return tuple(EngineCall(at=at, target=target, options=options) for at, target, options in self._host.engine_calls(self.title))

    def read_infotext(self, labels: Mapping[str, str]) -> Mapping[str, Any]:
        return pasted(self._host, self.title, self.tabs[0], labels)


class A1111Script:
    """A selectable one."""

    def __init__(self, host: Host, title: str, tabs: tuple[str, ...]) -> None:
        self.title, self.tabs = title, tabs
        self._host = host

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return controls(self._host, self.title, tab, catalog, settings)

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        """What `run` gives is what is shown; None = the request is drawn as it is."""
        host, own = self._host, {**request.parts, self.title: values}
        with host.within(session, native_parts(host, request)):
            p = processing_of(host, request, own, session.tab)
            runner = p.scripts
            place = [title_of(script) for script in runner.selectable_scripts].index(self.title) + 1
            p.script_args = (place, *p.script_args[1:])
            processed = runner.run(p, *p.script_args)
            if processed is None:
                host.walk(p, shown=True)
                return
            for index, image in enumerate(processed.images):
                text = processed.infotexts[index] if index < len(processed.infotexts) else processed.info
                _show(host, session, image, text, index < processed.index_of_first_image)


def _show(host: Host, session: Session, image: Any, text: str, grid: bool) -> None:
    if isinstance(image, str):
        with Image.open(image) as file:
            file.load()
            image = file
    if not isinstance(image, Image.Image):
        return
    saved = host.kept(image)
    if saved is not None:
        session.keep(saved, image, saved.infotext, save=False)
    else:
        session.add(image, text or "", grid=grid, save=False, front=grid)


def draw(host: Host, request: GenerationRequest, session: Session, *, save: bool, show: bool, grid: bool) -> Any:
    """A request through all always-on scripts; None where there are none, and within what they draw themselves."""
    if host.walking or not host.runners[session.tab].alwayson_scripts:
        return None
    with host.within(session, native_parts(host, request)):
        p = processing_of(host, request, request.parts, session.tab)
        return host.walk(p, shown=show, saved=save, grid=grid)[1]


def processing_of(host: Host, request: GenerationRequest, values: Mapping[str, Mapping[str, Any]], tab: str) -> Any:
    """With the runner and the arguments of all scripts."""
    kind: type[StableDiffusionProcessing] = StableDiffusionProcessingImg2Img if tab == "img2img" else StableDiffusionProcessingTxt2Img
    runner = host.runners[tab].prepare()
    p = kind.of(request)
    args = runner.defaults()
    by_title = {title.lower(): given for title, given in values.items()}
    for script in runner.scripts:
        given = by_title.get(title_of(script).lower(), {})
        for place, component in enumerate(script.controls or ()):
            key = f"arg{place}"
            args[(script.args_from or 0) + place] = _argument(component, given[key]) if key in given else _argument(component, _default(component))
    p.scripts = runner
    p.script_args = tuple(args)
    return p


def native_parts(host: Host, request: GenerationRequest) -> Mapping[str, Mapping[str, Any]]:
    """What a request says of parts that are none of A1111's form."""
    own = {title_of(script).lower() for runner in host.runners.values() for script in runner.alwayson_scripts}
    return {title: values for title, values in request.parts.items() if title.lower() not in own}


def titled(host: Host, *, always_on: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each title with its tabs, in the order of loading."""
    found: dict[str, list[str]] = {}
    for tab in TABS:
        runner = host.runners[tab]
        for script in runner.alwayson_scripts if always_on else runner.selectable_scripts:
            found.setdefault(title_of(script), []).append(tab)
    return ((title, tuple(dict.fromkeys(tabs))) for title, tabs in found.items())


# ---- controls


def controls(host: Host, title: str, tab: str, catalog: Catalog, settings: Settings) -> tuple[Control, ...]:
    host.catalog = catalog
    runner = host.runners[tab].prepare()
    script = runner.script(title)
    return tuple(_controls(host, script, runner.roots[id(script)])) if script is not None else ()


def _controls(host: Host, script: Script, root: Component) -> Iterator[Control]:
    """In the order of their making, as A1111 shows them; their places are those in what `ui` returned."""
    returned = tuple(script.controls or ())
    keys = {id(component): f"arg{place}" for place, component in enumerate(returned)}
    made = [component for component in root.inside() if component.kind]
    beside = [component for component in made if id(component) not in keys and component.kind in ("text", "button")]
    keys |= {id(component): f"beside{number}" for number, component in enumerate(beside)}
    known = {id(component) for component in made}
    for component in (*made, *(component for component in returned if id(component) not in known)):
        key = keys.get(id(component), "")
        if key.startswith("arg"):
            yield replace(_control(host, script, component, keys), place=int(key.removeprefix("arg")))
        elif key:
            yield _beside(host, script, component, keys)


def _beside(host: Host, script: Script, component: Component, keys: Mapping[int, str]) -> Control:
    key = keys[id(component)]
    if component.kind == "text":
        return Control(key=key, kind="text", label=_plain(str(component.value or "")), beside=True, visible=component.visible)
    return Control(key=key, kind="button", label=str(component.value or component.label or "🔄"), beside=True, react=_react(host, script, component, keys))


def _control(host: Host, script: Script, component: Component, keys: Mapping[int, str]) -> Control:
    if component.kind == "text":
        return Control(key=keys[id(component)], kind="text", label=_plain(str(component.value or "")), visible=component.visible)
    kind: Any = component.kind if component.kind in ("slider", "number", "textbox", "checkbox", "dropdown", "radio", "checkboxgroup", "image") else "state"
    shown, default = tuple(str(label) for label, _ in component.choices), _default(component)
    return Control(
        key=keys[id(component)],
        kind=kind,
        label=component.label or "",
        default=default,
        minimum=component.minimum if kind in ("slider", "number") else None,
        maximum=component.maximum if kind in ("slider", "number") else None,
        step=component.step if kind in ("slider", "number") else None,
        choices=shown,
        type_index=component.type == "index",
        multiple=component.multiselect,
        any_choice=component.allow_custom_value,
        lines=int(component.lines),
        placeholder=component.placeholder,
        info=_plain(component.info),
        row=_row(component),
        visible=component.visible,
        react=_react(host, script, component, keys),
    )


def _row(component: Component) -> str:
    parent = component.parent
    return f"row{id(parent)}" if parent is not None and type(parent).__name__ == "Row" else ""


def _default(component: Component | None) -> Any:
    """As a value of the control: the name of a choice, not what it stands for."""
    if component is None:
        return None
    value, names = component.value, {_hashable(stands): str(label) for label, stands in component.choices}
    if component.kind == "checkboxgroup" or component.multiselect:
        given = value if isinstance(value, list | tuple) else () if value is None else (value,)
        return tuple(names.get(_hashable(one), str(one)) for one in given)
    if component.kind in ("dropdown", "radio"):
        if component.type == "index" and isinstance(value, int) and not isinstance(value, bool) and value not in names and 0 <= value < len(component.choices):
            return str(component.choices[value][0])
        return names.get(_hashable(value), "" if value is None else str(value))
    return value


def _argument(component: Component | None, value: Any) -> Any:
    """What a script gets: what a choice stands for, or its place; lists; pictures as arrays where it asked for them."""
    if component is None:
        return value
    if component.kind in ("dropdown", "radio", "checkboxgroup"):
        names = [str(label) for label, _ in component.choices]

        def one(name: Any) -> Any:
            if str(name) not in names:
                return None if component.type == "index" else name
            place = names.index(str(name))
            return place if component.type == "index" else component.choices[place][1]

        if component.kind == "checkboxgroup" or component.multiselect:
            return [one(name) for name in value or ()]
        return one(value) if value not in (None, "") else None if component.type == "index" or not value else value
    if component.kind == "image" and isinstance(value, Image.Image) and component.type in ("", "numpy"):
        return np.asarray(value.convert("RGB"))
    return value


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def _plain(html: str) -> str:
    """A sentence without its tags."""
    text = _TAG.sub("", html)
    return " ".join(unescape(text).split())


# ---- events


def _react(host: Host, script: Script, component: Component, keys: Mapping[int, str]) -> Callable[[Mapping[str, Any]], Mapping[str, Update]] | None:
    """Of those events whose inputs and outputs are the script's own controls; JavaScript and others' controls are not there."""
    own = [event for event in component.events if event.trigger in REACTS and event.function is not None and all(id(one) in keys for one in event.inputs)]
    own = [event for event in own if any(id(one) in keys for one in event.outputs)]
    if not own:
        return None

    def react(values: Mapping[str, Any]) -> Mapping[str, Update]:
        changed: dict[str, Update] = {}
        for event in own:
            given = [_argument(one, values.get(keys[id(one)], _default(one))) for one in event.inputs]
            result = event.function(*given) if event.function is not None else None
            results = result if len(event.outputs) > 1 and isinstance(result, list | tuple) else (result,)
            for output, update in zip(event.outputs, results, strict=False):
                if id(output) in keys:
                    changed[keys[id(output)]] = _update(output, update)
        return changed

    return react


def _update(component: Component, given: Any) -> Update:
    if isinstance(given, Component):
        given = {"__type__": UPDATE, "value": given.value, "visible": given.visible, **({"choices": given.choices} if given.choices else {})}
    if not (isinstance(given, dict) and given.get("__type__") == UPDATE):
        return Update(value=_shown(component, given))
    choices = given.get("choices")
    if choices is not None:
        component.choices = tuple(one if isinstance(one, tuple) else (str(one), one) for one in choices)
    return Update(
        value=_shown(component, given["value"]) if "value" in given else None,
        choices=tuple(str(label) for label, _ in component.choices) if choices is not None else None,
        visible=given.get("visible"),
    )


def _shown(component: Component, value: Any) -> Any:
    before = component.value
    component.value = value
    try:
        return _default(component)
    finally:
        component.value = before


# ---- pasting


def pasted(host: Host, title: str, tab: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """infotext_fields: (component, label or function of all labels). What is not named stays as it is."""
    script = host.runners[tab].prepare().script(title)
    if script is None:
        return {}
    places, found = {id(component): place for place, component in enumerate(script.controls or ())}, {}
    given = dict(labels)
    host.callbacks.call("infotext_pasted", "", given)
    for component, target, *_ in script.infotext_fields or ():
        value = target(given) if callable(target) else given.get(target)
        if value is None or id(component) not in places:
            continue
        if isinstance(value, dict) and value.get("__type__") == UPDATE:
            value = value.get("value")
        if value is not None:
            found[f"arg{places[id(component)]}"] = _cast(component, value)
    return found


def _cast(component: Component, value: Any) -> Any:
    """To the type that the control's value has, as A1111 does."""
    usual = component.value
    if isinstance(usual, bool) or component.kind == "checkbox":
        return value if isinstance(value, bool) else str(value) == "True"
    if isinstance(usual, int | float) and isinstance(value, str):
        number = float(value)
        return int(number) if isinstance(usual, int) and number.is_integer() else number
    return _shown(component, value)

"""Scripts and parts of extensions on a tab: the drop-down "Script" and accordions, drawn from the declared controls; their values by name."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import gradio as gr
from gradio.components import Component

from backend.controls import Control, Update, choices
from backend.errors import WebUIError
from backend.plugins import Hooks, Owned
from backend.request import ScriptCall
from backend.scripts import TABS, Part, ReadsInfotext, Script
from backend.service import GenerationService
from ui.events import QUICK
from ui.sources import picture

NONE, CHOSEN = "None", "script"


@dataclass(frozen=True, kw_only=True)
class Scripts:
    """Components by name: "script" is the drop-down, "script/<name>/<key>" and "part/<name>/<key>" are controls; the name is a title in plain letters."""

    kept: Mapping[str, Component] = field(default_factory=dict)
    unkept: Mapping[str, Component] = field(default_factory=dict)  # pictures and files: a reload of the page forgets them
    pictures: frozenset[str] = frozenset()  # of unkept: their values are data URLs
    parts: Mapping[str, str] = field(default_factory=dict)  # their titles by plain name

    def take(self, values: dict[str, Any]) -> dict[str, Any]:
        """Takes what is theirs out of `values`; gives it as fields.to_request wants it. Raises WebUIError for a picture that cannot be read."""
        own = {name: values.pop(name) for name in (*self.kept, *self.unkept) if name in values}
        own |= {name: (own[name] and picture(own[name])) or None for name in self.pictures & own.keys()}
        chosen = own.pop(CHOSEN, NONE)
        grouped: dict[tuple[str, str], dict[str, Any]] = {}
        for name, value in own.items():
            kind, plain, key = name.split("/", 2)
            grouped.setdefault((kind, plain), {})[key] = value
        script = ScriptCall(title=chosen, values=grouped.get(("script", _plain(chosen)), {})) if chosen != NONE else None
        parts = {self.parts[name]: given for (kind, name), given in grouped.items() if kind == "part"}
        return ({"script": script} if script else {}) | ({"parts": parts} if parts else {})


def build(service: GenerationService, blocks: gr.Blocks, tab: str) -> Scripts:
    """At the bottom of a tab's settings. What cannot be drawn is left out, and named among the problems of its extension."""
    made: dict[str, Component] = {}
    files: dict[str, Control] = {}  # whose choices are looked up
    uploads: dict[str, Control] = {}
    with gr.Column(elem_id=f"{tab}_script_container", elem_classes="settings script-container"):
        for owned in service.hooks.parts(tab):
            if controls := _controls(service, owned, tab):
                with gr.Accordion(owned.of.title, open=False, elem_id=_id(tab, owned.of.title), elem_classes="part"):
                    _draw(service, owned, controls, tab, made, files, uploads)
        _scripts(service, tab, made, files, uploads)
    if files:
        shown = [made[name] for name in files]
        blocks.load(lambda: _first([gr.Dropdown(choices=list(choices(control, service.catalog))) for control in files.values()]), None, shown, **QUICK)
    return Scripts(
        kept={name: component for name, component in made.items() if name not in uploads},
        unkept={name: made[name] for name in uploads},
        pictures=frozenset(name for name, control in uploads.items() if control.kind == "image"),
        parts={_plain(owned.of.title): owned.of.title for owned in service.hooks.parts(tab)},
    )


def pasted(hooks: Hooks, labels: Mapping[str, str]) -> dict[str, Any]:
    """What the parameters of a picture say of parts and of its script, by the names of their controls on a page."""
    found: dict[str, Any] = {}
    for owned in {owned.of.title: owned for tab in TABS for owned in hooks.parts(tab)}.values():
        found |= _read_back(hooks, owned, labels, "part")
    for owned in {owned.of.title: owned for tab in TABS for owned in hooks.scripts(tab)}.values():
        if isinstance(owned.of, ReadsInfotext) and labels.get("Script", "").lower() == owned.of.title.lower():
            found |= {CHOSEN: owned.of.title, **_read_back(hooks, owned, labels, "script")}
    return found


def _read_back(hooks: Hooks, owned: Owned[Any], labels: Mapping[str, str], kind: str) -> dict[str, Any]:
    title = owned.of.title
    read = hooks.guarded(owned.extension, f"read_infotext of {title}", {}, lambda sentence: None, lambda: dict(owned.of.read_infotext(labels)))
    return {f"{kind}/{_plain(title)}/{key}": list(value) if isinstance(value, tuple) else value for key, value in read.items()}


def _scripts(service: GenerationService, tab: str, made: dict[str, Component], files: dict[str, Control], uploads: dict[str, Control]) -> None:
    """The drop-down and the controls of each script; static/scripts.js shows those of the chosen one. Nothing where there is none."""
    offered = (owned for owned in service.hooks.scripts(tab) if getattr(owned.of, "listed", True))
    usable = [(owned, controls) for owned in offered if (controls := _controls(service, owned, tab)) is not None]
    titles = [owned.of.title for owned, _ in usable]
    if not usable:
        return
    made[CHOSEN] = gr.Dropdown(
        label="Script",
        choices=[NONE, *titles],
        value=NONE,
        interactive=True,
        allow_custom_value=True,  # what was chosen before its extension went; the service says so
        elem_id="script_list" if tab == "txt2img" else f"{tab}_script_list",
        min_width=0,
    )
    for owned, controls in usable:
        with gr.Column(elem_id=_id(tab, owned.of.title), elem_classes="script-controls", min_width=0):
            _draw(service, owned, controls, tab, made, files, uploads)
    groups = {title: _id(tab, title) for title in titles}
    gr.HTML(
        html_template="<i></i>",
        js_on_load=f"webui.scripts.attach('{tab}', {json.dumps(groups)})",
        elem_classes="unseen",
        apply_default_css=False,
    )


def _controls(service: GenerationService, owned: Owned[Any], tab: str) -> tuple[Control, ...] | None:
    """None where it fails to tell them: it is noted already."""
    try:
        return service.hooks.controls(owned, tab, service.catalog, service.settings.current)
    except WebUIError:
        return None


def _draw(
    service: GenerationService,
    owned: Owned[Script] | Owned[Part],
    controls: Sequence[Control],
    tab: str,
    made: dict[str, Component],
    files: dict[str, Control],
    uploads: dict[str, Control],
) -> None:
    own: dict[str, Component] = {}  # by key
    controls = [control for control in controls if control.kind != "state"]
    prefix = f"{'part' if isinstance(owned.of, Part) else 'script'}/{_plain(owned.of.title)}"
    for row, together in groupby(controls, key=lambda control: control.row or control.key):
        some = list(together)
        if len(some) > 1 and row:
            with gr.Row(elem_classes="line"):
                own |= {control.key: _component(control, _id(tab, owned.of.title), service) for control in some}
        else:
            own |= {control.key: _component(control, _id(tab, owned.of.title), service) for control in some}
    for control in controls:
        if control.has_value:
            made[f"{prefix}/{control.key}"] = own[control.key]
            if control.kind in ("image", "file"):
                uploads[f"{prefix}/{control.key}"] = control
            if control.choices_of:
                files[f"{prefix}/{control.key}"] = control
    values = {control.key: own[control.key] for control in controls if control.has_value}
    for control in controls:
        if control.react is not None:
            _wire(service.hooks, owned, control, own[control.key], values, own)


def _wire(hooks: Hooks, owned: Owned[Any], control: Control, source: Any, values: Mapping[str, Component], own: Mapping[str, Component]) -> None:
    """A button reacts when it is pressed, another control whenever its value has changed."""
    react = control.react
    assert react is not None

    def changed(*given: Any) -> Any:
        asked = dict(zip(values, given, strict=True))
        where = f"{control.label} of {owned.of.title}"
        updates = hooks.guarded(owned.extension, where, {}, lambda sentence: None, lambda: dict(react(asked)))
        return _first([_update(updates[key]) if key in updates else gr.skip() for key in own])

    event = source.click if control.kind == "button" else source.change
    event(changed, list(values.values()), list(own.values()), **QUICK)


def _update(update: Update) -> Any:
    given = {
        "value": list(update.value) if isinstance(update.value, tuple) else update.value,
        "choices": None if update.choices is None else list(update.choices),
        "visible": update.visible,
    }
    return gr.update(**{name: value for name, value in given.items() if value is not None})


def _first(values: list[Any]) -> Any:
    """As Gradio wants it: one value for one output."""
    return values[0] if len(values) == 1 else values


def _component(control: Control, prefix: str, service: GenerationService) -> Component:
    common = {
        "label": control.label,
        "elem_id": f"{prefix}_{_plain(control.key)}",
        "visible": control.visible,
        "interactive": True,
        "min_width": 0,
    }
    return _MAKERS[control.kind](control, {**common, **({"info": control.info} if control.info else {})}, service)


def _slider(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    low, high = (0 if control.minimum is None else control.minimum), (100 if control.maximum is None else control.maximum)
    return gr.Slider(minimum=low, maximum=high, step=control.step, value=control.default, buttons=[], **common)


def _number(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    limits = {"minimum": control.minimum, "maximum": control.maximum}
    return gr.Number(value=control.default, step=control.step or 1, **{key: value for key, value in limits.items() if value is not None}, **common)


def _checkbox(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    return gr.Checkbox(value=bool(control.default), **common)


def _textbox(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    return gr.Textbox(value=control.default or "", lines=control.lines, max_lines=max(control.lines, 20), placeholder=control.placeholder, **common)


def _dropdown(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    value = list(control.default or ()) if control.multiple else control.default
    custom = control.any_choice or bool(control.choices_of)
    known = [choice for choice in choices(control, service.catalog) if choice not in control.unavailable]
    return gr.Dropdown(choices=known, value=value, multiselect=control.multiple or None, allow_custom_value=custom, **common)


def _radio(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    return gr.Radio(choices=list(choices(control, service.catalog)), value=control.default, elem_classes="radio-line", **common)


def _checkboxgroup(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    return gr.CheckboxGroup(choices=list(choices(control, service.catalog)), value=list(control.default or ()), **common)


def _upload(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    """A box that nobody sees carries what static/scripts.js reads: a picture as a data URL, a file as its text."""
    box = gr.Textbox(value="", show_label=False, elem_id=common["elem_id"], elem_classes="unseen", interactive=True)
    gr.HTML(
        html_template=PICTURE if control.kind == "image" else FILE,
        js_on_load=f"webui.scripts.upload(element, {json.dumps(common['elem_id'])}, {json.dumps(control.label)}, {json.dumps(control.info)})",
        elem_classes="script-upload",
        visible=control.visible,
        apply_default_css=False,
    )
    return box


def _text(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    return gr.Markdown(control.label, elem_id=common["elem_id"], visible=control.visible, elem_classes="script-text")


def _button(control: Control, common: dict[str, Any], service: GenerationService) -> Component:
    return gr.Button(control.label, elem_id=common["elem_id"], visible=control.visible, size="sm", min_width=0)


_MAKERS: Mapping[str, Callable[[Control, dict[str, Any], GenerationService], Component]] = {
    "slider": _slider,
    "number": _number,
    "checkbox": _checkbox,
    "textbox": _textbox,
    "dropdown": _dropdown,
    "radio": _radio,
    "checkboxgroup": _checkboxgroup,
    "image": _upload,
    "file": _upload,
    "text": _text,
    "button": _button,
}


def _id(tab: str, title: str) -> str:
    """As A1111's: script_txt2img_xyz_plot."""
    return f"script_{tab}_{_plain(title)}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9_]", "", text.lower().replace(" ", "_"))


PICTURE = '<label class="upload"><span></span> <input type="file" accept="image/*"><img alt="" hidden></label>'
FILE = '<label class="upload"><span></span> <input type="file"></label>'

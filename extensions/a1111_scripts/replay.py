"""What a script declared by on_ui_tabs → the page's own Gradio."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import gradio as gr

from extensions.a1111_scripts.interface import UPDATE, Component

# Where Gradio's name is another one by now, or has none.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        **{"Box": "Group", "Blocks": "Column", "Form": "Column", "Text": "Textbox", "Variable": "State"},
        **{"DataFrame": "Dataframe", "Files": "File"},
    }
)


def draw(root: Component) -> None:
    """Inside the tab that is open."""
    made: dict[int, Any] = {}
    with gr.Column(elem_classes="a1111-tab"):
        for child in root.children:
            _make(child, made)
    for component in root.inside():
        for event in component.events:
            real = made.get(id(component))
            listen = getattr(real, event.trigger, None) if real is not None else None
            known = all(id(one) in made for one in (*event.inputs, *event.outputs))
            if listen is None or not known or (event.function is None and not event.javascript):
                continue
            inputs, outputs = ([made[id(one)] for one in some] for some in (event.inputs, event.outputs))
            listen(_called(event.function, event.outputs), inputs, outputs, js=event.javascript or None, api_visibility="private")


def _make(component: Component, made: dict[int, Any]) -> None:
    kind = _kind(component)
    real = kind(**_arguments(component, kind))
    made[id(component)] = real
    if component.children:
        with real:
            for child in component.children:
                _make(child, made)


def _kind(component: Component) -> Any:
    """By its name, or that of a class that it is made from: ToolButton is a Button."""
    for cls in type(component).__mro__:
        found = getattr(gr, NAMES.get(cls.__name__, cls.__name__), None)
        if inspect.isclass(found) and cls.__name__ != "Component":
            return found
    return gr.Column


def _arguments(component: Component, kind: Any) -> dict[str, Any]:
    given = {key: value for key, value in component.more.items() if key not in ("source", "tool", "elem_classes", "every")}
    given |= {"value": component.value, "label": component.label, "elem_id": component.elem_id, "visible": component.visible, "info": component.info or None}
    given |= {"minimum": component.minimum, "maximum": component.maximum, "step": component.step, "placeholder": component.placeholder or None}
    given |= {"choices": [tuple(pair) for pair in component.choices], "type": component.type or None}
    given |= {"multiselect": component.multiselect or None, "allow_custom_value": component.allow_custom_value or None}
    if component.kind == "textbox":
        given |= {"lines": component.lines, "interactive": given.get("interactive", True)}
    if component.more.get("source"):
        given["sources"] = [component.more["source"]]
    known = inspect.signature(kind.__init__).parameters
    return {key: value for key, value in given.items() if key in known and value is not None}


def _called(function: Callable[..., Any] | None, outputs: tuple[Component, ...]) -> Callable[..., Any] | None:
    if function is None:
        return None

    def call(*values: Any) -> Any:
        given = function(*values)
        if inspect.isgenerator(given):
            *_, given = [None, *given]
        if len(outputs) == 1:
            return _result(given)
        return tuple(_result(one) for one in given) if isinstance(given, list | tuple) else given

    return call


def _result(given: Any) -> Any:
    if isinstance(given, Component):
        return gr.update(value=given.value, visible=given.visible)
    if isinstance(given, dict) and given.get("__type__") == UPDATE:
        return gr.update(**{key: value for key, value in given.items() if key != "__type__"})
    return given

"""The page as a script of A1111's form declares it: classes with Gradio 3's names that note what is made of them and draw nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import local
from types import MappingProxyType
from typing import Any

TRIGGERS = ("change", "click", "input", "select", "submit", "release", "blur", "focus", "upload", "clear", "edit", "load", "stop", "play")
UPDATE = "update"

# Gradio's name → what it is to us, and the names of its positional arguments. "" = arranges others, or has no value that a request could carry.
COMPONENTS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Slider": ("slider", ("minimum", "maximum", "value", "step")),
        "Number": ("number", ("value",)),
        "Textbox": ("textbox", ("value", "lines")),
        "TextArea": ("textbox", ("value", "lines")),
        "Text": ("textbox", ("value",)),
        "ColorPicker": ("textbox", ("value",)),
        "Checkbox": ("checkbox", ("value",)),
        "Dropdown": ("dropdown", ("choices", "value")),
        "Radio": ("radio", ("choices", "value")),
        "CheckboxGroup": ("checkboxgroup", ("choices", "value")),
        "Image": ("image", ("value",)),
        "Button": ("button", ("value",)),
        "HTML": ("text", ("value",)),
        "Markdown": ("text", ("value",)),
        "State": ("state", ("value",)),
        "Variable": ("state", ("value",)),
        **{name: ("state", ("value",)) for name in ("File", "Files", "Gallery", "JSON", "Label", "Dataframe", "DataFrame", "Code", "Video", "Audio")},
        **{name: ("state", ("value",)) for name in ("HighlightedText", "Plot", "Model3D", "UploadButton")},
        **{name: ("", ()) for name in ("Row", "Column", "Group", "Box", "Blocks", "Tabs", "Form")},
        **{name: ("", ("label",)) for name in ("Accordion", "Tab", "TabItem")},
    }
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """`function` is called with the values of `inputs` when the component is changed or pressed; what it gives goes to `outputs`."""

    trigger: str
    function: Callable[..., Any] | None
    inputs: tuple[Component, ...]
    outputs: tuple[Component, ...]
    javascript: str = ""


class Component:
    """A control, or what arranges controls."""

    kind = ""
    positional: tuple[str, ...] = ()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        given = {**dict(zip(self.positional, arguments, strict=False)), **named}
        self.value: Any = given.pop("value", None)
        self.label: str | None = given.pop("label", None)
        self.elem_id: str | None = given.pop("elem_id", None)
        self.visible: bool = given.pop("visible", True) is not False
        self.minimum, self.maximum, self.step = (given.pop(name, None) for name in ("minimum", "maximum", "step"))
        self.choices = _pairs(given.pop("choices", None) or ())
        self.type: str = given.pop("type", None) or ""
        self.multiselect = bool(given.pop("multiselect", False))
        self.allow_custom_value = bool(given.pop("allow_custom_value", False))
        self.lines = given.pop("lines", None) or 1
        self.placeholder: str = given.pop("placeholder", None) or ""
        self.info: str = given.pop("info", None) or ""
        self.more = given  # what only Gradio's looks want
        self.children: list[Component] = []
        self.parent: Component | None = None
        self.events: list[Event] = []
        self._settle()
        self._recorder().add(self)

    def _recorder(self) -> Recorder:
        raise NotImplementedError

    def _settle(self) -> None:
        """The value that A1111's page would show where none is given."""
        if callable(self.value):
            self.value = self.value()
        if self.kind == "slider":
            self.minimum, self.maximum = _or(self.minimum, 0), _or(self.maximum, 100)
            self.value = _or(self.value, self.minimum)
        elif self.kind == "checkbox":
            self.value = bool(self.value)
        elif self.kind == "textbox":
            self.value = "" if self.value is None else str(self.value)

    # ---- arranging

    def __enter__(self) -> Component:
        self._recorder().enter(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._recorder().leave(self)

    def render(self) -> Component:
        return self

    def style(self, *arguments: Any, **named: Any) -> Component:
        """Looks; the page has its own."""
        return self

    def inside(self) -> Iterator[Component]:
        """Itself and all below it, in the order of their making."""
        yield self
        for child in self.children:
            yield from child.inside()

    @classmethod
    def update(cls, **changes: Any) -> dict[str, Any]:
        return update(**changes)

    @property
    def elem_classes(self) -> Any:
        return self.more.get("elem_classes", [])

    # ---- events: one method for each trigger, see `_listener`

    def listen(self, trigger: str, function: Callable[..., Any] | None, inputs: Any, outputs: Any, javascript: str) -> Listening:
        event = Event(trigger=trigger, function=function, inputs=_components(inputs), outputs=_components(outputs), javascript=javascript)
        self.events.append(event)
        return Listening(self, trigger)


@dataclass(frozen=True)
class Listening:
    """What an event method gives: more may follow."""

    component: Component
    trigger: str

    def then(self, fn: Callable[..., Any] | None = None, inputs: Any = None, outputs: Any = None, _js: str = "", **named: Any) -> Listening:
        return self.component.listen(self.trigger, fn, inputs, outputs, _js or named.get("js") or "")

    success = then


def _listener(trigger: str) -> Callable[..., Listening]:
    def method(self: Component, fn: Any = None, inputs: Any = None, outputs: Any = None, *more: Any, _js: str = "", **named: Any) -> Listening:
        return self.listen(trigger, fn, inputs, outputs, _js or named.get("js") or "")

    return method


class Recorder:
    """Which component the next one is made in. Each thread has its own place."""

    def __init__(self) -> None:
        self._local = local()

    @property
    def _open(self) -> list[Component]:
        if not hasattr(self._local, "open"):
            self._local.open = []
        return self._local.open

    def add(self, component: Component) -> None:
        if self._open:
            component.parent = self._open[-1]
            self._open[-1].children.append(component)

    def enter(self, component: Component) -> None:
        self._open.append(component)

    def leave(self, component: Component) -> None:
        while self._open and self._open.pop() is not component:
            pass


@dataclass(frozen=True)
class Gradio:
    """Everything that `import gradio as gr` gives, by name."""

    recorder: Recorder = field(default_factory=Recorder)
    names: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls) -> Gradio:
        gradio = cls()
        recorder = gradio.recorder
        base = type("Component", (Component,), {"_recorder": lambda self: recorder} | {trigger: _listener(trigger) for trigger in TRIGGERS})
        classes = {name: type(name, (base,), {"kind": kind, "positional": places}) for name, (kind, places) in COMPONENTS.items()}
        gradio.names.update(classes)
        gradio.names.update({"update": update, "Component": base, "skip": update, "Progress": Progress, "Request": object, "Error": GradioError})
        gradio.names.update({"Warning": lambda *text, **named: None, "Info": lambda *text, **named: None})
        gradio.names.update({"SelectData": object, "EventData": object, "__version__": "3.41.2"})
        return gradio

    def __getattr__(self, name: str) -> Any:
        try:
            return self.names[name]
        except KeyError:
            raise AttributeError(name) from None


class GradioError(Exception):
    """gr.Error."""


class Progress:
    """gr.Progress: the page has a bar of its own."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __call__(self, *arguments: Any, **named: Any) -> None:
        pass

    def tqdm(self, iterable: Any, *arguments: Any, **named: Any) -> Any:
        return iterable


def update(**changes: Any) -> dict[str, Any]:
    return {"__type__": UPDATE, **changes}


def _or(value: Any, usual: Any) -> Any:
    return usual if value is None else value


def _pairs(choices: Any) -> tuple[tuple[str, Any], ...]:
    """(what is shown, what it stands for)."""
    return tuple(choice if isinstance(choice, tuple) and len(choice) == 2 else (str(choice), choice) for choice in choices)


def _components(given: Any) -> tuple[Component, ...]:
    if given is None:
        return ()
    found: Sequence[Any] = (given,) if isinstance(given, Component) else tuple(given)
    return tuple(component for component in found if isinstance(component, Component))

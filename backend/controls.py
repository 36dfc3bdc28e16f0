"""The controls of scripts and parts: what they are, what may be chosen, and the values that a person, a program or a plot gives them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.plan_upscalers import upscalers

Kind = Literal["slider", "number", "checkbox", "textbox", "dropdown", "radio", "checkboxgroup", "image", "file", "state", "text", "button"]
SHOWN_CHOICES = 20


@dataclass(frozen=True, kw_only=True)
class Update:
    """How another control changes; None = not."""

    value: Any = None
    choices: tuple[str, ...] | None = None
    visible: bool | None = None


React = Callable[[Mapping[str, Any]], Mapping[str, Update]]


@dataclass(frozen=True, kw_only=True)
class Control:
    """One control. "text" is a sentence (its label) and has no value; "button" only reacts; "file" gives the text of a file, None where there is none.

    "state" is not shown, and takes any value that a program gives it.
    """

    key: str  # by which its value goes: values["steps"]
    kind: Kind
    label: str  # as A1111 shows it
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    choices_of: str = ""  # more of them, looked up when they are shown: a row of CHOICES_OF
    unavailable: tuple[str, ...] = ()  # of the choices: they have a place for programs that count, and are not on the page
    type_index: bool = False  # programs give the place of the choice, as in A1111; a script gets the choice
    multiple: bool = False  # of a drop-down: several, as a tuple
    any_choice: bool = False  # of a drop-down: what is typed counts as well
    lines: int = 1
    placeholder: str = ""
    info: str = ""
    beside: bool = False  # it has no place among A1111's script_args
    place: int | None = None  # in there, where it is another one than on the page
    row: str = ""  # controls that follow one another with one row name stand side by side
    visible: bool = True  # at the start
    react: React | None = None  # on the page, when it is changed or pressed: all values → what changes. Any thread.

    @property
    def positional(self) -> bool:
        """Whether it has a place among A1111's script_args; a "text" has, as in A1111."""
        return not self.beside and self.kind not in ("button", "file")

    @property
    def has_value(self) -> bool:
        return self.kind not in ("button", "text")


# What `choices_of` may name.
CHOICES_OF: Mapping[str, Callable[[Catalog], Sequence[str]]] = MappingProxyType(
    {
        "checkpoint": lambda catalog: [catalog.title(entry) for entry in catalog.entries("checkpoint")],
        "vae": lambda catalog: [entry.path.name for entry in catalog.entries("vae")],
        "lora": lambda catalog: [entry.stem for entry in catalog.entries("lora")],
        "embedding": lambda catalog: [entry.stem for entry in catalog.entries("embedding")],
        "upscaler": lambda catalog: list(upscalers(catalog)),
        "sampler": lambda catalog: catalog.added.sampling.sampler_labels,
        "scheduler": lambda catalog: catalog.added.sampling.scheduler_labels,
    }
)


def choices(control: Control, catalog: Catalog) -> tuple[str, ...]:
    """Raises KeyError for a `choices_of` that is none: the extension's own mistake."""
    return tuple(dict.fromkeys((*control.choices, *(CHOICES_OF[control.choices_of](catalog) if control.choices_of else ()))))


def defaults(controls: Sequence[Control]) -> dict[str, Any]:
    return {control.key: control.default for control in controls if control.has_value}


def complete(controls: Sequence[Control], given: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """A value for every control, in its type; what no control has is left out. Raises WebUIError for what a control does not take."""
    return {control.key: _read(control, given.get(control.key), catalog) for control in controls if control.has_value}


def places(controls: Sequence[Control]) -> list[Control]:
    """Those that A1111's script_args name, in their order there."""
    positional = [control for control in controls if control.positional]
    order = {control.key: place if control.place is None else control.place for place, control in enumerate(positional)}
    return sorted(positional, key=lambda control: order[control.key])


def from_positions(controls: Sequence[Control], args: Sequence[Any], catalog: Catalog) -> dict[str, Any]:
    """A1111's positional arguments by key: a missing tail has the defaults, what is too much is passed over. Raises WebUIError."""
    given = {control.key: _at(control, value, catalog) for control, value in zip(places(controls), args, strict=False) if control.has_value}
    return complete(controls, given, catalog)


def _at(control: Control, value: Any, catalog: Catalog) -> Any:
    """The choice at this place, where A1111 counts."""
    if not control.type_index or isinstance(value, str) or value is None:
        return value
    known = choices(control, catalog)
    if control.multiple and isinstance(value, list):
        return [_choice_at(control, known, item) for item in value]
    return _choice_at(control, known, value)


def _choice_at(control: Control, known: Sequence[str], place: Any) -> str:
    if isinstance(place, bool) or not isinstance(place, int | float) or not 0 <= place < len(known):
        raise WebUIError(f"{control.label} cannot be {place!r}: a number from 0 to {len(known) - 1} or one of {_shown(known)} is needed.")
    return known[int(place)]


def _read(control: Control, value: Any, catalog: Catalog) -> Any:
    if value is None:
        return control.default
    try:
        read = _READERS.get(control.kind, lambda control, value: value)(control, value)
    except (TypeError, ValueError, KeyError, OverflowError):
        raise WebUIError(f"{control.label} cannot be {str(value)[:100]!r}.") from None
    if control.kind in ("radio", "dropdown", "checkboxgroup") and not control.any_choice:
        _check_choices(control, read if isinstance(read, tuple) else (read,), catalog)
    return read


def _check_choices(control: Control, chosen: Sequence[str], catalog: Catalog) -> None:
    known = choices(control, catalog)
    if unknown := next((one for one in chosen if known and one and one not in known), None):
        raise WebUIError(f"{control.label} cannot be {unknown!r}. Known: {_shown(known)}.")


def _shown(known: Sequence[str]) -> str:
    return ", ".join(map(repr, known[:SHOWN_CHOICES])) + (", …" if len(known) > SHOWN_CHOICES else "")


def _number(control: Control, value: Any) -> float:
    """Whole where the default is; within the limits, which the page's sliders have as well."""
    if isinstance(value, bool):
        raise TypeError
    whole = isinstance(control.default, int) and (control.step is None or float(control.step).is_integer())
    number = float(value)
    if not (control.minimum is None or number >= control.minimum) or not (control.maximum is None or number <= control.maximum):
        raise ValueError
    return int(number) if whole and number.is_integer() else number


def _flag(control: Control, value: Any) -> bool:
    return {True: True, False: False, "True": True, "False": False, "true": True, "false": False}[value]


def _text(control: Control, value: Any) -> str:
    return str(value)


def _choice(control: Control, value: Any) -> Any:
    return _texts(control, value) if control.multiple else str(value)


def _texts(control: Control, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(item) for item in value)


_READERS: Mapping[str, Callable[[Control, Any], Any]] = {
    "slider": _number,
    "number": _number,
    "checkbox": _flag,
    "textbox": _text,
    "radio": _text,
    "dropdown": _choice,
    "checkboxgroup": _texts,
}

"""Named components ↔ fields: the page's values travel by field name, never by position."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component

from backend.fields import BY_KEY, to_request
from backend.request import GenerationRequest
from ui import overrides
from ui.events import QUICK
from ui.scripts import Scripts

PAGE_ONLY = ("resize_kind", "scale_by")  # what sources.py turns into a size
Switches = Mapping[str, tuple[gr.Checkbox, tuple[str, ...]]]  # name: (box, fields that are left at their defaults while it is off)
EXTRA_FIELDS = ("subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h")


def label(name: str) -> str:
    """A1111's label of a field, as the table has it."""
    return BY_KEY[name].label


def default(name: str) -> Any:
    """What the page starts with."""
    return BY_KEY[name].default


class Kept(Protocol):
    @property
    def kept(self) -> Mapping[str, Component]: ...  # what a person sets on a tab, by name


@dataclass(frozen=True, kw_only=True)
class Form:
    """The components of one tab. `components` go by field name; `checkpoint` and `switches` ask for something else than a field."""

    components: Mapping[str, Component]
    checkpoint: gr.Dropdown
    switches: Switches
    scripts: Scripts = field(default_factory=Scripts)  # of extensions

    @property
    def inputs(self) -> list[Component]:
        """What an event reads, in the order that `request` expects."""
        return [self.checkpoint, *self.kept.values(), *self.scripts.unkept.values()]

    @property
    def kept(self) -> Mapping[str, Component]:
        """What a person sets on this tab, by name: switches, fields, and what extensions have."""
        return {**{name: box for name, (box, _) in self.switches.items()}, **self.components, **self.scripts.kept}

    def values(self, values: Sequence[object], *, on: str = "") -> dict[str, Any]:
        """By field name, of `values` as Gradio hands them over for `inputs`. on: a switch that counts. Raises WebUIError for a chip that is no override."""
        checkpoint, *rest = values
        asked: dict[str, Any] = {name: value for name, value in zip((*self.kept, *self.scripts.unkept), rest, strict=True) if value is not None}
        for name, (_, fields) in self.switches.items():
            pressed = asked.pop(name, False) or name == on
            if pressed and name in BY_KEY:
                asked[name] = True
            if not pressed:
                asked = {key: value for key, value in asked.items() if key not in fields}
        named = {"sd_model_checkpoint": checkpoint} if checkpoint else {}  # two pages may show different checkpoints: each draws with the one it shows
        asked["override_settings"] = named | overrides.read(asked.get("override_settings") or ())
        return asked | self.scripts.take(asked)

    def request(self, values: Sequence[object]) -> GenerationRequest:
        """Raises WebUIError for a value that no field takes."""
        return to_request({name: value for name, value in self.values(values).items() if name not in PAGE_ONLY})


def keep(tab: str, blocks: gr.Blocks, form: Kept) -> None:
    """Lets JavaScript fill the form (`webui.form.fill`), and what was set outlive a reload; nothing of it asks the server.

    Each component has a label of its own by which ui-config.json names it; of two with one label the first does.
    """
    by_label = {str(getattr(component, "label", "")): name for name, component in reversed(list(form.kept.items()))}
    labels = json.dumps({name: label for label, name in by_label.items() if label})
    names, kept = json.dumps(list(form.kept)), list(form.kept.values())
    bus = gr.HTML(
        html_template="<i></i>",
        js_on_load=f"webui.form.attach('{tab}', () => trigger('filled'))",
        elem_id=f"{tab}_form_bus",
        elem_classes="unseen",
        apply_default_css=False,
    )
    merge = f"(...values) => webui.form.merge('{tab}', {names}, values)"
    bus.filled(None, kept, kept, js=merge, **QUICK)
    blocks.load(None, kept, kept, js=f"(...values) => webui.form.restore('{tab}', {names}, values, {labels})", **QUICK)
    note = f"(...values) => {{ webui.form.note('{tab}', {names}, values); }}"
    gr.on([component.change for component in kept], None, kept, None, js=note, **QUICK)  # type: ignore[attr-defined]

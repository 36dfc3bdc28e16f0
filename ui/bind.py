"""Named components ↔ fields: the page's values travel by field name, never by position."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from backend.fields import BY_KEY, to_request
from backend.request import GenerationRequest

EXTRA_FIELDS = ("subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h")


def label(name: str) -> str:
    """A1111's label of a field, as the table has it."""
    return BY_KEY[name].label


def default(name: str) -> Any:
    """What the page starts with."""
    return BY_KEY[name].default


@dataclass(frozen=True, kw_only=True)
class Form:
    """The components of one tab. `components` go by field name; `checkpoint` and `extra` ask for something else than a field."""

    components: Mapping[str, Component]
    checkpoint: gr.Dropdown
    extra: gr.Checkbox  # off: the fields of the "Extra" group are left at their defaults

    @property
    def inputs(self) -> list[Component]:
        """What an event reads, in the order that `request` expects."""
        return [self.checkpoint, self.extra, *self.components.values()]

    def request(self, values: Sequence[object]) -> GenerationRequest:
        """`values` as Gradio hands them over for `inputs`. Raises WebUIError for a value that no field takes."""
        checkpoint, extra, *rest = values
        asked = dict(zip(self.components, rest, strict=True))
        if not extra:
            asked = {name: value for name, value in asked.items() if name not in EXTRA_FIELDS}
        if checkpoint:  # two pages may show different checkpoints: each draws with the one it shows
            asked["override_settings"] = {"sd_model_checkpoint": checkpoint}
        return to_request({name: value for name, value in asked.items() if value is not None})

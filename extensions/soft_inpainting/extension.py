"""Soft inpainting: what the mask covers in part is drawn in part. Here are its controls; the engine does it (docs/img2img.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from backend.catalog import Catalog
from backend.hooks import hookimpl
from backend.plan_init import SOFT_LABELS
from backend.request import GenerationRequest, SoftInpaint
from backend.scripts import Control, Part, PartContext
from backend.settings import Settings

ENABLED = "enabled"
ABOUT = "Blends new and old by how much of it the mask covers. Works best with a high mask blur."
# attribute of SoftInpaint: label, least, most, step, what it does
SLIDERS = {
    "schedule_bias": ("Schedule bias", 0, 8, 0.1, "When the original is kept: above 1 rather at the start, below 1 rather at the end"),
    "preservation_strength": ("Preservation strength", 0, 8, 0.05, "How much of the original is kept where the mask covers it in part"),
    "contrast_boost": ("Transition contrast boost", 1, 32, 0.5, "Gives back the contrast that is lost where both are mixed"),
    "mask_influence": ("Mask influence", 0, 1, 0.05, "How much the mask has a say in what counts as changed"),
    "difference_threshold": ("Difference threshold", 0, 8, 0.25, "How much a part may change until the original is no longer laid over it"),
    "difference_contrast": ("Difference contrast", 0, 8, 0.25, "How sharp the border is between what is laid over and what is not"),
}


class SoftInpainting(Part):
    title, tabs, enabled = "Soft inpainting", ("img2img",), ENABLED

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        default = SoftInpaint()
        box = Control(key=ENABLED, kind="checkbox", label="Soft inpainting", default=False, info=ABOUT)
        return [box, *(_slider(key, _whole(getattr(default, key)), *SLIDERS[key]) for key in SLIDERS)]

    def change_request(self, request: GenerationRequest, values: Mapping[str, Any], context: PartContext) -> GenerationRequest:
        if request.init is None or request.init.inpaint is None:
            return request
        soft = SoftInpaint(**{field.name: values[field.name] for field in fields(SoftInpaint)})
        return replace(request, init=replace(request.init, inpaint=replace(request.init.inpaint, soft=soft)))

    def read_infotext(self, labels: Mapping[str, str]) -> Mapping[str, Any]:
        """The fields themselves stand with the mask's, where A1111 has them."""
        told = {name: labels[f"Soft inpainting {label}"] for label, name in SOFT_LABELS if f"Soft inpainting {label}" in labels}
        return {ENABLED: labels.get("Soft inpainting enabled") == "True", **told} if told else {}


def _slider(key: str, default: float, label: str, least: float, most: float, step: float, info: str) -> Control:
    return Control(key=key, kind="slider", label=label, default=default, minimum=least, maximum=most, step=step, info=info)


def _whole(number: float) -> float:
    return int(number) if number.is_integer() else number


@hookimpl
def parts() -> list[Part]:
    return [SoftInpainting()]

"""img2img alternative test: the noise from which a picture would have been drawn is found, and drawn from again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from backend import hooks
from backend.catalog import Catalog
from backend.controls import Control
from backend.errors import WebUIError
from backend.request import GenerationRequest
from backend.scripts import EngineCall, Script, Session
from backend.settings import Settings

ABOUT = "* `CFG Scale` should be 2 or lower."
FOUND = "extensions.img2img_alternative.engine:found_noise"


class Img2ImgAlternative:
    title = "img2img alternative test"
    tabs = ("img2img",)

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        prompts = "Override `prompt` to the same value as `original prompt`?(and `negative prompt`)"
        return (
            Control(key="about", kind="text", label=ABOUT),
            Control(key="override_sampler", kind="checkbox", label="Override `Sampling method` to Euler?(this method is built for it)", default=True),
            Control(key="override_prompt", kind="checkbox", label=prompts, default=True),
            Control(key="original_prompt", kind="textbox", label="Original prompt", default=""),
            Control(key="original_negative_prompt", kind="textbox", label="Original negative prompt", default=""),
            Control(key="override_steps", kind="checkbox", label="Override `Sampling Steps` to the same value as `Decode steps`?", default=True),
            Control(key="steps", kind="slider", label="Decode steps", default=50, minimum=1, maximum=150, step=1),
            Control(key="override_strength", kind="checkbox", label="Override `Denoising strength` to 1?", default=True),
            Control(key="cfg_scale", kind="slider", label="Decode CFG scale", default=1.0, minimum=0.0, maximum=15.0, step=0.1),
            Control(key="randomness", kind="slider", label="Randomness", default=0.0, minimum=0.0, maximum=1.0, step=0.01),
            Control(key="sigma_adjustment", kind="checkbox", label="Sigma adjustment for finding noise for image", default=False),
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        if request.init is None or not request.init.images:
            raise WebUIError("There is no picture to start from.")
        found = {key: values[key] for key in ("original_prompt", "original_negative_prompt", "cfg_scale", "steps", "randomness", "sigma_adjustment")}
        session.draw(_overridden(request, values), grid=True, extra=_told(values), engine=[EngineCall(at="start", target=FOUND, options=found)])


def _overridden(request: GenerationRequest, values: Mapping[str, Any]) -> GenerationRequest:
    """What the checkboxes make of the request."""
    if values["override_sampler"]:
        request = replace(request, sampling=replace(request.sampling, sampler="Euler"))
    if values["override_prompt"]:
        request = replace(request, prompt=values["original_prompt"], negative_prompt=values["original_negative_prompt"], prompts=(), negative_prompts=())
    if values["override_steps"]:
        request = replace(request, sampling=replace(request.sampling, steps=int(values["steps"])))
    return replace(request, denoising_strength=1.0) if values["override_strength"] else request


def _told(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Decode prompt": values["original_prompt"],
        "Decode negative prompt": values["original_negative_prompt"],
        "Decode CFG scale": str(float(values["cfg_scale"])),
        "Decode steps": str(int(values["steps"])),
        "Randomness": str(float(values["randomness"])),
        "Sigma Adjustment": str(values["sigma_adjustment"]),
    }


@hooks.hookimpl
def scripts() -> Sequence[Script]:
    return [Img2ImgAlternative()]

"""The engine's side of the postprocessing line: what each step does to a picture, and the walk through them."""

import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image, ImageFilter

from backend.errors import ERROR, Interrupted, WebUIError
from backend.job import ExtrasJob, GeneratedImage, PostprocessStep, UpscalerRef
from backend.postprocess.denoise import denoise
from backend.postprocess.faces import NO_FACE, FaceRestorers
from backend.postprocess.upscale import OnEvent, Upscalers
from backend.progress import CancelToken, Status

log = logging.getLogger(__name__)

Labels = Mapping[str, object]  # for the infotext, by A1111's names


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a step may use."""

    upscalers: Upscalers
    faces: FaceRestorers
    device: torch.device
    on_event: OnEvent
    cancel: CancelToken
    comment: Callable[[str], None] = log.info  # a sentence for the person


Step = Callable[[Image.Image, Mapping[str, Any], Tools], tuple[Image.Image, Labels]]


def run_steps(job: ExtrasJob, tools: Tools) -> GeneratedImage:
    """Raises Interrupted, and WebUIError of the steps."""
    image, labels = job.image.convert("RGB"), dict[str, str]()
    comments: list[str] = []
    tools = replace(tools, comment=comments.append)
    for step in job.steps:
        if tools.cancel.cancelled:
            raise Interrupted
        tools.on_event(Status(text=step.name))
        try:
            image, told = _function(step.target)(image, step.options, tools)
        except (Interrupted, WebUIError):
            raise
        except Exception as error:
            comments.append(_failed(step, error))
            continue
        labels.update((label, str(value)) for label, value in told.items())
    if tools.cancel.cancelled:
        raise Interrupted
    return GeneratedImage(image=image, index=0, extra=labels, comments=tuple(comments))


def upscale_step(image: Image.Image, options: Mapping[str, Any], tools: Tools) -> tuple[Image.Image, Labels]:
    """A1111's script "Upscale": one upscaler, or two of which the second shines through."""
    first, second = options["upscaler_1"], options["upscaler_2"]
    larger, labels = _upscaled(image, first, options, tools)
    told = {**labels, "Postprocess upscaler": first.name}
    if second is None:
        return larger, told
    other, _ = _upscaled(image, second, options, tools)
    return Image.blend(larger, other, options["upscaler_2_visibility"]), {**told, "Postprocess upscaler 2": second.name}


def denoise_step(image: Image.Image, options: Mapping[str, Any], tools: Tools) -> tuple[Image.Image, Labels]:
    cleaned = denoise(image, options["strength"], device=tools.device, cancelled=lambda: tools.cancel.cancelled)
    return cleaned, {"Postprocess denoise": options["strength"]}


def sharpen_step(image: Image.Image, options: Mapping[str, Any], tools: Tools) -> tuple[Image.Image, Labels]:
    """Unsharp mask: what differs from a blurred copy by at least the threshold is exaggerated."""
    mask = ImageFilter.UnsharpMask(radius=options["radius"], percent=round(options["amount"] * 100), threshold=options["threshold"])
    return image.filter(mask), {"Postprocess sharpen": options["amount"]}


def gfpgan_step(image: Image.Image, options: Mapping[str, Any], tools: Tools) -> tuple[Image.Image, Labels]:
    visibility = options["gfpgan_visibility"]
    return _restored(image, options, visibility, tools), {"GFPGAN visibility": round(visibility, 3)}


def codeformer_step(image: Image.Image, options: Mapping[str, Any], tools: Tools) -> tuple[Image.Image, Labels]:
    visibility = options["codeformer_visibility"]
    labels = {"CodeFormer visibility": round(visibility, 3), "CodeFormer weight": options["codeformer_weight"]}
    return _restored(image, options, visibility, tools), labels


def _restored(image: Image.Image, options: Mapping[str, Any], visibility: float, tools: Tools) -> Image.Image:
    restored = tools.faces.restore(image, options["faces"], on_event=tools.on_event, cancel=tools.cancel)
    if not restored.faces:
        tools.comment(NO_FACE)
    return Image.blend(image, restored.image, visibility) if restored.faces and visibility < 1 else restored.image


def _upscaled(image: Image.Image, upscaler: UpscalerRef, options: Mapping[str, Any], tools: Tools) -> tuple[Image.Image, Labels]:
    scale, size, labels = _target(image, options)
    larger = tools.upscalers.upscale(image, upscaler, scale, on_event=tools.on_event, cancel=tools.cancel)
    if size is None or not options["upscale_crop"] or "Max side length" in labels:
        return larger, labels
    return _centre(larger, size), {**labels, "Postprocess crop to": f"{size[0]}x{size[1]}"}


def _target(image: Image.Image, options: Mapping[str, Any]) -> tuple[float, tuple[int, int] | None, Labels]:
    """The scale; the size that was asked for, None for a scale; labels."""
    if options["upscale_mode"] == 1:
        size = options["upscale_to_width"], options["upscale_to_height"]
        return max(size[0] / image.width, size[1] / image.height), size, {"Postprocess upscale to": f"{size[0]}x{size[1]}"}
    scale, most = options["upscale_by"], options["max_side_length"]
    labels = {"Postprocess upscale by": scale}
    if not most or max(image.size) * scale <= most:
        return scale, None, labels
    return most / max(image.size), None, {**labels, "Max side length": most}


def _centre(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of it, as A1111 rounds; black where the picture is smaller by the floor to multiples of 8."""
    cropped = Image.new("RGB", size)
    cropped.paste(image, (size[0] // 2 - image.width // 2, size[1] // 2 - image.height // 2))
    return cropped


def _failed(step: PostprocessStep, error: Exception) -> str:
    """Of an extension: the picture goes on without it. A failure of the program's own is raised again."""
    package, _, rest = step.target.partition(".")
    if package != "extensions":
        raise error
    name = rest.partition(".")[0]
    log.error("The extension %s failed (%s)", name, step.target, exc_info=error)
    return f"{ERROR}The extension {name} failed ({step.name}): {type(error).__name__}: {error}"


def _function(target: str) -> Step:
    """Targets are declared by the program and its extensions, never by a request."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)

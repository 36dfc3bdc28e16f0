"""Upscalers of extensions: a function of pictures, called on the whole picture or tile by tile."""

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from backend.errors import ERROR, Interrupted, WebUIError
from backend.job import NamedUpscaler
from backend.postprocess.pixels import LARGEST, to_image, to_pixels
from backend.postprocess.tiles import run_tiled
from backend.progress import CancelToken, Comment, Event, Step

log = logging.getLogger(__name__)

OnEvent = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class UpscalerTools:
    """What an upscaler of an extension may use; one that takes long looks at `cancelled` and gives the picture back as it was."""

    device: torch.device
    progress: Callable[[int, int], None]  # parts that are done, and their count
    cancelled: Callable[[], bool]


Enlarge = Callable[[Image.Image, UpscalerTools], Image.Image]  # an RGB picture → the same, as many times larger as was declared


def enlarge(image: Image.Image, upscaler: NamedUpscaler, device: torch.device, on_event: OnEvent, cancel: CancelToken) -> Image.Image:
    """One pass; the picture as it was after a cancel, and where the extension fails, which a comment tells. Raises WebUIError for a size beyond all bounds."""
    scale = upscaler.scale
    if image.width * image.height * scale**2 > LARGEST:
        raise WebUIError(f"{image.width * scale}x{image.height * scale} pixels are too many: {upscaler.name} gives {scale} times the size.")
    tools = UpscalerTools(device=device, progress=lambda part, parts: on_event(Step(step=part, steps=parts)), cancelled=lambda: cancel.cancelled)

    def on_tile(number: int, count: int) -> bool:
        if number:
            tools.progress(number, count)
        return not cancel.cancelled

    try:
        function = _function(upscaler)
        larger = run_tiled(lambda pixels: _tile(function, upscaler, pixels, tools), to_pixels(image), upscaler.tiling, on_tile)
    except (Interrupted, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a stranger's code must not take the picture down
        log.error("The extension %s failed (%s)", upscaler.extension, upscaler.target, exc_info=error)
        told = f"The extension {upscaler.extension} failed (upscaler {upscaler.name}): {type(error).__name__}: {error}"
        on_event(Comment(text=f"{ERROR}{told} Lanczos does its work."))
        return image
    return image if larger is None or cancel.cancelled else to_image(larger)


def _tile(function: Enlarge, upscaler: NamedUpscaler, pixels: Tensor, tools: UpscalerTools) -> Tensor:
    tile = to_image(pixels[0])
    larger, expected = function(tile, tools), (tile.width * upscaler.scale, tile.height * upscaler.scale)
    if tools.cancelled():
        return pixels
    if not isinstance(larger, Image.Image) or larger.size != expected:
        given = f"{larger.width}x{larger.height}" if isinstance(larger, Image.Image) else type(larger).__name__
        raise TypeError(f"{upscaler.target} gave {given} instead of {expected[0]}x{expected[1]} pixels.")
    return to_pixels(larger.convert("RGB"))


def _function(upscaler: NamedUpscaler) -> Enlarge:
    """Declared by an extension, never by a request."""
    module, _, name = upscaler.target.partition(":")
    return getattr(importlib.import_module(module), name)

"""A picture, larger, with A1111's arithmetic of sizes."""

from collections.abc import Callable

import torch
from PIL import Image

from backend.catalog import Catalog
from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.job import FileRef, Tiling, UpscalerRef
from backend.postprocess.added_upscaler import enlarge
from backend.postprocess.pixels import LARGEST, to_image, to_pixels
from backend.postprocess.tiles import run_tiled
from backend.postprocess.upscaler_model import UpscalerModel, load_upscaler
from backend.progress import CancelToken, Event, Status, Step

OnEvent = Callable[[Event], None]
Resampling = Image.Resampling

MOST_PASSES = 3
MULTIPLE = 8


class Upscalers:
    """What makes pictures larger. The model that was used last stays in memory."""

    def __init__(self, catalog: Catalog, placement: Placement) -> None:
        self._catalog = catalog
        self._placement = placement
        self._loaded: tuple[object, UpscalerModel] | None = None  # (which file, in which state), model

    def upscale(self, image: Image.Image, ref: UpscalerRef, scale: float, *, on_event: OnEvent, cancel: CancelToken) -> Image.Image:
        """An RGB picture of `scale` times the size, each side floored to a multiple of 8, as in A1111.

        A model gives its own factor: it is applied until the size is reached, three times at most, and Lanczos does the rest.
        After a cancel the rest is Lanczos, too. Raises WebUIError for a size that makes no sense and a file that is no upscaler.
        """
        image = image.convert("RGB")
        size = target_size(image, scale)
        for i in range(MOST_PASSES):
            enough = image.width >= size[0] and image.height >= size[1]
            if (enough and (i > 0 or scale != 1)) or cancel.cancelled:  # at scale 1 a model may still clean
                break
            before = image.size
            image = self._pass(image, ref, scale, on_event, cancel)
            if image.size == before:
                break
        return image if image.size == size else image.resize(size, Resampling.LANCZOS)

    def _pass(self, image: Image.Image, ref: UpscalerRef, scale: float, on_event: OnEvent, cancel: CancelToken) -> Image.Image:
        if ref.file is not None:
            return _with_model(self._model(ref.file, on_event), image, ref, on_event, cancel)
        if ref.added is not None:
            return enlarge(image, ref.added, self._placement.device, on_event, cancel)
        if ref.name == "None":
            return image
        resampling = Resampling.NEAREST if ref.name == "Nearest" else Resampling.LANCZOS
        return image.resize((max(int(image.width * scale), 1), max(int(image.height * scale), 1)), resampling)

    def _model(self, file: FileRef, on_event: OnEvent) -> UpscalerModel:
        entry = self._catalog.resolve("upscaler", file)
        key = (entry.file, entry.size, entry.mtime_ns)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # its memory is free before the next one comes
            on_event(Status(text=f"Loading {entry.name} …"))
            self._loaded = key, load_upscaler(entry.path, self._placement)
        return self._loaded[1]


def target_size(image: Image.Image, scale: float) -> tuple[int, int]:
    """Raises WebUIError."""
    width, height = (int(side * scale // MULTIPLE * MULTIPLE) for side in image.size)
    if width < 1 or height < 1:
        raise WebUIError(f"A picture of {image.width}x{image.height} cannot be scaled by {scale:g}: less than {MULTIPLE} pixels would be left of a side.")
    if width * height > LARGEST:
        raise WebUIError(f"{width}x{height} pixels are too many. Scale by less.")
    return width, height


def _with_model(model: UpscalerModel, image: Image.Image, ref: UpscalerRef, on_event: OnEvent, cancel: CancelToken) -> Image.Image:
    """One pass; after a cancel the picture as it was."""

    def on_tile(number: int, count: int) -> bool:
        if number:
            on_event(Step(step=number, steps=count))
        return not cancel.cancelled

    if image.width * image.height * model.scale**2 > LARGEST:
        raise WebUIError(f"{image.width * model.scale}x{image.height * model.scale} pixels are too many: {ref.name} gives {model.scale} times the size.")
    tiling = ref.tilings.get(model.architecture) or ref.tilings.get("", Tiling())
    with torch.inference_mode():
        larger = run_tiled(model, to_pixels(image), tiling, on_tile)
    return image if larger is None else to_image(larger)

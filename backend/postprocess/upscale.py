"""A picture, larger, with A1111's arithmetic of sizes."""

from collections.abc import Callable

from PIL import Image

from backend.errors import WebUIError
from backend.job import UpscalerRef
from backend.progress import CancelToken, Event

OnEvent = Callable[[Event], None]
Resampling = Image.Resampling

MOST_PASSES = 3
MULTIPLE = 8
LARGEST = 300_000_000  # pixels of a result: 900 MB


class Upscalers:
    """What makes pictures larger."""

    def upscale(self, image: Image.Image, ref: UpscalerRef, scale: float, *, on_event: OnEvent, cancel: CancelToken) -> Image.Image:
        """An RGB picture of `scale` times the size, each side floored to a multiple of 8, as in A1111.

        A model gives its own factor: it is applied until the size is reached, three times at most, and Lanczos does the rest.
        After a cancel the rest is Lanczos, too. Raises WebUIError for a size that makes no sense.
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
            raise WebUIError(f"The upscaler {ref.name} cannot be used.")
        if ref.name == "None":
            return image
        resampling = Resampling.NEAREST if ref.name == "Nearest" else Resampling.LANCZOS
        return image.resize((max(int(image.width * scale), 1), max(int(image.height * scale), 1)), resampling)


def target_size(image: Image.Image, scale: float) -> tuple[int, int]:
    """Raises WebUIError."""
    width, height = (int(side * scale // MULTIPLE * MULTIPLE) for side in image.size)
    if width < 1 or height < 1:
        raise WebUIError(f"A picture of {image.width}x{image.height} cannot be scaled by {scale:g}: less than {MULTIPLE} pixels would be left of a side.")
    if width * height > LARGEST:
        raise WebUIError(f"{width}x{height} pixels are too many. Scale by less.")
    return width, height

"""Scale2x and Scale3x: larger pixel art whose edges stay hard and lose their stairs, without a model."""

from backend.hooks import hookimpl
from backend.job import NamedUpscaler

ENGINE = "extensions.pixel_art_upscalers.engine"


@hookimpl
def upscalers() -> list[NamedUpscaler]:
    return [
        NamedUpscaler(name="Scale2x", scale=2, target=f"{ENGINE}:scale2x"),
        NamedUpscaler(name="Scale3x", scale=3, target=f"{ENGINE}:scale3x"),
    ]

"""Pictures as the API carries them."""

import base64

from backend.images import metadata
from backend.settings import Settings
from backend.tasks import SavedImage


def encode(image: SavedImage, settings: Settings) -> str:
    """In the format that the settings name for saving, with the infotext in it, as in A1111."""
    encoding = metadata.Encoding(format=settings["samples_format"], quality=settings["jpeg_quality"], lossless=settings["webp_lossless"])
    return base64.b64encode(metadata.encode(image.image, image.infotext if settings["enable_pnginfo"] else "", encoding)).decode()

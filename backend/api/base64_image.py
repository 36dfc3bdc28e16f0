"""Pictures as the API carries them."""

import base64

from backend.errors import NotFound
from backend.images import metadata
from backend.settings import Settings
from backend.tasks import SavedImage

GONE = "This picture is not there any more: its file was deleted or moved."


def encode(image: SavedImage, settings: Settings) -> str:
    """In the format that the settings name for saving, with the infotext in it, as in A1111. Raises NotFound."""
    return base64.b64encode(_encoded(image, settings)).decode()


def file_of(image: SavedImage, settings: Settings) -> tuple[str, bytes]:
    """Media type and bytes: its file where there is one, else as encode has it. Raises NotFound."""
    if image.path is not None and image.path.is_file():
        try:
            return _media_type(image.path.suffix[1:]), image.path.read_bytes()
        except OSError as error:
            raise NotFound(GONE) from error
    return _media_type(settings["samples_format"]), _encoded(image, settings)


def _encoded(image: SavedImage, settings: Settings) -> bytes:
    if image.pixels is None and image.path is None:
        raise NotFound("This picture was not kept: whoever asked for it has it.")
    encoding = metadata.Encoding(format=settings["samples_format"], quality=settings["jpeg_quality"], lossless=settings["webp_lossless"])
    try:
        return metadata.encode(image.image, image.infotext if settings["enable_pnginfo"] else "", encoding)
    except OSError as error:
        raise NotFound(GONE) from error


def _media_type(suffix: str) -> str:
    return f"image/{'jpeg' if suffix == 'jpg' else suffix}"

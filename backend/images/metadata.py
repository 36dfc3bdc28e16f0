"""The infotext inside picture files: PNG's "parameters", EXIF's UserComment in JPEG, WebP and AVIF. Pictures ↔ bytes."""

import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from backend.errors import WebUIError

log = logging.getLogger(__name__)

PARAMETERS = "parameters"
LONGEST_EXIF = 65_000  # bytes, in a JPEG
FORMATS: Mapping[str, str] = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF"}  # suffix: Pillow's name

_EXIF, _USER_COMMENT = ExifTags.IFD.Exif, ExifTags.Base.UserComment
_UNICODE, _ASCII = b"UNICODE\0", b"ASCII\0\0\0"


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a picture becomes a file. quality: 1…100, of what loses something."""

    format: str = "png"  # a key of FORMATS
    quality: int = 80
    lossless: bool = False  # WebP


def encode(image: Image.Image, infotext: str, encoding: Encoding) -> bytes:
    """infotext "": nothing is written about the picture."""
    data, format = io.BytesIO(), FORMATS[encoding.format]
    infotext = infotext.replace("\0", "").encode("utf-8", "replace").decode()  # what no format can hold
    image.convert("RGB" if format == "JPEG" else image.mode).save(data, format, **_OPTIONS[format](encoding), **_metadata(infotext, format))
    return data.getvalue()


def read_infotext(source: BinaryIO | bytes) -> str:
    """As any program in A1111's manner wrote it; "" where there is none. Raises WebUIError for what is no picture."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return _infotext(image)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise WebUIError("This is no picture that can be read.") from error


def _metadata(infotext: str, format: str) -> dict[str, Any]:
    if not infotext:
        return {}
    if format == "PNG":
        info = PngInfo()
        info.add_text(PARAMETERS, infotext)
        return {"pnginfo": info}
    exif = _exif(infotext)
    if format == "JPEG" and len(exif) > LONGEST_EXIF:
        log.warning("The parameters are too long for a JPEG and are not written into it.")
        return {}
    return {"exif": exif}


def _exif(infotext: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(_EXIF)[_USER_COMMENT] = _UNICODE + infotext.encode("utf-16-be")
    return exif.tobytes()


_OPTIONS: Mapping[str, Callable[[Encoding], dict[str, Any]]] = {
    "PNG": lambda encoding: {},
    "JPEG": lambda encoding: {"quality": encoding.quality},
    "WEBP": lambda encoding: {"quality": encoding.quality, "lossless": encoding.lossless},
    "AVIF": lambda encoding: {"quality": encoding.quality},
}


def _infotext(image: Image.Image) -> str:
    image.load()  # a PNG's text may follow its pixels
    text = image.info.get(PARAMETERS)
    if isinstance(text, str) and text:
        return text
    comment = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
    return _decode(comment) if comment else _text(image.info.get("comment", ""))  # a GIF's


def _decode(comment: bytes | str) -> str:
    """EXIF says big-endian; some programs write the other."""
    if isinstance(comment, str):
        return comment
    if not comment.startswith(_UNICODE):
        return _text(comment.removeprefix(_ASCII)).strip("\0")
    big, little = (comment[len(_UNICODE) :].decode(f"utf-16-{end}", "replace") for end in ("be", "le"))
    return (little if "Steps: " in little else big).strip("\0")


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

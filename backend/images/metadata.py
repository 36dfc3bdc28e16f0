"""The infotext inside picture files: PNG's "parameters", EXIF's UserComment in JPEG, WebP and AVIF. Pictures ↔ bytes."""

import io
import logging
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from backend.errors import WebUIError
from backend.images.foreign import foreign_infotext

log = logging.getLogger(__name__)

PARAMETERS = "parameters"
LARGEST = 89_000_000  # pixels of a picture that is decoded: 267 MB
LONGEST_EXIF = 65_000  # bytes, in a JPEG
LONGEST_NAME = 80  # bytes, of a text in a PNG
FORMATS: Mapping[str, str] = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF"}  # suffix: Pillow's name

_EXIF, _USER_COMMENT = ExifTags.IFD.Exif, ExifTags.Base.UserComment
_NO_WORDS = frozenset(
    "jfif jfif_version jfif_unit jfif_density dpi exif loop background timestamp duration progressive progression".split()  # A1111's
    + "icc_profile chromaticity photoshop xmp transparency gamma srgb".split()
)
_UNREADABLE = (
    RuntimeError,
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    struct.error,
    MemoryError,
)
_UNICODE, _ASCII = b"UNICODE\0", b"ASCII\0\0\0"


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a picture becomes a file. quality: 1…100, of what loses something."""

    format: str = "png"  # a key of FORMATS
    quality: int = 80
    lossless: bool = False  # WebP


def encode(image: Image.Image, infotext: str, encoding: Encoding, texts: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """infotext "": nothing is written about the picture. texts: more of them by name, which only a PNG can hold."""
    data, format = io.BytesIO(), FORMATS[encoding.format]
    metadata = _metadata(_holdable(infotext), {_holdable(name): _holdable(text) for name, text in texts.items()}, format)
    image.convert("RGB" if format == "JPEG" else image.mode).save(data, format, **_OPTIONS[format](encoding), **metadata)
    return data.getvalue()


def read_infotext(source: BinaryIO | bytes) -> str:
    """Of a file; see infotext_of. Raises WebUIError for what is no picture."""
    return infotext_of(open_image(source))


def open_image(source: BinaryIO | bytes | Path) -> Image.Image:
    """Loaded, with its metadata. Raises WebUIError for what is no picture, is cut off, or is too large."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > LARGEST:
                raise Image.DecompressionBombError
            image.load()
            image.getexif().get_ifd(_EXIF)  # whether it can be read
            return image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise WebUIError(f"This picture is too large: up to {LARGEST / 1e6:.0f} megapixels are read.") from error
    except _UNREADABLE as error:
        raise WebUIError("This is no picture that can be read.") from error


def _holdable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _metadata(infotext: str, texts: Mapping[str, str], format: str) -> dict[str, Any]:
    if format == "PNG":
        info = PngInfo()
        for name, text in {PARAMETERS: infotext, **texts}.items():
            if text and 0 < len(name) < LONGEST_NAME and name.isprintable() and name.isascii():
                info.add_text(name, text)
        return {"pnginfo": info}
    if not infotext:
        return {}
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


def skim(path: Path) -> tuple[tuple[int, int], str]:
    """Width and height, and the infotext, of a file of which as little as possible is read. Raises WebUIError for what is no picture."""
    try:
        with Image.open(path) as image:
            if image.format == "PNG" and not image.info.get(PARAMETERS):
                image.load()  # its text may follow its pixels
            return image.size, _told(image)
    except (*_UNREADABLE, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise WebUIError("This is no picture that can be read.") from error


def infotext_of(image: Image.Image) -> str:
    """Of other programs: translated, as far as it maps. "" where there is none."""
    image.load()  # a PNG's text may follow its pixels
    return _told(image)


def _told(image: Image.Image) -> str:
    text = image.info.get(PARAMETERS)
    if isinstance(text, str) and text:
        return text
    comment = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
    own = _decode(comment) if comment else _text(image.info.get("comment", "")) if image.format == "GIF" else ""
    return own or foreign_infotext(image)


def other_items(image: Image.Image) -> dict[str, str]:
    """What else the file says in words."""
    items = {key: _text(value) for key, value in image.info.items() if isinstance(key, str) and key not in _NO_WORDS and isinstance(value, str | bytes)}
    return {key: text for key, text in items.items() if key != PARAMETERS}


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

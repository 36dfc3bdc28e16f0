"""Small pictures of models – their preview or cover – and of pictures, scaled down once and kept as webp under the cache folder."""

import hashlib
import io
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from PIL import Image, ImageOps

from backend.sidecar import cover, find_preview

log = logging.getLogger(__name__)

SIDE = 384  # pixels of the longer side: a card at twice its size, for dense screens
MOST_PIXELS = 60_000_000  # of a preview: more would take a gigabyte
_QUALITY = 80
PICTURES = (".png", ".webp", ".jxl", ".avif")  # embeddings may be pictures themselves


def thumbnail(model: Path, metadata: Mapping[str, str], folder: Path) -> Path | None:
    """The small picture's file, made now if it was not; None for a model without a picture, or with one that cannot be read."""
    source = _source(model)
    try:
        made = folder / _name(model, source)
        if made.is_file():
            return made
        data = cover(metadata) if source == model and model.suffix.lower() not in PICTURES else source.read_bytes()
        return _make(data, made, source) if data else None
    except OSError as error:
        log.warning("There is no small picture of %s: %s", model.name, error.strerror or error)
        return None


def small_picture(picture: Path, folder: Path) -> Path | None:
    """The same of a picture that is no model's."""
    try:
        made = folder / _name(picture, picture)
        return made if made.is_file() else _make(picture.read_bytes(), made, picture)
    except OSError as error:
        log.warning("There is no small picture of %s: %s", picture.name, error.strerror or error)
        return None


def forget_small_picture(picture: Path, folder: Path) -> None:
    """Of one that is gone."""
    part = folder / _model_part(picture)
    for old in part.parent.glob(f"{part.name}-*.webp"):
        old.unlink(missing_ok=True)


def picture_version(model: Path) -> str:
    """Another text for another picture. The cover changes with its file only."""
    try:
        stat = _source(model).stat()
    except OSError:
        return ""
    return f"{stat.st_mtime_ns:x}-{stat.st_size:x}"


def _source(model: Path) -> Path:
    """The preview, or the model itself for the cover inside."""
    return find_preview(model) or model


def _name(model: Path, source: Path) -> str:
    """The model's part stays when the picture changes, so that the old one is found and removed."""
    stat = source.stat()
    picture = hashlib.sha256(f"{source}|{stat.st_size}|{stat.st_mtime_ns}|{SIDE}|{_QUALITY}".encode("utf-8", "replace")).hexdigest()
    return f"{_model_part(model)}-{picture[:16]}.webp"


def _model_part(model: Path) -> str:
    digest = hashlib.sha256(str(model).encode("utf-8", "replace")).hexdigest()
    return f"{digest[:2]}/{digest[2:32]}"


def _make(data: bytes, made: Path, source: Path) -> Path | None:
    """Raises OSError if it cannot be written."""
    try:
        picture = _small(data)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        log.warning("The picture of %s cannot be read: %s", source.name, error)
        return None
    made.parent.mkdir(parents=True, exist_ok=True)
    temporary = made.with_name(f"{uuid4().hex}.tmp")
    try:
        temporary.write_bytes(picture)
        os.replace(temporary, made)
    finally:
        temporary.unlink(missing_ok=True)
    for old in made.parent.glob(f"{made.name.partition('-')[0]}-*.webp"):
        if old != made:
            old.unlink(missing_ok=True)
    return made


def _small(data: bytes) -> bytes:
    """webp of the first frame, turned as a camera says."""
    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width} × {image.height} pixels are too many")
        image.draft("RGB", (SIDE, SIDE))  # a JPEG is scaled while it is read
        alpha = image.has_transparency_data
        small = ImageOps.exif_transpose(image).convert("RGBA" if alpha else "RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    small.save(out, "webp", quality=_QUALITY)
    return out.getvalue()

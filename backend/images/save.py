"""A picture into a folder: whole or not at all, and never over a file that is there already."""

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from backend.errors import WebUIError
from backend.images.filenames import shorten
from backend.images.metadata import Encoding, encode

_NUMBER = re.compile(r"[0-9]{1,9}(?=[-.]|$)")


def save_image(image: Image.Image, folder: Path, *, name: str = "", basename: str = "", numbered: bool = True, encoding: Encoding, infotext: str = "") -> Path:
    """Where it was saved. With a number the files are 00000-name.png, 00001-name.png …, or basename-0000-name.png; without, name.png.

    The folder is made where it is missing.
    """
    return save_data(encode(image, infotext, encoding), folder, f".{encoding.format}", name=name, basename=basename, numbered=numbered or not name)


def save_data(data: bytes, folder: Path, suffix: str, *, name: str = "", basename: str = "", numbered: bool | None = None) -> Path:
    """The same for a picture that is encoded already. numbered None: where it has no name."""
    folder.mkdir(parents=True, exist_ok=True)
    stems = _numbered(folder, name, basename) if numbered or not name else _with_ending(shorten(name))
    return write_new(folder, (f"{stem}{suffix}" for stem in stems), data)


def write_new(folder: Path, names: Iterator[str], data: bytes) -> Path:
    """Under the first of the names that is free. The data are on the disk before the name is there."""
    temporary = folder / f".saving-{uuid.uuid4().hex}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        for name in names:
            path = folder / name
            if path.parent != folder or name in (".", ".."):
                raise WebUIError(f"{name!r} is no name for a file.")
            if _take(temporary, path):
                return path
        raise WebUIError(f"There is no free name left in {folder}.")
    finally:
        temporary.unlink(missing_ok=True)


def _take(temporary: Path, path: Path) -> bool:
    """Rename, but only to a name that is free."""
    try:
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        return _take_by_placeholder(temporary, path)


def _take_by_placeholder(temporary: Path, path: Path) -> bool:
    try:
        path.open("xb").close()
    except FileExistsError:
        return False
    os.replace(temporary, path)
    return True


def _numbered(folder: Path, name: str, basename: str) -> Iterator[str]:
    start, ending = next_number(folder, basename), f"-{name}" if name else ""
    for number in range(start, start + 500):
        yield shorten((f"{basename}-{number:04}" if basename else f"{number:05}") + ending)


def next_number(folder: Path, basename: str = "") -> int:
    """One more than the largest number that a file in the folder starts with."""
    prefix = f"{basename}-" if basename else ""
    names = (entry.name.removeprefix(prefix) for entry in os.scandir(folder) if entry.name.startswith(prefix))
    return max((int(match[0]) for name in names if (match := _NUMBER.match(name))), default=-1) + 1


def _with_ending(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in range(1, 1000))

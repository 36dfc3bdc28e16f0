"""A model file that comes in piece by piece: checked as early as can be, under a hidden name until it is whole, and never over a file that is there."""

import errno
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from backend.errors import WebUIError
from backend.safetensors_header import MOST_HEADER_BYTES, parse_outline

SUFFIX = ".safetensors"  # others may hold code
UNFINISHED = ".uploading"  # no suffix of a model, so that nobody lists it
GB = 1 << 30
_ROOM = 256 << 20  # bytes that must stay free on the disk
_LONGEST = 200  # bytes of a name
_FORBIDDEN = frozenset('/\\:*?"<>|')
_A_DAY = 86_400


class UploadRefused(WebUIError):
    """status: what HTTP says to it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def check_name(name: str) -> None:
    """Raises UploadRefused for what is no plain name of a .safetensors file."""
    if not name.lower().endswith(SUFFIX):
        raise UploadRefused(422, f"{name!r} is no {SUFFIX} file: only those can be uploaded, because others may hold programs.")
    stem = name[: -len(SUFFIX)]
    plain = not _FORBIDDEN.intersection(name) and name.isprintable() and len(name.encode("utf-8", "replace")) <= _LONGEST
    if not plain or not stem.strip(". ") or name.startswith((".", " ")) or stem.endswith((".", " ")):
        raise UploadRefused(422, f"{name!r} is no name for a model file: rename it, and upload it again.")


def check_room(target: Path, size: int, most: int) -> None:
    """Before the first byte. size, most: of the file, in bytes. Raises UploadRefused."""
    if target.exists():
        raise UploadRefused(409, f"There is a file {target.name} already: delete or rename one of the two.")
    if size > most:
        raise UploadRefused(413, f"{target.name} has {size / GB:.1f} GB; the setting allows {most / GB:.1f} GB for an upload.")
    check_disk(target, size)


def check_disk(target: Path, size: int) -> None:
    """size: bytes that are still to come. Raises UploadRefused."""
    if (free := shutil.disk_usage(target.parent).free) < size + _ROOM:
        raise UploadRefused(507, f"There is not enough room on the disk for {target.name}: {size / GB:.1f} GB are needed, and {free / GB:.1f} GB are free.")


class Upload:
    """To be used in a `with`: what is not finished when that ends leaves nothing behind."""

    def __init__(self, target: Path, *, size: int | None, most: int) -> None:
        """size: as announced, None = not. most: bytes that are allowed. Raises UploadRefused."""
        check_name(target.name)
        check_room(target, size or 0, most)
        _remove_leftovers(target.parent)
        self._target, self._size, self._most = target, size, most
        self._temporary = target.with_name(f".{uuid4().hex}{UNFINISHED}")
        self._file = self._temporary.open("xb")
        self._taken = 0
        self._header = b""  # the file's first bytes, to the end of the header
        self._checked = False

    def __enter__(self) -> "Upload":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """The next piece. Raises UploadRefused as soon as it is clear that the file is none, or too big."""
        self._taken += len(data)
        if self._taken > min(self._most, self._size or self._most):
            raise UploadRefused(413, f"{self._target.name} is longer than {'was announced' if self._size else 'the setting allows for an upload'}.")
        if not self._checked:
            self._header += data
            self._check_header()
        try:
            self._file.write(data)
        except OSError as error:
            raise unwritable(self._target, error) from error

    def finish(self) -> Path:
        """The file under its name, whole and on the disk. Raises UploadRefused."""
        self._size = self._size or self._taken
        self._check_header()
        if self._taken != self._size or not self._checked:
            raise UploadRefused(422, f"{self._target.name} came in cut off: upload it again.")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            take_name(self._temporary, self._target)
        except FileExistsError as error:
            raise UploadRefused(409, f"There is a file {self._target.name} already: delete or rename one of the two.") from error
        except OSError as error:
            raise unwritable(self._target, error) from error
        return self._target

    def _check_header(self) -> None:
        """Once it is there, and the size of the file is known."""
        length = int.from_bytes(self._header[:8], "little")
        if len(self._header) >= 8 and not 2 <= length <= MOST_HEADER_BYTES:
            raise UploadRefused(422, f"{self._target.name} is no .safetensors file or is damaged.")
        if len(self._header) < 8 + length or self._checked or self._size is None:
            return
        parse_outline(self._target, self._header[8 : 8 + length], self._size - 8 - length)
        self._checked, self._header = True, b""


def take_name(temporary: Path, target: Path) -> None:
    """Rename, but only to a name that is free. Raises FileExistsError."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        target.touch(exist_ok=False)
        os.replace(temporary, target)


def _remove_leftovers(folder: Path) -> None:
    """Of a program that was killed in the middle."""
    for old in folder.glob(f".*{UNFINISHED}"):
        try:
            if time.time() - old.stat().st_mtime > _A_DAY:
                old.unlink()
        except OSError:
            continue


def unwritable(target: Path, error: OSError) -> UploadRefused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UploadRefused(507, f"The disk is full: {target.name} was not kept.")
    return UploadRefused(500, f"{target.name} cannot be written: {error.strerror}.")

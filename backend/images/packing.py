"""Files → a ZIP that is made while it is sent: it never lies in memory or on the disk as a whole."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

PIECE = 256 * 1024  # bytes


def pack(files: Iterable[tuple[str, Path | bytes]]) -> Iterator[bytes]:
    """files: (name, what is in it). Two of one name become name and 2-name; a file that is gone is left out. Pictures are not compressed again."""
    sink, names = _Sink(), set[str]()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[arg-type] # needs write and flush alone
        for name, data in files:
            if isinstance(data, Path) and not data.is_file():
                continue
            name = _free(name, names)
            names.add(name)
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
                for piece in _pieces(data):
                    entry.write(piece)
                    yield sink.take()
            yield sink.take()
    yield sink.take()


class _Sink:
    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _pieces(data: Path | bytes) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    with data.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _free(name: str, taken: set[str]) -> str:
    numbered = (f"{number}-{name}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbered if other not in taken)

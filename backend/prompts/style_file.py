"""styles.csv on disk: read again when it changes, and written with what was there before kept beside it."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock

from backend.errors import WebUIError
from backend.prompts.styles import Style, StyleTable

COLUMNS = ("name", "prompt", "negative_prompt")


class StyleFiles:
    """The styles of all files; thread-safe. New ones go into the first file, changed ones into the file that they come from."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)
        self._lock = Lock()
        self._seen: tuple[object, ...] = ()
        self._table = StyleTable()

    @property
    def table(self) -> StyleTable:
        """As the files are now."""
        seen = tuple(_state(file) for file in self._files)
        with self._lock:
            if seen != self._seen:
                self._table, self._seen = StyleTable.read(self._files), seen
            return self._table

    def save(self, style: Style) -> None:
        """A new one, or another text under a name that is there. Raises WebUIError where it cannot be written."""
        if not style.name.strip():
            raise WebUIError("A style needs a name.")
        with self._lock:
            file = self._home(style.name)
            styles = dict(StyleTable.read([file]).styles)
            styles[style.name] = style
            _write(file, styles.values())

    def delete(self, name: str) -> None:
        """From every file that has it. Raises WebUIError for an unknown name."""
        with self._lock:
            homes = [file for file in self._files if name in StyleTable.read([file]).styles]
            if not homes:
                raise WebUIError(f"There is no style {name!r}.")
            for file in homes:
                _write(file, [style for style in StyleTable.read([file]).styles.values() if style.name != name])

    def _home(self, name: str) -> Path:
        return next((file for file in reversed(self._files) if name in StyleTable.read([file]).styles), self._files[0])


def _state(file: Path) -> tuple[int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _write(file: Path, styles: Iterable[Style]) -> None:
    """As A1111: UTF-8 with a mark at its start, the file before as .bak."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows((style.name, style.prompt, style.negative_prompt) for style in styles)
    temporary = file.with_name(f"{file.name}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8-sig", newline="") as out:
            out.write(text.getvalue())
            out.flush()
            os.fsync(out.fileno())
        if file.exists():
            file.replace(file.with_name(f"{file.name}.bak"))
        temporary.replace(file)
    except OSError as error:
        raise WebUIError(f"The styles cannot be written to {file.name}: {error.strerror}.") from error

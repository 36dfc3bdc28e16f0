"""Wildcards on the disk: text files, a line for each choice, in wildcards/ of the person's folder and of this extension. Only files that lie there are read."""

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

SUFFIX = ".txt"
OWN = Path(__file__).parent / "wildcards"


class Wildcards:
    """As they are now; for one prompt."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Of two files of one name that of the first folder counts."""
        self._files = {name: path for folder in reversed(folders) for name, path in _found(folder).items()}
        self._read = cache(_lines)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._files))

    def lines(self, name: str) -> tuple[str, ...] | None:
        """name: a path below the folder without suffix, in any case, or a pattern (a/*, which enters folders as well). None: no file is called so."""
        wanted = name.lower()
        matching = [path for known, path in sorted(self._files.items()) if known.lower() == wanted or fnmatchcase(known.lower(), wanted)]
        return tuple(line for path in matching for line in self._read(path)) if matching else None


def _found(folder: Path) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for where, _, files in os.walk(folder):
        for file in files:
            if file.lower().endswith(SUFFIX) and not file.startswith("."):
                path = Path(where, file)
                found[path.relative_to(folder).as_posix()[: -len(SUFFIX)]] = path
    return found


def _lines(path: Path) -> tuple[str, ...]:
    """Without empty ones and comments. A file that cannot be read has none."""
    try:
        text = path.read_text("utf-8-sig", errors="replace")
    except OSError:
        return ()
    return tuple(line for raw in text.splitlines() if (line := raw.strip()) and not line.startswith("#"))

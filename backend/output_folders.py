"""Where pictures are saved, by the settings, and which of them lie there now."""

import logging
import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple

from backend.images.metadata import FORMATS
from backend.paths import Paths
from backend.setting_table import SETTINGS
from backend.settings import Settings

log = logging.getLogger(__name__)

SUFFIXES = frozenset(f".{suffix}" for suffix in FORMATS)
_SETTLED = 2.0  # seconds after which a folder's time of change will not stand for two changes


@dataclass(frozen=True)
class OutputFolder:
    """name: what the names of its pictures begin with. parted: each folder in it is one of its own to a person (outputs/txt2img-images)."""

    path: str  # links resolved
    name: str
    parted: bool = False


class Stamp(NamedTuple):
    """A file as it is now; another stamp is another picture."""

    size: int
    mtime_ns: int


def outdirs(settings: Settings) -> tuple[str, ...]:
    """As they are written there."""
    return tuple(settings[key] for key in SETTINGS if key.startswith("outdir_"))


def output_folders(paths: Paths, given: Sequence[str]) -> tuple[OutputFolder, ...]:
    """outputs/ and the outdirs, none of them inside another. One that holds the program's own files is left out."""
    places = dict.fromkeys((paths.outputs, *(paths.data / text for text in given if text)))
    resolved = {place: place.resolve() for place in places}
    data, found = paths.data.resolve(), dict[Path, OutputFolder]()
    for place, path in resolved.items():
        if data.is_relative_to(path):
            log.warning("History leaves out %s: more than pictures lies there.", path)
        elif not any(other != path and path.is_relative_to(other) for other in resolved.values() if not data.is_relative_to(other)):
            name = place.relative_to(paths.data).as_posix() if place.is_relative_to(paths.data) else place.name
            found.setdefault(path, OutputFolder(str(path), _free(name, {folder.name for folder in found.values()}), parted=place == paths.outputs))
    return tuple(found.values())


def _free(name: str, taken: Collection[str]) -> str:
    return next(free for number in count(1) if (free := f"{name} ({number})" if number > 1 else name) not in taken)


class _Folder(NamedTuple):
    mtime_ns: int
    settled: bool
    files: dict[str, Stamp]  # by path
    folders: tuple[str, ...]


class OutputTree:
    """The pictures in some folders; where a folder has not changed since the last look, nothing is listed again. Links are not followed."""

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}

    def look(self, roots: Sequence[str], *, whole: bool = False) -> dict[str, Stamp]:
        """Stamps by path. whole: also files are noticed that were written over in their place."""
        before = {} if whole else self._folders
        self._folders = {}
        files: dict[str, Stamp] = {}
        waiting = list(roots)
        while waiting:
            path = waiting.pop()
            folder = _folder(path, before.get(path))
            if folder is not None:
                self._folders[path] = folder
                files.update(folder.files)
                waiting.extend(folder.folders)
        return files


def _folder(path: str, known: _Folder | None) -> _Folder | None:
    """None: it is not there. One that cannot be read is told once and counts as empty."""
    try:
        mtime_ns = os.stat(path).st_mtime_ns
    except OSError:
        return None
    if known is not None and known.settled and known.mtime_ns == mtime_ns:
        return known
    try:
        settled = time.time() - mtime_ns / 1e9 > _SETTLED
        with os.scandir(path) as entries:
            listed = [entry for entry in entries if not entry.name.startswith(".") and _is_text(entry.path)]
        folders = tuple(entry.path for entry in listed if entry.is_dir(follow_symlinks=False))
        return _Folder(mtime_ns, settled, dict(_pictures(listed)), folders)
    except OSError as error:
        log.warning("%s cannot be looked at: %s", path, error.strerror)
        return _Folder(mtime_ns, True, {}, ())


def _pictures(entries: Sequence["os.DirEntry[str]"]) -> Iterator[tuple[str, Stamp]]:
    for entry in entries:
        if os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.is_file(follow_symlinks=False):
            try:
                stat = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # just now
                continue
            yield entry.path, Stamp(stat.st_size, stat.st_mtime_ns)


def _is_text(path: str) -> bool:
    """A name of other bytes cannot be told to a browser."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True

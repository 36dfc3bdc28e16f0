"""Where files of each kind lie, what they are called, and walking there: names, sizes and times; no file is opened."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import Literal, NamedTuple, get_args

from backend.errors import WebUIError
from backend.paths import Paths
from backend.sidecar import BESIDE

Kind = Literal["checkpoint", "vae", "lora", "embedding", "upscaler"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Beside = tuple[str, int, int]  # the name of a sidecar or preview, its size, its mtime_ns


class Found(NamedTuple):
    """A file that may be a model, as the folder tells it."""

    name: str  # relative to the kind's folder, with suffix and forward slashes
    path: str
    size: int
    mtime_ns: int
    beside: tuple[Beside, ...]
    source: int  # which of the kind's folders, in A1111's order


@dataclass(frozen=True, kw_only=True)
class _Source:
    folders: Callable[[Paths], tuple[Path, ...]]
    suffixes: tuple[str, ...]
    but_not: tuple[str, ...] = ()

    def takes(self, file_name: str) -> bool:
        low = file_name.lower()
        return low.endswith(self.suffixes) and not (self.but_not and low.endswith(self.but_not))


_PICTURES = (".png", ".webp", ".jxl", ".avif")  # A1111 hides embeddings in them
_PREVIEWS = tuple(f".preview{suffix}" for suffix in _PICTURES)
_VAE_BESIDE = (".vae.safetensors", ".vae.ckpt", ".vae.pt")
_SOURCES: Mapping[Kind, tuple[_Source, ...]] = {
    "checkpoint": (_Source(folders=lambda paths: paths.checkpoints, suffixes=(".safetensors", ".ckpt"), but_not=_VAE_BESIDE),),
    "vae": (
        _Source(folders=lambda paths: paths.checkpoints, suffixes=_VAE_BESIDE),
        _Source(folders=lambda paths: paths.vae, suffixes=(".safetensors", ".ckpt", ".pt")),
    ),
    "lora": (_Source(folders=lambda paths: paths.loras, suffixes=(".safetensors", ".ckpt", ".pt", ".bin")),),
    "embedding": (_Source(folders=lambda paths: (paths.embeddings,), suffixes=(".safetensors", ".bin", ".pt", *_PICTURES), but_not=_PREVIEWS),),
    "upscaler": (_Source(folders=lambda paths: paths.upscalers, suffixes=(".pth", ".pt", ".safetensors", ".ckpt")),),
}
_DIGITS = re.compile(r"[0-9]+")
_OUTSIDE = -1  # source of a file that the command line names


class ModelFolders:
    """The folders of the paths, and the single files that the command line names: those come first, wherever they lie."""

    def __init__(self, paths: Paths) -> None:
        self._first: Mapping[Kind, Path | None] = {"checkpoint": paths.checkpoint_file, "vae": paths.vae_file}
        self._folders: dict[Kind, list[tuple[str, _Source]]] = {
            kind: [(str(folder), source) for source in _SOURCES[kind] for folder in source.folders(paths)] for kind in KINDS
        }

    def found(self, kind: Kind) -> dict[str, Found]:
        """Everything there is, by path."""
        found: dict[str, Found] = {}
        if (first := self._first_file(kind)) is not None:
            found[first.path] = first
        for number, (folder, source) in enumerate(self._folders[kind]):
            for each in _search(folder, folder, source, number):
                found.setdefault(each.path, each)
        return found

    def found_at(self, kind: Kind, path: str) -> dict[str, Found]:
        """The file there, or what the folder there holds."""
        if (first := self._first.get(kind)) is not None and str(first) == path:
            found = self._first_file(kind)
            return {path: found} if found else {}
        for number, (folder, source) in enumerate(self._folders[kind]):
            if _is_below(path, folder):
                found = {each.path: each for each in _search(path, folder, source, number)} if os.path.isdir(path) else _one(path, folder, source, number)
                if found:
                    return found
        return {}

    def models_beside(self, paths: Iterable[str], listed: Iterable[str]) -> list[str]:
        """Those of the listed files whose sidecars or previews lie at the paths."""
        stems = {path[: -len(suffix)] for path in paths for suffix in BESIDE if path.lower().endswith(suffix)}
        return [model for model in listed if os.path.splitext(model)[0] in stems] if stems else []

    def place(self, kind: Kind, file_name: str) -> Path:
        """Where a new file of this name belongs. Raises WebUIError for a name that the kind does not take."""
        for folder, source in self._folders[kind]:
            if source.takes(file_name):
                return Path(folder, file_name)
        raise WebUIError(f"{file_name!r} is no name for a {kind}.")

    def misses(self, kind: Kind, path: str, there: Iterable[str]) -> bool:
        """Whether the file would be listed, were it there: its folder is, as other files in it show."""
        folders = [folder for folder, source in self._folders[kind] if _is_below(path, folder) and source.takes(path)]
        return any(_is_below(other, folder) for folder in folders for other in there)

    def kinds_of(self, paths: Iterable[str]) -> set[Kind]:
        """The kinds whose listing may change with these files or folders."""
        paths = tuple(paths)
        return {kind for kind in KINDS if any(_is_below(path, folder) or path == folder for folder, _ in self._folders[kind] for path in paths)}

    def watched(self) -> list[Path]:
        """All folders that are there, without those that lie in another one."""
        folders = {Path(folder) for kind in KINDS for folder, _ in self._folders[kind] if os.path.isdir(folder)}
        return sorted(folder for folder in folders if folders.isdisjoint(folder.parents))

    def _first_file(self, kind: Kind) -> Found | None:
        path = self._first.get(kind)
        if path is None or (identity := file_identity(path)) is None:
            return None
        inside = (folder for folder, _ in self._folders[kind] if _is_below(str(path), folder))
        name = next((_name(str(path), folder) for folder in inside), path.name)
        return Found(name, str(path), *identity, _beside_alone(str(path)), _OUTSIDE)


def sort_key(kind: Kind, found: Found) -> str:
    """A1111's order: folder by folder in natural order; VAEs, embeddings and upscalers by their names alone, wherever they lie."""
    folder, _, name = found.path.rpartition(os.sep)
    walked = f"{found.source + 1:03}{_folder_order(folder)}\0\0{natural_order(name)}"
    if kind == "vae":
        return f"{found.source != _OUTSIDE:d}{natural_order(name)}\0\0{walked}"
    if kind in ("embedding", "upscaler"):
        return f"{os.path.splitext(name)[0].lower()}\0\0{walked}"
    return walked


def natural_order(text: str) -> str:
    """A key to sort by: numbers by their value, letters without case. A string, because thousands of lists are slow to sort and to collect."""
    return _DIGITS.sub(_number_in_order, text.lower())


@lru_cache(maxsize=4096)
def _folder_order(folder: str) -> str:
    return natural_order(folder)


def _number_in_order(match: re.Match[str]) -> str:
    """Before any letter; a longer number after a shorter one."""
    digits = match[0].lstrip("0")
    return f"\0{chr(2 + len(digits))}{digits}\0"


def file_identity(path: str | Path) -> tuple[int, int] | None:
    """Size and time of change of a plain file, links followed."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns) if S_ISREG(stat.st_mode) else None


def _search(start: str, folder: str, source: _Source, number: int) -> Iterator[Found]:
    for files in _walk(start):
        models = [item for item in files if source.takes(item.name)]
        names = {} if len(models) == len(files) else {item.name: item for item in files}
        for item in models:
            if identity := _entry_identity(item):
                yield Found(_name(item.path, folder), item.path, *identity, _beside(item.name, names) if names else (), number)


def _one(path: str, folder: str, source: _Source, number: int) -> dict[str, Found]:
    identity = file_identity(path) if source.takes(path) else None
    return {path: Found(_name(path, folder), path, *identity, _beside_alone(path), number)} if identity else {}


def _walk(start: str) -> Iterator[list[os.DirEntry[str]]]:
    """The files of each folder; links are followed, but no folder is entered twice, and by its own name rather than by a link."""
    seen: set[tuple[int, int]] = set()
    folders, links = [start], []
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            stat = os.stat(folder)
            with os.scandir(folder) as listing:
                items = list(listing)
        except OSError:
            continue
        if (stat.st_dev, stat.st_ino) in seen:
            continue
        seen.add((stat.st_dev, stat.st_ino))
        files = []
        for item in items:
            if not _is_folder(item):
                files.append(item)
            elif item.is_symlink():
                links.append(item.path)
            else:
                folders.append(item.path)
        links.sort()
        yield files


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself
        return False


def _entry_identity(item: os.DirEntry[str]) -> tuple[int, int] | None:
    try:
        stat = item.stat()
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns) if S_ISREG(stat.st_mode) else None


def _beside(model: str, names: Mapping[str, os.DirEntry[str]]) -> tuple[Beside, ...]:
    stem = os.path.splitext(model)[0]
    return tuple((name, *identity) for suffix in BESIDE if (name := stem + suffix) in names and name != model and (identity := _entry_identity(names[name])))


def _beside_alone(model: str) -> tuple[Beside, ...]:
    stem = os.path.splitext(model)[0]
    return tuple((os.path.basename(stem + suffix), *identity) for suffix in BESIDE if stem + suffix != model and (identity := file_identity(stem + suffix)))


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder) and path[len(folder) : len(folder) + 1] in (os.sep, "/")


def _name(path: str, folder: str) -> str:
    return path[len(folder) + 1 :].replace(os.sep, "/")

"""What lies under models/: checkpoints, VAEs, Loras and embeddings, in A1111's order, found by title, name or hash."""

import logging
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from stat import S_ISREG
from threading import RLock
from types import MappingProxyType
from typing import Any, Literal, get_args

from backend.errors import NotFound, WebUIError
from backend.hashes import SHORT, SHORT_NETWORK, HashCache, Known
from backend.job import FileRef
from backend.paths import Paths
from backend.safetensors_header import read_metadata

log = logging.getLogger(__name__)

Kind = Literal["checkpoint", "vae", "lora", "embedding"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_HASH_AT_THE_END = re.compile(r"\s*\[([0-9a-f]{8,64})\]\s*$")
_A_HASH = re.compile(rf"[0-9a-f]{{{SHORT}}}|[0-9a-f]{{{SHORT_NETWORK}}}|[0-9a-f]{{64}}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One finished file."""

    kind: Kind
    name: str  # relative to the kind's folder, with suffix and forward slashes
    path: Path
    size: int
    mtime_ns: int
    metadata: Mapping[str, str]
    hash: str = ""  # sha256 of the whole file, "" as long as nobody needed it

    @property
    def stem(self) -> str:
        """The file name without suffix: A1111's name of it."""
        return Path(self.name).stem

    @property
    def model_name(self) -> str:
        """A1111's model_name: the folders are part of it."""
        return self.name.rsplit(".", 1)[0].replace("/", "_")

    @property
    def alias(self) -> str:
        """The name that the trainer gave; the stem where there is none."""
        return self.metadata.get("ss_output_name") or self.stem


@dataclass(frozen=True)
class _Listing:
    entries: tuple[Entry, ...] = ()
    names: Mapping[str, Entry] = field(default_factory=lambda: MappingProxyType({}))


class Catalog:
    """Thread-safe: readers see either the listing before a refresh or the one after it."""

    def __init__(self, paths: Paths, hashes: HashCache) -> None:
        self.hashes = hashes
        self.revision = 0  # goes up with each change
        self._paths = paths
        self._first: Mapping[Kind, Path | None] = {"checkpoint": paths.checkpoint_file, "vae": paths.vae_file}  # wherever they lie
        self._listings: dict[Kind, _Listing] = {kind: _Listing() for kind in KINDS}
        self._refused: dict[Path, tuple[int, int]] = {}
        self._lock = RLock()
        self.refresh()

    def refresh(self, kind: Kind | None = None) -> None:
        """Look at the folders again. A file that did not change is not opened."""
        for each in KINDS if kind is None else (kind,):
            with self._lock:
                known = {entry.path: entry for entry in self._listings[each].entries}
                self._publish(each, self._scan(each, known))

    def entries(self, kind: Kind) -> tuple[Entry, ...]:
        return self._listings[kind].entries

    def find(self, kind: Kind, name: str) -> Entry | None:
        """By title, relative name with or without suffix, file name, stem, alias, short or full hash.

        Where several files have one stem or alias, the last in order is meant, as in A1111; the path below the folder tells them apart.
        """
        if (found := self._listings[kind].names.get(name) or self._with_hash(kind, name)) is not None:
            return found
        if match := _HASH_AT_THE_END.search(name):  # the title of a file that was renamed, or of one that is not hashed yet
            return self._with_hash(kind, match[1]) or self.find(kind, name[: match.start()])
        return self._containing(name) if kind == "checkpoint" else None

    def resolve(self, kind: Kind, ref: FileRef) -> Entry:
        """By hash, then by name, in the folders as they are now. Raises NotFound."""
        for _ in range(2):
            found = self._with_hash(kind, ref.hash) or self._listings[kind].names.get(ref.name)
            if found is not None and _identity(found.path) == (found.size, found.mtime_ns):
                return found
            self.refresh(kind)
        raise NotFound(f"The {kind} {ref.name} is not there any more: refresh the list and choose another.")

    def ref(self, entry: Entry) -> FileRef:
        """The file for a job; it is hashed now, if it was not and hashing is on (a second per GB)."""
        return FileRef(name=entry.name, hash=self.hashed(entry).hash)

    def hashed(self, entry: Entry) -> Entry:
        """The entry with its hash, computed now where it is not known yet; titles follow."""
        if entry.hash:
            return entry
        try:
            entry = replace(entry, hash=self.hashes.sha256(entry.path))
        except OSError as error:
            raise NotFound(f"{entry.name} cannot be read: {error.strerror}.") from error
        if entry.hash:
            with self._lock:
                listed = self._listings[entry.kind].entries
                self._publish(entry.kind, tuple(entry if each.path == entry.path else each for each in listed))
        return entry

    def short_hash(self, entry: Entry) -> str:
        """As the infotext shows it, computed now where it is not known yet; "" without hashing. Loras and embeddings: AutoV3, others AutoV2."""
        if entry.kind in ("lora", "embedding"):
            return self.hashes.tensors_hash(entry.path)[:SHORT_NETWORK]
        return self.hashed(entry).hash[:SHORT]

    def title(self, entry: Entry) -> str:
        """A1111's "name.safetensors [hash]"; without the hash as long as it is not known."""
        return f"{entry.name} [{entry.hash[:SHORT]}]" if entry.hash else entry.name

    def _publish(self, kind: Kind, entries: tuple[Entry, ...]) -> None:
        if entries != self._listings[kind].entries:
            self._listings[kind] = _Listing(entries, self._names(entries))
            self.revision += 1

    def _names(self, entries: tuple[Entry, ...]) -> Mapping[str, Entry]:
        """From the weakest claim to a name to the strongest; of equal ones the last counts."""
        names: dict[str, Entry] = {}
        for claim in _CLAIMS:
            names.update((claim(entry), entry) for entry in entries)
        return {**names, **{self.title(entry): entry for entry in entries}}

    def _with_hash(self, kind: Kind, text: str) -> Entry | None:
        if not _A_HASH.fullmatch(text):
            return None
        paths = self.hashes.files_with(text)
        return next((entry for entry in self.entries(kind) if entry.path in paths), None) if paths else None

    def _containing(self, text: str) -> Entry | None:
        """The shortest title with the text in it, as A1111 finds checkpoints by a part of their names."""
        found = [entry for entry in self.entries("checkpoint") if text and text in self.title(entry)]
        return min(found, key=lambda entry: len(self.title(entry)), default=None)

    def _scan(self, kind: Kind, known: Mapping[Path, Entry]) -> tuple[Entry, ...]:
        found: dict[Path, Entry] = {}
        hashes = self.hashes.all_known()
        for name, path in self._candidates(kind):
            if path not in found and (entry := self._entry(kind, name, path, known.get(path), hashes)) is not None:
                found[path] = entry
        entries = sorted(found.values(), key=_ORDERS[kind]) if kind in _ORDERS else found.values()
        return tuple(sorted(entries, key=lambda entry: entry.path != self._first.get(kind)))

    def _candidates(self, kind: Kind) -> Iterator[tuple[str, Path]]:
        if (first := self._first.get(kind)) is not None:
            yield self._relative_name(kind, first), first
        for source in _SOURCES[kind]:
            for folder in source.folders(self._paths):
                for path in _walk(folder):
                    if source.takes(path.name.lower()):
                        yield path.relative_to(folder).as_posix(), path

    def _relative_name(self, kind: Kind, path: Path) -> str:
        inside = (folder for folder in _all_folders(self._paths, kind) if path.is_relative_to(folder))
        return next((path.relative_to(folder).as_posix() for folder in inside), path.name)

    def _entry(self, kind: Kind, name: str, path: Path, known: Entry | None, hashes: Mapping[str, Known]) -> Entry | None:
        """None for a file that is not finished, or no model; the reason is logged once."""
        identity = _identity(path)
        if identity is None or self._refused.get(path) == identity:
            return None
        if known is None or (known.size, known.mtime_ns) != identity:
            try:
                metadata = _checked_metadata(path)
            except WebUIError as error:
                self._refused[path] = identity
                log.warning("Not listed: %s", error)
                return None
            known = Entry(kind=kind, name=name, path=path, size=identity[0], mtime_ns=identity[1], metadata=metadata)
        hashed = hashes.get(str(path))
        return replace(known, hash=hashed[2] or "") if not known.hash and hashed and hashed[:2] == identity else known


def natural_order(text: str) -> list[str | int]:
    """A1111's order: numbers by their value, letters without case."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"([0-9]+)", text)]


_CLAIMS: tuple[Callable[[Entry], str], ...] = (
    lambda entry: entry.alias,
    lambda entry: entry.stem,
    lambda entry: entry.path.name,
    lambda entry: entry.model_name,
    lambda entry: entry.name.rsplit(".", 1)[0],
    lambda entry: entry.name,
)
_ORDERS: Mapping[Kind, Callable[[Entry], Any]] = {
    "vae": lambda entry: natural_order(entry.path.name),
    "embedding": lambda entry: entry.stem.lower(),
}


@dataclass(frozen=True, kw_only=True)
class _Source:
    folders: Callable[[Paths], tuple[Path, ...]]
    suffixes: tuple[str, ...]
    but_not: tuple[str, ...] = ()

    def takes(self, file_name: str) -> bool:
        return file_name.endswith(self.suffixes) and not (self.but_not and file_name.endswith(self.but_not))


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
}
_ZIP_START = b"PK\x03\x04"


def _walk(folder: Path) -> Iterator[Path]:
    """All files below, folder by folder in natural order; links are followed, but no folder is entered twice."""
    seen: set[tuple[int, int]] = set()
    found: list[tuple[str, list[str]]] = []
    for root, folders, files in os.walk(folder, followlinks=True):
        stat = os.stat(root)
        if (stat.st_dev, stat.st_ino) in seen:
            folders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        found.append((root, files))
    for root, files in sorted(found, key=lambda item: natural_order(item[0])):
        yield from (Path(root, file) for file in sorted(files, key=natural_order))


def _identity(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a plain file, links followed."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns) if S_ISREG(stat.st_mode) else None


def _checked_metadata(path: Path) -> Mapping[str, str]:
    """Raises WebUIError for a file that is not whole."""
    if path.suffix.lower() == ".safetensors":
        return read_metadata(path)
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if not start or (start == _ZIP_START and not zipfile.is_zipfile(path)):
            raise WebUIError(f"{path.name} is cut off: download it again.")
    except OSError as error:
        raise WebUIError(f"{path.name} cannot be read: {error.strerror}.") from error
    return {}


def kinds_of(paths: Paths, changed: Iterable[Path]) -> set[Kind]:
    """The kinds whose listing may change with these files."""
    changed = tuple(changed)
    return {kind for kind in KINDS if any(path.is_relative_to(folder) for folder in _all_folders(paths, kind) for path in changed)}


def watched_folders(paths: Paths) -> list[Path]:
    """All folders that are there, without those that lie in another one."""
    folders = {folder for kind in KINDS for folder in _all_folders(paths, kind) if folder.is_dir()}
    return sorted(folder for folder in folders if folders.isdisjoint(folder.parents))


def _all_folders(paths: Paths, kind: Kind) -> list[Path]:
    return [folder for source in _SOURCES[kind] for folder in source.folders(paths)]

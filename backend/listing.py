"""The files of one kind, as they were looked at last: what a folder tells, and of new or changed files what they hold."""

import logging
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from backend.errors import WebUIError
from backend.hashes import Known
from backend.listing_cache import Contents, ListingCache, StoredMetadata
from backend.model_folders import Beside, Found, Kind, ModelFolders, sort_key
from backend.safetensors_header import read_outline
from backend.structures import Structures

log = logging.getLogger(__name__)

_ZIP_START = b"PK\x03\x04"
_NOT_UTF8 = "{} has a name that is not UTF-8: rename it."


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One finished file."""

    kind: Kind
    name: str  # relative to the kind's folder, with suffix and forward slashes
    file: str  # its whole path
    size: int
    mtime_ns: int
    metadata: Mapping[str, str] = field(compare=False)
    output_name: str = ""  # the trainer's name for it
    structure: str = ""  # what its tensors are, by name and shape: see backend.structures; "" for what is no .safetensors file
    family: str = ""  # as fit.Description has it, without the person's word
    source: str = ""  # who told the family
    beside: tuple[Beside, ...] = ()  # its sidecars and previews
    hash: str = ""  # sha256 of the whole file, "" as long as nobody needed it

    @property
    def path(self) -> Path:
        return Path(self.file)

    @property
    def stem(self) -> str:
        """The file name without suffix: A1111's name of it."""
        return os.path.splitext(self.name.rpartition("/")[2])[0]

    @property
    def model_name(self) -> str:
        """A1111's model_name: the folders are part of it."""
        return self.name.rsplit(".", 1)[0].replace("/", "_")

    @property
    def alias(self) -> str:
        """The name that the trainer gave; the stem where there is none."""
        return self.output_name or self.stem


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A file that is called like a model and is not offered. reason: a sentence for the person."""

    kind: Kind
    name: str
    path: Path
    reason: str
    again: bool = False  # it could not be opened: to be tried at each look


@dataclass(frozen=True)
class _Seen:
    found: Found
    order: str
    what: Entry | Refused


class Listing:
    """Not thread-safe: the catalog sees to that."""

    def __init__(self, kind: Kind, folders: ModelFolders, cache: ListingCache, structures: Structures) -> None:
        self._kind: Kind = kind
        self._folders = folders
        self._cache = cache
        self._structures = structures
        self._seen: dict[str, _Seen] = {}  # by path

    def refresh(self, hashes: Mapping[str, Known]) -> None:
        """Look at all folders."""
        found = self._folders.found(self._kind)
        self._see(found, [path for path in self._seen if path not in found], hashes)

    def look_at(self, touched: set[str], hashes: Mapping[str, Known]) -> None:
        """Look at these files and folders, and at the models beside which they lie; not at the rest."""
        seen = self._seen
        places = {*touched, *self._folders.models_beside(touched, seen)}
        found: dict[str, Found] = {}
        for place in sorted(places):
            found.update(self._folders.found_at(self._kind, place))
        folders = tuple(place + os.sep for place in places if place not in found)  # files that left, too; nothing is below those
        gone = [path for path in seen if path not in found and (path in places or path.startswith(folders))]
        self._see(found, gone, hashes)

    def entries(self) -> tuple[Entry, ...]:
        """In A1111's order."""
        return tuple(each.what for each in self._in_order() if isinstance(each.what, Entry))

    def refused(self) -> tuple[Refused, ...]:
        return tuple(each.what for each in self._in_order() if isinstance(each.what, Refused))

    def paths(self) -> Iterable[str]:
        """Offered or not."""
        return self._seen.keys()

    def learn(self, hashes: Mapping[str, Known]) -> None:
        """By path; the files are not looked at."""
        for path, known in hashes.items():
            if (seen := self._seen.get(path)) is not None:
                self._seen[path] = replace(seen, what=_hashed(seen.what, known))

    def _in_order(self) -> list[_Seen]:
        return sorted(self._seen.values(), key=lambda each: each.order)

    def _see(self, found: Mapping[str, Found], gone: Iterable[str], hashes: Mapping[str, Known]) -> None:
        seen = self._seen
        gone = tuple(gone)
        for path in gone:
            del seen[path]
        self._cache.forget(gone)
        contents = self._contents([each for each in found.values() if _is_new(each, seen.get(each.path))])
        for path, each in found.items():
            seen[path] = self._now(each, seen.get(path), contents.get(path), hashes.get(path))

    def _contents(self, new: list[Found]) -> dict[str, Contents | Refused]:
        """From the cache, else from the file; Refused for what is not worth to be remembered."""
        contents: dict[str, Contents | Refused] = {}
        metadata: dict[str, Mapping[str, str]] = {}
        known = self._cache.contents([each.path for each in new if _is_utf8(each.path)]) if new else {}
        fresh: dict[str, Contents] = {}
        for each in new:
            old = known.get(each.path)
            if old is not None and old[:2] == each[2:4]:
                contents[each.path] = old
                continue
            read = self._read(each)
            if isinstance(read, Refused):
                contents[each.path] = read
            else:
                contents[each.path] = fresh[each.path] = read[0]
                metadata[each.path] = read[1]
        self._cache.remember(fresh, metadata)
        return contents

    def _read(self, found: Found) -> tuple[Contents, Mapping[str, str]] | Refused:
        if not _is_utf8(found.path):
            name = found.name.encode("utf-8", "replace").decode()
            return Refused(kind=self._kind, name=name, path=Path(found.path), reason=_NOT_UTF8.format(name))
        try:
            return self._whole(found)
        except WebUIError as error:
            if isinstance(error.__cause__, OSError):
                return Refused(kind=self._kind, name=found.name, path=Path(found.path), reason=str(error), again=True)
            return Contents(found.size, found.mtime_ns, refused=str(error)), {}

    def _whole(self, found: Found) -> tuple[Contents, Mapping[str, str]]:
        """Raises WebUIError for a file that is not whole; caused by an OSError if it cannot be read."""
        path = Path(found.path)
        if path.suffix.lower() != ".safetensors":
            _check_pickle(path)
            return Contents(found.size, found.mtime_ns), {}
        outline = read_outline(path)
        structure, told = self._structures.identify(path, outline)
        contents = Contents(
            found.size,
            found.mtime_ns,
            output_name=outline.metadata.get("ss_output_name", ""),
            structure=structure,
            family=told.family,
            source=told.source,
        )
        return contents, outline.metadata

    def _now(self, found: Found, old: _Seen | None, contents: Contents | Refused | None, hashed: Known | None) -> _Seen:
        """contents: None for a file that is as it was."""
        if contents is None:
            assert old is not None
            what = old.what if old.found == found else _moved_beside(old.what, found)
        elif isinstance(contents, Refused) or contents.refused:
            what = contents if isinstance(contents, Refused) else self._refuse(found, contents.refused)
            if old is None or isinstance(old.what, Entry):  # once, however often it changes while it is copied
                log.warning("Not listed: %s", what.reason)
        else:
            what = self._entry(found, contents)
        what = _hashed(what, hashed)
        if old is not None and old.what is what:
            return old
        return _Seen(found, old.order if old else sort_key(self._kind, found), what)

    def _entry(self, found: Found, contents: Contents) -> Entry:
        return Entry(
            kind=self._kind,
            name=found.name,
            file=found.path,
            size=found.size,
            mtime_ns=found.mtime_ns,
            metadata=StoredMetadata(self._cache, found.path, (found.size, found.mtime_ns)),
            output_name=contents.output_name,
            structure=contents.structure,
            family=contents.family,
            source=contents.source,
            beside=found.beside,
        )

    def _refuse(self, found: Found, reason: str) -> Refused:
        return Refused(kind=self._kind, name=found.name, path=Path(found.path), reason=reason)


def _is_new(found: Found, seen: _Seen | None) -> bool:
    return seen is None or seen.found[2:4] != found[2:4] or (isinstance(seen.what, Refused) and seen.what.again)


def _moved_beside(what: Entry | Refused, found: Found) -> Entry | Refused:
    return replace(what, beside=found.beside) if isinstance(what, Entry) else what


def _hashed(what: Entry | Refused, known: Known | None) -> Entry | Refused:
    """With its hash, if that is of this state of the file."""
    if known is None or not known[2] or isinstance(what, Refused) or what.hash or known[:2] != (what.size, what.mtime_ns):
        return what
    return replace(what, hash=known[2])


def _is_utf8(path: str) -> bool:
    """Otherwise neither JSON nor sqlite can hold it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_pickle(path: Path) -> None:
    """Raises WebUIError for one that is not whole; caused by an OSError if it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if not start or (start == _ZIP_START and not zipfile.is_zipfile(path)):
            raise WebUIError(f"{path.name} is cut off: download it again.")
    except OSError as error:
        raise WebUIError(f"{path.name} cannot be read: {error.strerror}.") from error

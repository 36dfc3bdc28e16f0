"""What lies under models/: checkpoints, VAEs, Loras, embeddings and upscalers, in A1111's order, found by title, name or hash."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import RLock

from backend.added import NOTHING, Added
from backend.errors import NotFound
from backend.face_files import FaceFiles
from backend.hashes import SHORT, SHORT_NETWORK, HashCache
from backend.job import FileRef
from backend.listing import Entry, Listing, Refused
from backend.listing_cache import ListingCache
from backend.model_folders import KINDS, Kind, ModelFolders, file_identity
from backend.paths import Paths
from backend.structures import Structures
from backend.training_tags import Stamped

_HASH_AT_THE_END = re.compile(r"\s*\[([0-9a-f]{8,64})\]\s*$")
_A_HASH = re.compile(rf"[0-9a-f]{{{SHORT}}}|[0-9a-f]{{{SHORT_NETWORK}}}|[0-9a-f]{{64}}")


@dataclass(frozen=True)
class _Published:
    entries: tuple[Entry, ...] = ()
    refused: tuple[Refused, ...] = ()

    @cached_property
    def names(self) -> Mapping[str, Entry]:
        """From the weakest claim to a name to the strongest; of equal ones the last counts."""
        names: dict[str, Entry] = {}
        for claim in _CLAIMS:
            names.update((claim(entry), entry) for entry in self.entries)
        return {**names, **{_title(entry): entry for entry in self.entries}}

    @cached_property
    def shared(self) -> Mapping[str, tuple[Entry, ...]]:
        """Names by which several files go: names of files, then names that trainers gave."""
        claimed: dict[str, list[Entry]] = {}
        given: dict[str, list[Entry]] = {}
        for entry in self.entries:
            for name in {claim(entry) for claim in _CLAIMS if claim is not _alias}:
                claimed.setdefault(name, []).append(entry)
            given.setdefault(entry.alias, []).append(entry)
        return {name: tuple(entries) for name, entries in {**given, **claimed}.items() if len(entries) > 1}


class Catalog:
    """Thread-safe: readers see either the listing before a refresh or the one after it."""

    def __init__(self, paths: Paths, hashes: HashCache, added: Added = NOTHING) -> None:
        self.hashes = hashes
        self.added = added
        self.revision = 0  # goes up with each change
        self.folders = ModelFolders(paths)
        self.faces = FaceFiles.of(paths)
        self.structures = Structures(hashes.database)
        self._cache = ListingCache(hashes.database)
        self._listings: Mapping[Kind, Listing] = {kind: Listing(kind, self.folders, self._cache, self.structures) for kind in KINDS}
        self._published: dict[Kind, _Published] = {kind: _Published() for kind in KINDS}
        self._lock = RLock()
        self.refresh()
        self._forget_what_left_meanwhile()

    def refresh(self, kind: Kind | None = None) -> None:
        """Look at the folders again. A file that did not change is not opened."""
        with self._lock:
            hashes = self.hashes.all_known()
            for each in KINDS if kind is None else (kind,):
                self._listings[each].refresh(hashes)
                self._publish(each)

    def look_at(self, paths: Iterable[Path]) -> None:
        """Files or folders that came, changed or left. Only these are looked at, and the models beside which they lie."""
        touched = {str(path) for path in paths}
        a_link = any(os.path.islink(path) and os.path.isdir(path) for path in touched)  # what is behind it may be listed under another name
        with self._lock:
            hashes = self.hashes.all_known()
            for kind in self.folders.kinds_of(touched):
                if a_link:
                    self._listings[kind].refresh(hashes)
                else:
                    self._listings[kind].look_at(touched, hashes)
                self._publish(kind)

    def entries(self, kind: Kind) -> tuple[Entry, ...]:
        return self._published[kind].entries

    def tags(self, entries: Sequence[Entry]) -> dict[Stamped, list[str]]:
        """The tags of the training set by (file, size, mtime_ns), the commonest first, of those that have some. No file is opened."""
        return self._cache.tags([(entry.file, entry.size, entry.mtime_ns) for entry in entries])

    def refused(self, kind: Kind) -> tuple[Refused, ...]:
        """Files that are cut off, damaged, or cannot be read."""
        return self._published[kind].refused

    def why_refused(self, kind: Kind, name: str) -> str:
        """The sentence about a file of this name that is there and not offered; "" where there is none."""
        return next((file.reason for file in self.refused(kind) if name in (file.name, file.path.name, file.path.stem)), "")

    def find(self, kind: Kind, name: str) -> Entry | None:
        """By title, relative name with or without suffix, file name, stem, alias, short or full hash.

        Where several files have one stem or alias, the last in order is meant, as in A1111; the path below the folder tells them apart.
        """
        if (found := self._published[kind].names.get(name) or self._with_hash(kind, name)) is not None:
            return found
        if match := _HASH_AT_THE_END.search(name):  # the title of a file that was renamed, or of one that is not hashed yet
            return self._with_hash(kind, match[1]) or self.find(kind, name[: match.start()])
        return self._containing(name) if kind == "checkpoint" else None

    def exactly(self, kind: Kind, name: str) -> Entry:
        """The file of this relative name, with suffix or, where that is enough, without (see path_name). Raises NotFound."""
        entry = self._published[kind].names.get(name)
        if entry is None or name not in (entry.name, self.path_name(entry)):
            raise NotFound(self.why_refused(kind, name) or f"There is no {kind} {name!r}: refresh the list.")
        return entry

    def ambiguous(self, kind: Kind, name: str) -> tuple[Entry, ...]:
        """All that go by the name, the one that is meant (see find) first; nothing where only one does. A path with suffix means one file."""
        meant = self.find(kind, name)
        if meant is None or name == meant.name:
            return ()
        others = [entry for entry in self._published[kind].shared.get(name, ()) if entry != meant]
        return (meant, *others) if others else ()

    def path_name(self, entry: Entry) -> str:
        """A short name that means this file and no other: the path below the folder, with the suffix if need be."""
        bare = entry.name.rsplit(".", 1)[0]
        return bare if not self.ambiguous(entry.kind, bare) else entry.name

    def resolve(self, kind: Kind, ref: FileRef) -> Entry:
        """By hash, then by name, in the folders as they are now. Raises NotFound."""
        for _ in range(2):
            found = self._with_hash(kind, ref.hash) or self._published[kind].names.get(ref.name)
            if found is not None and file_identity(found.path) == (found.size, found.mtime_ns):
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
                self._listings[entry.kind].learn({entry.file: (entry.size, entry.mtime_ns, entry.hash)})
                self._publish(entry.kind)
        return entry

    def learn_hashes(self, kind: Kind) -> None:
        """Take over what was hashed meanwhile; no file is looked at."""
        with self._lock:
            self._listings[kind].learn(self.hashes.all_known())
            self._publish(kind)

    def duplicates(self, kind: Kind) -> tuple[tuple[Entry, ...], ...]:
        """Files with the same bytes under different names, as far as they are hashed; several links to one file are one."""
        groups: dict[str, list[Entry]] = {}
        for entry in self.entries(kind):
            if entry.hash:
                groups.setdefault(entry.hash, []).append(entry)
        different = (_without_links(entries) for entries in groups.values() if len(entries) > 1)
        return tuple(entries for entries in different if len(entries) > 1)

    def short_hash(self, entry: Entry) -> str:
        """As the infotext shows it, computed now where it is not known yet; "" without hashing. Loras and embeddings: AutoV3, others AutoV2."""
        if entry.kind in ("lora", "embedding"):
            return self.hashes.tensors_hash(entry.path)[:SHORT_NETWORK]
        return self.hashed(entry).hash[:SHORT]

    def title(self, entry: Entry) -> str:
        """A1111's "name.safetensors [hash]"; without the hash as long as it is not known."""
        return _title(entry)

    def _forget_what_left_meanwhile(self) -> None:
        """What is remembered of files that are not there any more. But a folder that is empty may be a drive that is not there now."""
        there = {kind: self._listings[kind].paths() for kind in KINDS}
        left = set(self._cache.paths()).difference(*there.values())
        self._cache.forget(path for path in left if any(self.folders.misses(kind, path, there[kind]) for kind in KINDS))

    def _publish(self, kind: Kind) -> None:
        old, new = self._published[kind], _Published(self._listings[kind].entries(), self._listings[kind].refused())
        if (old.entries, old.refused) == (new.entries, new.refused):
            return
        self._published[kind] = new
        if old.entries != new.entries or {each.path for each in old.refused} != {each.path for each in new.refused}:
            self.revision += 1

    def _with_hash(self, kind: Kind, text: str) -> Entry | None:
        if not _A_HASH.fullmatch(text):
            return None
        paths = self.hashes.files_with(text)
        return next((entry for entry in self.entries(kind) if entry.path in paths), None) if paths else None

    def _containing(self, text: str) -> Entry | None:
        """The shortest title with the text in it, as A1111 finds checkpoints by a part of their names."""
        found = [entry for entry in self.entries("checkpoint") if text and text in self.title(entry)]
        return min(found, key=lambda entry: len(self.title(entry)), default=None)


def _without_links(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Of several names of one file the first in order."""
    files: dict[tuple[int, int], Entry] = {}
    for entry in entries:
        try:
            stat = os.stat(entry.file)
        except OSError:
            continue
        files.setdefault((stat.st_dev, stat.st_ino), entry)
    return tuple(files.values())


def _title(entry: Entry) -> str:
    return f"{entry.name} [{entry.hash[:SHORT]}]" if entry.hash else entry.name


def _alias(entry: Entry) -> str:
    return entry.alias


_CLAIMS: tuple[Callable[[Entry], str], ...] = (
    _alias,
    lambda entry: entry.stem,
    lambda entry: entry.name.rpartition("/")[2],
    lambda entry: entry.model_name,
    lambda entry: entry.name.rsplit(".", 1)[0],
    lambda entry: entry.name,
)

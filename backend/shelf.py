"""The files of one kind with what is told of them – notes, family, where else the same bytes lie –, made anew only for those that changed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType

from backend.catalog import Catalog, Entry, Kind
from backend.sidecar import PREVIEW_SUFFIXES, cover
from backend.sidecar_cache import Notes, SidecarCache
from backend.thumbnails import PICTURES
from backend.training_tags import TagIndex

FIELDS = ("description", "activation text", "negative text", "notes", "sd version")  # of the notes: shown, and searched
RATING = "rating"  # key of the notes that is not A1111's: 1 to 5 stars
_UNSAID = frozenset({"", "unknown", "none"})  # of the families that a person may choose


class Row:
    """One file. folder: relative, "" for the kind's own; text: all that is searched but the tags, in lower case."""

    __slots__ = ("_picture", "entry", "family", "folder", "notes", "text")

    def __init__(self, entry: Entry, notes: Notes) -> None:
        self.entry, self.notes = entry, notes
        self._picture: str | None = None
        self.folder = entry.name.rpartition("/")[0]
        said = notes.get("sd version") if notes else None
        self.family = said.strip() if isinstance(said, str) and said.strip().lower() not in _UNSAID else entry.family
        told = (str(notes.get(key) or "") for key in FIELDS) if notes else ()
        self.text = "\n".join((entry.name, entry.output_name, entry.hash, self.family, *told)).lower()

    @property
    def picture(self) -> str:
        """thumbnails.picture_version, of what the folder told when it was looked at; "" for a file without a picture."""
        if self._picture is None:  # a cover is looked for once, and not in files that nobody looks at
            self._picture = _picture(self.entry)
        return self._picture


class Shelf:
    """Not thread-safe: the library sees to that."""

    def __init__(self, kind: Kind, catalog: Catalog, sidecars: SidecarCache) -> None:
        self._kind: Kind = kind
        self._catalog, self._sidecars = catalog, sidecars
        self._entries: tuple[Entry, ...] | None = None
        self._tags = TagIndex()
        self._tagged_entries: tuple[Entry, ...] | None = None
        self.rows: Sequence[Row] = ()
        self.folders: Mapping[str, int] = MappingProxyType({})  # folder → files
        self.families: Mapping[str, int] = MappingProxyType({})  # family → files
        self.duplicates: Mapping[str, Sequence[Entry]] = MappingProxyType({})  # file → others with the same bytes

    def look(self) -> None:
        """Take over what the catalog has now."""
        entries = self._catalog.entries(self._kind)
        if entries is self._entries:
            return
        old = {row.entry.file: row for row in self.rows}
        new = [entry for entry in entries if (row := old.get(entry.file)) is None or row.entry is not entry]
        fresh = {entry.file: Row(entry, notes) for entry, notes in zip(new, self._sidecars.read(new), strict=True)}
        self.rows = [fresh.get(entry.file) or old[entry.file] for entry in entries]
        self.folders = dict(sorted(Counter(row.folder for row in self.rows).items()))
        self.families = dict(Counter(row.family for row in self.rows).most_common())
        self.duplicates = _others(self._catalog.duplicates(self._kind))
        self._entries = entries

    def tagged(self, word: str) -> AbstractSet[str]:
        """Files with a tag of the training set that has the word in it."""
        if self._tagged_entries is not self._entries:
            files = {(row.entry.file, row.entry.size, row.entry.mtime_ns): row.entry for row in self.rows}
            missing = self._tags.missing(list(files))
            if missing or len(files) != len(self._tagged_entries or ()):
                tags = self._catalog.tags([files[stamp] for stamp in missing])
                self._tags.learn({stamp: tags.get(stamp, ()) for stamp in missing}, list(files))
            self._tagged_entries = self._entries
        return self._tags.files_with(word)


def rating_of(notes: Notes) -> int:
    """0: none."""
    rating = notes.get(RATING)
    return rating if isinstance(rating, int) and not isinstance(rating, bool) and 1 <= rating <= 5 else 0


def _picture(entry: Entry) -> str:
    first = next((item for item in entry.beside if item[0].lower().endswith(PREVIEW_SUFFIXES)), None)
    if first is not None:
        return f"{first[2]:x}-{first[1]:x}"
    own = entry.name.lower().endswith(PICTURES) or cover(entry.metadata) is not None
    return f"{entry.mtime_ns:x}-{entry.size:x}" if own else ""


def _others(groups: Iterable[Sequence[Entry]]) -> dict[str, Sequence[Entry]]:
    return {entry.file: [other for other in group if other is not entry] for group in groups for entry in group}

"""Entries of the catalog → a page of them for people: searched, sorted, with folders, notes and what is not offered."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from backend.catalog import Catalog, Entry, Kind
from backend.errors import WebUIError
from backend.sidecar import read_sidecar
from backend.thumbnails import picture_version

MOST = 500  # entries of a page
SEARCHED = ("description", "activation text", "negative text", "notes", "sd version")
_NO_NOTES: Mapping[str, object] = MappingProxyType({})

SORTS: Mapping[str, Callable[[Entry], object]] = {
    "path": lambda entry: 0,  # as the catalog has them
    "name": lambda entry: entry.stem.lower(),
    "date": lambda entry: entry.mtime_ns,
    "size": lambda entry: entry.size,
}


@dataclass(frozen=True, kw_only=True)
class Query:
    """search: words that all occur somewhere. folder: "" = all; its subfolders count. start, count: of what is found."""

    search: str = ""
    folder: str = ""
    sort: str = "path"
    descending: bool = False
    start: int = 0
    count: int = 100


class Library:
    """Keeps the notes that it read, until a sidecar changes."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._notes: dict[str, tuple[object, Mapping[str, object]]] = {}

    def page(self, kind: Kind, query: Query) -> dict[str, object]:
        """As JSON. Raises WebUIError for an unknown order."""
        if query.sort not in SORTS:
            raise WebUIError(f"Unknown order {query.sort!r}. Known: {', '.join(SORTS)}.")
        entries, words = self._catalog.entries(kind), query.search.lower().split()
        found = [entry for entry in entries if _is_in(entry, query.folder) and all(word in self._text(entry) for word in words)]
        found.sort(key=SORTS[query.sort], reverse=query.descending and query.sort != "path")  # type: ignore[arg-type]
        if query.descending and query.sort == "path":
            found.reverse()
        start = max(query.start, 0)
        return {
            "total": len(entries),
            "found": len(found),
            "revision": self._catalog.revision,
            "folders": dict(sorted(Counter(_folder(entry) for entry in entries).items())),
            "entries": [self._shown(entry) for entry in found[start : start + min(max(query.count, 0), MOST)]],
            "refused": [{"name": refused.name, "reason": refused.reason} for refused in self._catalog.refused(kind)],
        }

    def _shown(self, entry: Entry) -> dict[str, object]:
        notes = self._read(entry)
        weight = notes.get("preferred weight")
        return {
            "name": self._catalog.path_name(entry),
            "file": entry.name,
            "stem": entry.stem,
            "alias": entry.alias,
            "folder": _folder(entry),
            "size": entry.size,
            "modified": entry.mtime_ns // 1_000_000_000,
            "hash": entry.hash,
            "picture": picture_version(entry.path),
            "weight": float(weight) if isinstance(weight, int | float) and weight else 1.0,
            **{key: str(notes.get(key) or "") for key in SEARCHED},
        }

    def _text(self, entry: Entry) -> str:
        notes = self._read(entry)
        return "\n".join((entry.name, entry.output_name, entry.hash, *(str(notes.get(key) or "") for key in SEARCHED))).lower()

    def _read(self, entry: Entry) -> Mapping[str, object]:
        if not entry.beside:
            return _NO_NOTES
        state, notes = self._notes.get(entry.file, (None, _NO_NOTES))
        if state != entry.beside:
            notes = read_sidecar(entry.path)
            self._notes[entry.file] = (entry.beside, notes)
        return notes


def _folder(entry: Entry) -> str:
    return entry.name.rpartition("/")[0]


def _is_in(entry: Entry, folder: str) -> bool:
    return not folder or entry.name.startswith(f"{folder.strip('/')}/")

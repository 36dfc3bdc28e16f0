"""The library over a FakeCatalog: search, folders, favourites and pages, with the keys that backend.library gives."""

from threading import Lock
from types import SimpleNamespace
from typing import Any

from backend.library import Query
from backend.sidecar import find_preview, read_sidecar

NOTES = ("description", "activation text", "negative text", "notes", "sd version")


class FakeLibrary:
    """families and fits: by file name, for what a test wants to be told."""

    def __init__(self, catalog: Any) -> None:
        self.catalog, self.writing = catalog, Lock()
        self.families: dict[str, str] = {}
        self.fits: dict[str, tuple[str, str]] = {}
        self.refused: list[dict[str, str]] = []
        self.favourites: set[str] = set()
        self.marks = SimpleNamespace(set_favourite=self._set_favourite)

    def page(self, kind: str, query: Query) -> dict[str, Any]:
        every = [self.entry(kind, entry.name) for entry in self.catalog.entries(kind)]
        found = [entry for entry in every if self._is_found(entry, query)]
        if query.sort == "name":
            found.sort(key=lambda entry: entry["stem"])
        if query.descending:
            found.reverse()
        return {
            "total": len(every),
            "found": len(found),
            "revision": self.catalog.revision,
            "checkpoint": {"name": "demo.safetensors", "family": "SD1"},
            "folders": {folder: sum(entry["folder"] == folder for entry in every) for folder in sorted({entry["folder"] for entry in every})},
            "families": {family: sum(entry["family"] == family for entry in every) for family in sorted({entry["family"] for entry in every})},
            "entries": found[query.start : query.start + query.count],
            "refused": self.refused,
        }

    def entry(self, kind: str, name: str, checkpoint: str = "") -> dict[str, Any]:
        entry = self.catalog.find(kind, name)
        notes = read_sidecar(entry.path)
        fits, text = self.fits.get(entry.name, ("", ""))
        return {
            "name": entry.name.rsplit(".", 1)[0],
            "file": entry.name,
            "stem": entry.stem,
            "alias": entry.stem,
            "tag": entry.stem,
            "folder": entry.name.rpartition("/")[0],
            "size": 1000,
            "modified": 0,
            "hash": entry.hash,
            "picture": "1-1" if find_preview(entry.path) else "",
            "weight": notes.get("preferred weight") or 1.0,
            **{key: str(notes.get(key) or "") for key in NOTES},
            "rating": notes.get("rating") or 0,
            "kind": "LoRA",
            "rank": 8,
            "family": self.families.get(entry.name, "SD1"),
            "fits": fits,
            "fits_text": text,
            "fitting": 0,
            "layers": 0,
            "favourite": entry.name in self.favourites,
            "used": 0,
            "uses": 0,
            "duplicates": [],
            "tags": [],
        }

    def _is_found(self, entry: dict[str, Any], query: Query) -> bool:
        text = f"{entry['file']} {entry['activation text']} {entry['description']}".lower()
        return (
            all(word in text for word in query.search.lower().split())
            and (not query.folder or f"{entry['folder']}/".startswith(f"{query.folder}/"))
            and (not query.family or entry["family"] in query.family.split(","))
            and (not query.fits or entry["fits"] in query.fits.split(","))
            and (not query.favourites or entry["favourite"])
        )

    def _set_favourite(self, kind: str, name: str, hash: str, favourite: bool) -> None:
        (self.favourites.add if favourite else self.favourites.discard)(name)

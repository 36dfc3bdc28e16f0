"""The notes beside model files, as they were read last: in memory, and in sqlite, so that searching thousands of them opens no file."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from backend.database import Database
from backend.listing import Entry
from backend.sidecar import TEXTS, read_sidecar

Notes = Mapping[str, object]
NO_NOTES: Notes = MappingProxyType({})
_TABLE = "CREATE TABLE IF NOT EXISTS sidecars_1 (path TEXT PRIMARY KEY, state TEXT, content TEXT) WITHOUT ROWID"


class SidecarCache:
    """Not thread-safe: the library sees to that."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create((_TABLE,))
        self._known: dict[str, tuple[str, Notes]] | None = None  # path → state of the files, and what they said

    def read(self, entries: Iterable[Entry]) -> list[Notes]:
        """Of each entry. Only sidecars that changed are opened."""
        known, fresh, notes = self._all(), [], []
        for entry in entries:
            state = _state(entry)
            if not state:
                notes.append(NO_NOTES)
                continue
            old = known.get(entry.file)
            if old is None or old[0] != state:
                old = known[entry.file] = (state, read_sidecar(entry.path))
                fresh.append((entry.file, state, json.dumps(old[1])))
            notes.append(old[1])
        if fresh:
            self._database.write("INSERT OR REPLACE INTO sidecars_1 VALUES (?, ?, ?)", fresh)
        return notes

    def _all(self) -> dict[str, tuple[str, Notes]]:
        if self._known is None:
            rows = self._database.rows("SELECT path, state, content FROM sidecars_1")
            self._known = {path: (state, json.loads(content)) for path, state, content in rows}
        return self._known


def _state(entry: Entry) -> str:
    """ "" where there is no sidecar."""
    return "|".join(f"{name} {size} {mtime_ns}" for name, size, mtime_ns in entry.beside if name.lower().endswith(TEXTS)) if entry.beside else ""

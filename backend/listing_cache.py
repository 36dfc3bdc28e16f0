"""What the catalog needs from inside each file, remembered in sqlite by path, size and time of change, so that a start opens no file."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from backend.database import Database
from backend.errors import WebUIError
from backend.safetensors_header import read_metadata
from backend.training_tags import Stamped, training_tags

# The number goes up when what is read from a file changes. Metadata lie apart: listing thousands of files must not read them.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS files_2 (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, output_name TEXT, refused TEXT,"
    " structure TEXT, family TEXT, source TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS tags_1 (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, tags TEXT)",
    "CREATE TABLE IF NOT EXISTS metadata_1 (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, content TEXT)",
)
_FEW = 200  # paths, that are asked for one by one


class Contents(NamedTuple):
    """Of one file. refused: why the file is not offered, "" for a good one; the rest as in listing.Entry."""

    size: int
    mtime_ns: int
    output_name: str = ""
    refused: str = ""
    structure: str = ""
    family: str = ""
    source: str = ""


class StoredMetadata(Mapping[str, str]):
    """Read when it is asked for and not kept: of thousands of files it would be many MB."""

    __slots__ = ("_cache", "_identity", "_path")

    def __init__(self, cache: "ListingCache", path: str, identity: tuple[int, int]) -> None:
        self._cache, self._path, self._identity = cache, path, identity

    def __getitem__(self, key: str) -> str:
        return self.read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.read())

    def __len__(self) -> int:
        return len(self.read())

    def items(self):
        return self.read().items()

    def read(self) -> Mapping[str, str]:
        return self._cache.metadata(self._path, self._identity)


class ListingCache:
    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_TABLES)

    def contents(self, paths: Sequence[str]) -> dict[str, Contents]:
        """What is known of these paths, and maybe of others; whether the files still are those is not looked at."""
        query, few = f"SELECT path, {', '.join(Contents._fields)} FROM files_2", len(paths) <= _FEW
        rows = self._database.rows(f"{query} WHERE path IN ({', '.join('?' * len(paths))})", paths) if few else self._database.rows(query)
        return {row[0]: Contents(*row[1:]) for row in rows}

    def paths(self) -> list[str]:
        return [path for (path,) in self._database.rows("SELECT path FROM files_2")]

    def remember(self, contents: Mapping[str, Contents], metadata: Mapping[str, Mapping[str, str]]) -> None:
        """Both by path; without metadata where there are none."""
        self._database.write("INSERT OR REPLACE INTO files_2 VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(path, *content) for path, content in contents.items()])
        rows = [(path, contents[path].size, contents[path].mtime_ns, json.dumps(content)) for path, content in metadata.items() if content]
        self._database.write("INSERT OR REPLACE INTO metadata_1 VALUES (?, ?, ?, ?)", rows)
        tagged = ((path, training_tags(content)) for path, content in metadata.items())
        tags = [(path, *contents[path][:2], "\n".join(tag for tag, _ in tags)) for path, tags in tagged if tags]
        self._database.write("INSERT OR REPLACE INTO tags_1 VALUES (?, ?, ?, ?)", tags)

    def forget(self, paths: Iterable[str]) -> None:
        rows = [(path,) for path in paths]
        if rows:
            self._database.write("DELETE FROM files_2 WHERE path = ?", rows)
            self._database.write("DELETE FROM metadata_1 WHERE path = ?", rows)
            self._database.write("DELETE FROM tags_1 WHERE path = ?", rows)

    def tags(self, files: Sequence[Stamped]) -> dict[Stamped, list[str]]:
        """The tags of the training set of each of these files, the commonest first; only of those that have some."""
        query, few = "SELECT path, size, mtime_ns, tags FROM tags_1", len(files) <= _FEW
        where = f" WHERE path IN ({', '.join('?' * len(files))})" if few else ""
        wanted = set(files)
        rows = self._database.rows(query + where, [path for path, _, _ in files] if few else ())
        return {stamp: row[3].split("\n") for row in rows if (stamp := (row[0], row[1], row[2])) in wanted}

    def metadata(self, path: str, identity: tuple[int, int]) -> Mapping[str, str]:
        """Of the file as it was listed. Where nothing is remembered, the file is asked."""
        query = "SELECT content FROM metadata_1 WHERE path = ? AND size = ? AND mtime_ns = ?"
        if rows := self._database.rows(query, (path, *identity)):
            return json.loads(rows[0][0])
        known = self.contents([path]).get(path)
        if (known is not None and known[:2] == identity) or not path.lower().endswith(".safetensors"):
            return {}
        try:
            return read_metadata(Path(path))
        except WebUIError:
            return {}

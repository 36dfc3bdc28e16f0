"""What a person and the program remember of model files: favourites, when each was used last, in how many pictures. A renamed file keeps it, by its hash."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from threading import Lock

from backend.database import Database
from backend.job import FileRef

_TABLE = "CREATE TABLE IF NOT EXISTS marks (kind TEXT, name TEXT, hash TEXT, favourite INTEGER, used INTEGER, uses INTEGER, PRIMARY KEY (kind, name))"


@dataclass(frozen=True)
class Mark:
    """Of a file of the name; hash: its sha256, "" as long as it is not known. used: seconds since 1970, 0 = never; uses: pictures."""

    hash: str = ""
    favourite: bool = False
    used: int = 0
    uses: int = 0


NONE = Mark()


class Marks:
    """Thread-safe. Everything is in memory, and is written by a thread of its own, so that nobody waits for the disk."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, precious=True)
        self._database.create((_TABLE,))
        rows = self._database.rows("SELECT kind, name, hash, favourite, used, uses FROM marks")
        self._marks = {(kind, name): Mark(hash, bool(favourite), used, uses) for kind, name, hash, favourite, used, uses in rows}
        self._by_hash = {(kind, mark.hash): mark for (kind, _), mark in self._marks.items() if mark.hash}
        self._lock = Lock()
        self._writer = ThreadPoolExecutor(1, "marks")

    def of(self, kind: str, name: str, hash: str = "") -> Mark:
        """name: relative to the kind's folder. hash: the file's, if it is known."""
        mark = self._marks.get((kind, name))
        if mark is None:
            return self._by_hash.get((kind, hash), NONE) if hash else NONE
        if hash and mark.hash != hash:  # it was not known when the mark was made
            self._put(kind, name, replace(mark, hash=hash))
        return mark

    def set_favourite(self, kind: str, name: str, hash: str, favourite: bool) -> None:
        with self._lock:
            self._put(kind, name, replace(self.of(kind, name, hash), hash=hash, favourite=favourite))

    def count(self, kind: str, files: Iterable[FileRef]) -> None:
        """A picture was made with these."""
        now = int(time.time())
        with self._lock:
            for file in files:
                mark = self.of(kind, file.name, file.hash)
                self._put(kind, file.name, replace(mark, hash=file.hash or mark.hash, used=now, uses=mark.uses + 1))

    def close(self) -> None:
        """What is still to be written is written."""
        self._writer.shutdown()
        self._database.close()

    def _put(self, kind: str, name: str, mark: Mark) -> None:
        self._marks[kind, name] = mark
        if mark.hash:
            self._by_hash[kind, mark.hash] = mark
        self._writer.submit(self._database.write, "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?, ?, ?)", [(kind, name, *astuple(mark))])

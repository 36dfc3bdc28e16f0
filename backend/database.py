"""sqlite files: for what is computed from model files and would take long to compute again, and for the little that a person would miss."""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock

log = logging.getLogger(__name__)


class Database:
    """Thread-safe; several processes may have the same file open. What fails is logged and counts as not known.

    precious: losing it costs more than time, so that a damaged file is put aside and not deleted.
    """

    def __init__(self, path: Path, *, precious: bool = False) -> None:
        self._path = path
        self._connection = _open(path, precious)
        self._lock = Lock()

    def create(self, tables: Sequence[str]) -> None:
        for table in tables:
            self.write(table, [()])

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple]:
        try:
            with self._lock:
                return self._connection.execute(query, values).fetchall()
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError as error:
            log.warning("%s cannot be read: %s", self._path.name, error)
            return []

    def write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """The statement once for each row, all or none."""
        try:
            with self._lock, self._connection:
                self._connection.executemany(statement, rows)
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError as error:
            log.warning("%s cannot be written: %s", self._path.name, error)

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _open(path: Path, precious: bool) -> sqlite3.Connection:
    """A damaged file is made anew; where none can be made, all is remembered until the program ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _connect(path)
    except sqlite3.OperationalError as error:
        log.warning("Nothing can be kept in %s: %s", path, error)
    except sqlite3.DatabaseError:
        if precious:
            aside = path.with_name(f"{path.name}.damaged")
            log.error("%s is damaged. It is kept as %s, and a new one is made.", path, aside.name)
            path.replace(aside)
        else:
            log.warning("%s is damaged and made anew; files will be hashed again.", path)
            path.unlink()
        return _connect(path)
    except OSError as error:
        log.warning("Nothing can be kept in %s: %s", path, error.strerror)
    return _connect(None)


def _connect(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", timeout=10, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")  # readers and a writer of several processes side by side
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error:
        connection.close()
        raise
    return connection

"""sha256 of model files, computed once: a sqlite file remembers them by path, size and time of change."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from backend.database import Database

SHORT = 10  # of the file's sha256: what a checkpoint's title and "Model hash" show (AutoV2)
SHORT_NETWORK = 12  # of the hash of the tensors: what "Lora hashes" shows (AutoV3)
_TABLE = "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT, tensors TEXT)"
_CHUNK = 1 << 20

Known = tuple[int, int, str | None]  # size, mtime_ns, sha256


class HashCache:
    """Thread-safe; several processes may have the same file open. With hashing=False nothing is computed and unknown hashes are ""."""

    def __init__(self, db_path: Path, *, hashing: bool = True) -> None:
        self.hashing = hashing
        self.database = Database(db_path)
        self.database.create((_TABLE,))
        self._computing = Lock()  # one file at a time: the disk is the limit

    def sha256(self, path: Path) -> str:
        """Of the whole file."""
        return self._known_or_computed(path, "sha256", lambda file: None)

    def tensors_hash(self, path: Path) -> str:
        """Of what follows the header of a .safetensors file, so that editing the metadata does not change it; of any other file, the whole."""
        return self._known_or_computed(path, "tensors", _skip_header) if path.suffix.lower() == ".safetensors" else self.sha256(path)

    def known(self, path: Path) -> str | None:
        """The sha256, if it was computed before and the file did not change since."""
        return self._known(path, "sha256")

    def fill(self, path: Path, *, tensors: bool, stop: Callable[[], bool]) -> None:
        """Both hashes, or that of the file alone, in one reading that gives way to anybody who waits for a hash. Nothing is kept if it is stopped."""
        before, whole, rest = _identity(path), hashlib.sha256(), hashlib.sha256()
        with path.open("rb") as file:
            header = 8 + int.from_bytes(file.read(8), "little") if tensors else 0
            file.seek(0)
            while chunk := file.read(_CHUNK):
                with self._computing:
                    pass
                if stop():
                    return
                whole.update(chunk)
                if tensors:
                    rest.update(memoryview(chunk)[max(0, header - file.tell() + len(chunk)) :])
        if _identity(path) == before:
            self._remember(path, before, {"sha256": whole.hexdigest(), **({"tensors": rest.hexdigest()} if tensors else {})})

    def filled(self, *, tensors: bool) -> dict[str, tuple[int, int]]:
        """Path → size and mtime_ns of the files for which fill has nothing to do."""
        condition = "sha256 IS NOT NULL AND tensors IS NOT NULL" if tensors else "sha256 IS NOT NULL"
        return {row[0]: row[1:] for row in self.database.rows(f"SELECT path, size, mtime_ns FROM hashes WHERE {condition}")}

    def all_known(self) -> dict[str, Known]:
        """Path → size, mtime_ns and sha256 of what was hashed; whether the file still is that one is not looked at."""
        return {row[0]: row[1:] for row in self.database.rows("SELECT path, size, mtime_ns, sha256 FROM hashes")}

    def files_with(self, start: str) -> set[Path]:
        """The files one of whose hashes starts so, and which did not change since. start: hexadecimal digits."""
        rows = self.database.rows("SELECT path, size, mtime_ns FROM hashes WHERE sha256 GLOB ? OR tensors GLOB ?", (f"{start}*", f"{start}*"))
        return {Path(path) for path, *identity in rows if tuple(identity) == _identity(Path(path))}

    def close(self) -> None:
        self.database.close()

    def _known(self, path: Path, column: str) -> str | None:
        identity = _identity(path)
        rows = self.database.rows(f"SELECT size, mtime_ns, {column} FROM hashes WHERE path = ?", (str(path),))
        return rows[0][2] if rows and rows[0][:2] == identity else None

    def _known_or_computed(self, path: Path, column: str, skip: Callable[[BinaryIO], None]) -> str:
        if known := self._known(path, column):
            return known
        if not self.hashing:
            return ""
        with self._computing:
            return self._known(path, column) or self._compute(path, column, skip)

    def _compute(self, path: Path, column: str, skip: Callable[[BinaryIO], None]) -> str:
        before, digest = _identity(path), hashlib.sha256()
        with path.open("rb") as file:
            skip(file)
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        if _identity(path) == before:
            self._remember(path, before, {column: digest.hexdigest()})
        return digest.hexdigest()

    def _remember(self, path: Path, identity: tuple[int, int] | None, digests: Mapping[str, str]) -> None:
        """By column. The row's other hash is kept if it is of the same contents."""
        if identity is None:
            return
        same = "CASE WHEN size = excluded.size AND mtime_ns = excluded.mtime_ns THEN {0} END"
        columns = ", ".join(f"{column} = {f'excluded.{column}' if column in digests else same.format(column)}" for column in ("sha256", "tensors"))
        statement = (
            f"INSERT INTO hashes (path, size, mtime_ns, {', '.join(digests)}) VALUES (?, ?, ?{', ?' * len(digests)})"
            f" ON CONFLICT (path) DO UPDATE SET {columns}, size = excluded.size, mtime_ns = excluded.mtime_ns"
        )
        self.database.write(statement, [(str(path), *identity, *digests.values())])


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _skip_header(file: BinaryIO) -> None:
    file.seek(8 + int.from_bytes(file.read(8), "little"))

"""The pictures in the output folders, newest first, with what they say about themselves. Nothing is looked at before somebody asks."""

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Condition, Lock, Thread, get_native_id

from backend.database import Database
from backend.errors import NotFound, WebUIError
from backend.images.metadata import skim
from backend.output_folders import OutputFolder, OutputTree, Stamp, outdirs, output_folders
from backend.paths import Paths
from backend.picture_facts import Facts, FactsCache, clean, labels_of, loras_of, read_facts
from backend.picture_search import Found, Picture, Query, search
from backend.settings import Settings
from backend.thumbnails import forget_small_picture, small_picture

log = logging.getLogger(__name__)

WHOLE = 60.0  # seconds between looks that find also files that were written over in their place
POLITE = 0.05  # seconds between two pictures that are read while another one is drawn
_AT_ONCE = 100  # pictures whose facts are told together, or
_SOON = 0.5  # seconds
_REMEMBERED = 8  # answers
_QUARTER = 15 * 60 * 10**9  # nanoseconds
_LOWEST = 19  # nice, which on Linux is a thread's own


class History:
    """Thread-safe. A look at the folders finds files, and a thread of its own reads them, the newest first; until it has, their facts are None."""

    def __init__(self, paths: Paths, settings: Callable[[], Settings], *, busy: Callable[[], bool] = lambda: False) -> None:
        """busy: a picture is drawn now, and nothing else should take its time."""
        self.revision = 0  # goes up with each change that somebody may want to show
        self._paths, self._settings, self._busy = paths, settings, busy
        self._thumbnails = paths.cache / "thumbnails"
        self._looking = Lock()  # held for the whole of a look
        self._news = Condition()  # guards what follows
        self._shelf = _Shelf()
        self._facts: dict[str, tuple[Stamp, Facts]] = {}
        self._unread: deque[str] = deque()  # the newest last
        self._gone: deque[str] = deque()  # what is remembered of files that are not there any more
        self._answers: dict[Query, tuple[int, Found]] = {}
        self._closed = False
        self._cache: FactsCache | None = None
        self._thread: Thread | None = None
        self._given: tuple[str, ...] | None = None
        self._folders: tuple[OutputFolder, ...] = ()
        self._tree = OutputTree()
        self._last_whole = 0.0

    # ---- asking

    def look(self) -> None:
        """Follows the disk. A second look at the same time waits for the first and is over then."""
        if not self._looking.acquire(blocking=False):
            with self._looking:
                return
        try:
            self._open()
            given = outdirs(self._settings())
            if given != self._given:
                self._given, self._folders = given, output_folders(self._paths, given)
            whole = time.monotonic() - self._last_whole > WHOLE
            self._last_whole = time.monotonic() if whole else self._last_whole
            files = self._tree.look([folder.path for folder in self._folders], whole=whole)
            self._take(self._folders, files)
        finally:
            self._looking.release()

    def find(self, query: Query) -> Found:
        with self._news:
            revision, pictures = self.revision, self._shelf.pictures
            known = self._answers.get(query)
        if known is not None and known[0] == revision:
            return known[1]
        found = search(pictures, query)
        with self._news:
            self._answers.pop(query, None)
            self._answers[query] = revision, found
            while len(self._answers) > _REMEMBERED:
                del self._answers[next(iter(self._answers))]
        return found

    @property
    def total(self) -> int:
        return len(self._shelf.pictures)

    @property
    def unread(self) -> int:
        """How many pictures have not said yet what they are."""
        return len(self._unread)

    def picture(self, name: str) -> Picture:
        """By the name that it has here, no other. Raises NotFound."""
        found = self._shelf.by_name.get(name)
        if found is None:
            raise NotFound("This picture is not known.")
        return found

    def file(self, name: str) -> Path:
        """Where it lies. Raises NotFound; also where something else has taken the file's place."""
        path = Path(self.picture(name).path)
        if not path.is_file() or path.is_symlink() or path.resolve() != path:
            raise NotFound("This picture is not there any more.")
        return path

    def about(self, name: str) -> tuple[str, Sequence[tuple[str, str]]]:
        """What the file says now: its infotext, and its Loras with their hashes. Raises WebUIError."""
        infotext = clean(skim(self.file(name))[1])
        return infotext, loras_of(labels_of(infotext))

    def thumbnail(self, name: str) -> Path | None:
        """None for what cannot be read. Raises NotFound."""
        return small_picture(self.file(name), self._thumbnails)

    def remove(self, name: str) -> None:
        """The file, and nothing beside it. Raises NotFound and WebUIError."""
        path = self.file(name)
        try:
            path.unlink()
        except OSError as error:
            raise WebUIError(f"{name} cannot be deleted: {error.strerror}.") from error
        self.look()

    def close(self) -> None:
        with self._looking, self._news:
            self._closed = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join()
        if self._cache is not None:
            self._cache.close()
            self._cache = None

    # ---- a look

    def _open(self) -> None:
        if self._cache is None and not self._closed:
            self._cache = FactsCache(Database(self._paths.cache / "history.db"))
            self._facts = self._cache.all()
            self._thread = Thread(target=self._work, name="history", daemon=True)
            self._thread.start()

    def _take(self, folders: Sequence[OutputFolder], files: dict[str, Stamp]) -> None:
        """The folders hold these files now."""
        with self._news:
            if not self._shelf.take(folders, files, self._facts):
                return
            there = tuple(f"{folder.path}{os.sep}" for folder in folders if os.path.isdir(folder.path))
            self._gone.extend(path for path in self._facts if path not in files and path.startswith(there))
            self._unread = deque(picture.path for picture in reversed(self._shelf.pictures) if picture.facts is None)
            self.revision += 1
            self._news.notify_all()

    # ---- the thread

    def _work(self) -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _LOWEST)
        while self._wait():
            self._forget()
            self._learn(self._read_some())

    def _wait(self) -> bool:
        with self._news:
            self._news.wait_for(lambda: self._closed or self._unread or self._gone)
            return not self._closed

    def _read_some(self) -> dict[str, tuple[Stamp, Facts]]:
        learnt: dict[str, tuple[Stamp, Facts]] = {}
        end = time.monotonic() + _SOON
        while len(learnt) < _AT_ONCE and time.monotonic() < end and not self._closed:
            with self._news:
                if not self._unread:
                    break
                path = self._unread.pop()
                stamp = self._shelf.stamp(path)
            if stamp is None:
                continue
            try:
                learnt[path] = stamp, read_facts(Path(path))
            except OSError as error:  # gone again, or not for us to read
                log.info("%s: %s", path, error.strerror)
            if self._busy():
                time.sleep(POLITE)
        return learnt

    def _learn(self, learnt: dict[str, tuple[Stamp, Facts]]) -> None:
        if not learnt or self._cache is None:
            return
        self._cache.remember(learnt)
        with self._news:
            self._facts.update(learnt)
            self._shelf.learn(learnt)
            self.revision += 1

    def _forget(self) -> None:
        with self._news:
            gone = [path for path in self._gone if self._shelf.stamp(path) is None]
            self._gone.clear()
            for path in gone:
                self._facts.pop(path, None)
        if gone and self._cache is not None:
            self._cache.forget(gone)
            for path in gone:
                forget_small_picture(Path(path), self._thumbnails)


class _Shelf:
    """The pictures in their order."""

    def __init__(self) -> None:
        self.pictures: tuple[Picture, ...] = ()
        self.by_name: dict[str, Picture] = {}
        self._by_path: dict[str, Picture] = {}
        self._folders: Sequence[OutputFolder] = ()

    def stamp(self, path: str) -> Stamp | None:
        found = self._by_path.get(path)
        return found.stamp if found else None

    def take(self, folders: Sequence[OutputFolder], files: dict[str, Stamp], facts: dict[str, tuple[Stamp, Facts]]) -> bool:
        """Whether anything is different."""
        before = self._by_path if folders == self._folders else {}
        after = {path: before[path] if path in before and before[path].stamp == stamp else None for path, stamp in files.items()}
        if len(after) == len(self._by_path) and None not in after.values():
            return False
        self._folders = folders
        self._order(known or self._made(path, files[path], facts.get(path)) for path, known in after.items())
        return True

    def learn(self, learnt: dict[str, tuple[Stamp, Facts]]) -> None:
        for path, (stamp, facts) in learnt.items():
            old = self._by_path.get(path)
            if old is not None and old.stamp == stamp:
                self._by_path[path] = self.by_name[old.name] = old.with_facts(facts)
        self.pictures = tuple(self._by_path.values())

    def _order(self, pictures: Iterable[Picture]) -> None:
        """Newest first; what was saved at the same time, by name."""
        self.pictures = tuple(sorted(pictures, key=lambda picture: (picture.stamp.mtime_ns, picture.name), reverse=True))
        self.by_name = {picture.name: picture for picture in self.pictures}
        self._by_path = {picture.path: picture for picture in self.pictures}

    def _made(self, path: str, stamp: Stamp, known: tuple[Stamp, Facts] | None) -> Picture:
        folder = next(folder for folder in self._folders if path.startswith(f"{folder.path}{os.sep}"))
        facts = known[1] if known is not None and known[0] == stamp else None
        inside = path[len(folder.path) + 1 :].replace(os.sep, "/")
        first = inside.partition("/")[0] if folder.parted and "/" in inside else ""
        picture = Picture(
            name=f"{folder.name}/{inside}",
            path=path,
            folder=f"{folder.name}/{first}" if first else folder.name,
            day=_day(stamp.mtime_ns // _QUARTER),
            stamp=stamp,
            facts=None,
            loras=(),
            words="",
        )
        return picture.with_facts(facts)


@lru_cache(4096)
def _day(quarter: int) -> str:
    """Of a quarter of an hour since 1970; days begin with one everywhere."""
    return time.strftime("%Y-%m-%d", time.localtime(quarter * _QUARTER / 1e9))

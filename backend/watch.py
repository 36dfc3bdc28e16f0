"""A file appears, changes or leaves under models/ → the catalog follows, a quarter of a second after the last event."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition, Thread
from time import monotonic

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from backend.catalog import Catalog

log = logging.getLogger(__name__)

DEBOUNCE = 0.25  # seconds of quiet before the folders are looked at
PATIENCE = 1.0  # seconds after which they are looked at without quiet: another file may be copied for minutes
RESCAN = 60.0  # seconds between looks at all folders: network drives and linked folders send no events
MANY = 300  # paths, from which on all folders are looked at instead: events may have been lost, too
_HARMLESS = frozenset({"opened", "closed_no_write"})  # reading a file makes these, and looking at the folders reads files


def watch(catalog: Catalog, *, rescan: float = RESCAN) -> Callable[[], None]:
    """Starts watching; the answer stops it."""
    follower = _Follower(catalog, rescan)
    observer = Observer()
    for folder in catalog.folders.watched():
        try:
            observer.schedule(follower, str(folder), recursive=True)
        except OSError as error:
            log.warning("%s cannot be watched (%s); it is looked at every %.0f seconds.", folder, error.strerror or error, rescan)
    observer.start()
    follower.start()

    def stop() -> None:
        observer.stop()
        observer.join()
        follower.stop()

    return stop


class _Follower(FileSystemEventHandler):
    """Gathers events in watchdog's thread and tells the catalog in its own."""

    def __init__(self, catalog: Catalog, rescan: float) -> None:
        self._catalog, self._rescan = catalog, rescan
        self._news = Condition()
        self._touched: set[Path] = set()
        self._first = self._last = 0.0  # when the first and the last of the gathered events came
        self._stopped = False
        self._thread = Thread(target=self._follow, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._news:
            self._stopped = True
            self._news.notify()
        self._thread.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _HARMLESS or (event.is_directory and event.event_type == "modified"):  # of the folder around each change
            return
        touched = {Path(str(path)) for path in (event.src_path, event.dest_path) if path}
        with self._news:
            self._last = monotonic()
            self._first = self._first if self._touched else self._last
            self._touched |= touched
            self._news.notify()

    def _follow(self) -> None:
        due = monotonic() + self._rescan
        for touched in self._batches():
            try:
                if 0 < len(touched) <= MANY and monotonic() < due:
                    self._catalog.look_at(touched)
                else:
                    self._catalog.refresh()
                    due = monotonic() + self._rescan
            except OSError as error:
                log.warning("The model files could not be listed: %s", error)

    def _batches(self) -> Iterator[set[Path]]:
        """What to look at next; nothing = everywhere, when no news came for long."""
        while True:
            with self._news:
                if not self._touched and not self._stopped:
                    self._news.wait(self._rescan)
                while self._touched and not self._stopped and (left := min(self._last + DEBOUNCE, self._first + PATIENCE) - monotonic()) > 0:
                    self._news.wait(left)
                if self._stopped:
                    return
                touched, self._touched = self._touched, set()
            yield touched

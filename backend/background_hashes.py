"""Hashes every file that is listed, one after the other, when nobody waits for them: for "Lora hashes", for finding renamed files, and for duplicates."""

import logging
import os
import sys
from collections.abc import Callable
from threading import Event, Thread, get_native_id

from backend.catalog import Catalog
from backend.listing import Entry
from backend.model_folders import Kind

log = logging.getLogger(__name__)

KINDS: tuple[Kind, ...] = ("lora", "embedding", "vae", "checkpoint")  # the small ones first
WITH_TENSORS = frozenset({"lora", "embedding"})  # those that an infotext names by the hash of their tensors
PATIENCE = 10.0  # seconds: from the start, which has better things to do, and between looks for new files
_LOWEST = 19  # nice, which on Linux is a thread's own


def hash_in_background(catalog: Catalog, *, patience: float = PATIENCE) -> Callable[[], None]:
    """Starts, unless hashing is off; the answer stops it."""
    if not catalog.hashes.hashing:
        return lambda: None
    stop = Event()
    thread = Thread(target=_Hasher(catalog, stop, patience).run, name="hashes", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end


class _Hasher:
    def __init__(self, catalog: Catalog, stop: Event, patience: float) -> None:
        self._catalog, self._stop, self._patience = catalog, stop, patience
        self._unreadable: set[tuple[str, int, int]] = set()

    def run(self) -> None:
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _LOWEST)
        done = -1
        while not self._stop.wait(self._patience):
            if self._catalog.revision != done:
                done = self._catalog.revision
                for kind in KINDS:
                    self._hash_all(kind)

    def _hash_all(self, kind: Kind) -> None:
        todo = self._todo(kind)
        for entry in todo:
            if self._stop.is_set():
                return
            self._hash(entry)
        if todo:
            self._catalog.learn_hashes(kind)  # at once: with each revision the page fetches its lists

    def _todo(self, kind: Kind) -> list[Entry]:
        whole, both = (self._catalog.hashes.filled(tensors=tensors) for tensors in (False, True))
        states = ((entry, (entry.size, entry.mtime_ns)) for entry in self._catalog.entries(kind))
        return [
            entry
            for entry, state in states
            if (both if _has_tensors(entry) else whole).get(entry.file) != state and (entry.file, *state) not in self._unreadable
        ]

    def _hash(self, entry: Entry) -> None:
        try:
            self._catalog.hashes.fill(entry.path, tensors=_has_tensors(entry), stop=self._stop.is_set)
        except FileNotFoundError:
            return  # the next look at the folders will tell
        except OSError as error:
            self._unreadable.add((entry.file, entry.size, entry.mtime_ns))
            log.warning("%s cannot be hashed: %s", entry.name, error.strerror)


def _has_tensors(entry: Entry) -> bool:
    return entry.kind in WITH_TENSORS and entry.name.lower().endswith(".safetensors")

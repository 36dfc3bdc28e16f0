"""The engine as a child process: jobs go down, events and pictures come up; when it dies, the next job starts a new one."""

import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Client, Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread

from backend import errors
from backend.errors import EngineFailed, WebUIError
from backend.job import GeneratedImage, Job
from backend.progress import CancelToken, Event, Status
from backend.workers.messages import Answer, Ask, Build, Cancel, Failed, Finished, Ready, Run, Told

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
LOOK_AT_CANCEL = 0.03  # seconds between two looks at the cancel token while nothing comes up
ENGINE = "backend.generate:Engine.from_flags"


class ProcessWorker:
    """Worker over a child process, which starts at once, so that its imports run beside the front's.

    `target(*args)` is called in the child and gives the engine; args must be picklable.
    """

    def __init__(self, *args: object, target: str = ENGINE, log_level: str = "") -> None:
        self._build = Build(target=target, args=args, log_level=log_level)
        self._starting = Lock()
        self._busy = Lock()
        self._closed = False
        self._child = _Child(self._build)

    def run(self, job: Job, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        with self._busy:
            return self._alive().run(job, on_event, cancel)

    def status(self) -> str:
        if self._child.dead:
            return "stopped"
        if not self._child.ready.is_set():
            return "starting"
        return "busy" if self._busy.locked() else "ready"

    def memory(self) -> dict[str, object]:
        """Does not wait for an engine that is still starting."""
        if self.status() in ("starting", "stopped"):
            return {"ram": {"error": "the engine is not running"}, "cuda": {"error": "the engine is not running"}}
        return self._child.ask("memory")

    def embeddings(self) -> dict[str, object]:
        """Waits for an engine that is still starting."""
        return self._alive().ask("embeddings")

    def close(self) -> None:
        with self._starting:
            self._closed = True
        self._child.end()

    @property
    def pid(self) -> int:
        return self._child.pid

    def _alive(self) -> "_Child":
        with self._starting:
            if self._closed:
                raise EngineFailed("The program is ending.")
            if self._child.dead:
                log.info("Starting a new engine")
                self._child = _Child(self._build)
            return self._child


class _Child:
    """One life of the engine process. The reader thread owns the connection's upward side and sorts what comes by id."""

    def __init__(self, build: Build) -> None:
        self.ready = Flag()  # built, or dead: whoever waits looks at `dead` next
        self.dead = False
        self._reason = ""
        self._ended_by_us = False
        self._build = build
        self._ids = count(1)
        self._lock = Lock()  # inboxes and death
        self._sending = Lock()
        self._inboxes: dict[int, SimpleQueue] = {}
        self._connection: Connection | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backend.workers.engine"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl+C in the terminal is for the front alone
        )
        self._reader = Thread(target=self._live, name="engine-reader", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(self, job: Job, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        if not self.ready.is_set():
            on_event(Status(text="Starting the engine"))
        while not self.ready.wait(LOOK_AT_CANCEL):
            if cancel.cancelled:
                return ()
        id, inbox = self._open()
        finished = False
        try:
            self._send(Run(id=id, job=job))
            told = False
            while True:
                if cancel.cancelled and not told:
                    self._send(Cancel(id=id, skip=not cancel.interrupted))
                    told = True
                try:
                    message = inbox.get(timeout=LOOK_AT_CANCEL)
                except Empty:
                    continue
                match message:
                    case Told():
                        on_event(message.event)
                    case Finished():
                        finished = True
                        return message.images
                    case Failed():
                        finished = True
                        raise _error(message)
        finally:
            self._close(id)
            if not finished:  # on_event raised: nobody wants the picture any more
                self._send(Cancel(id=id, skip=False))

    def ask(self, name: str) -> dict[str, object]:
        self.ready.wait()
        id, inbox = self._open()
        try:
            self._send(Ask(id=id, name=name))
            message = inbox.get()
        finally:
            self._close(id)
        if isinstance(message, Answer):
            return message.value
        raise _error(message)

    def end(self) -> None:
        """Returns when the process is gone."""
        self._ended_by_us = True
        with suppress(OSError, ValueError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:  # deep in a computation that lets no other thread run
            self._process.kill()
            self._process.wait()
        self._reader.join()

    # ---- the reader thread

    def _live(self) -> None:
        try:
            self._connection = self._connect()
            self._connection.send(self._build)
            while True:
                self._sort(self._connection.recv())
        except (EOFError, OSError):
            pass
        except Exception:  # a message that cannot be read back is our own mistake; whoever waits must not wait for ever
            log.exception("The engine said something unreadable")
            self._process.kill()
        self._die()

    def _connect(self) -> Connection:
        """The child says where it listens; its end of file says that it died on the way there."""
        assert self._process.stdin and self._process.stdout
        key = secrets.token_bytes(32)
        with tempfile.TemporaryDirectory(prefix="webui-engine-", ignore_cleanup_errors=True) as folder:
            address = None if os.name == "nt" else f"{folder}/engine"  # Windows: a named pipe, named by the child
            hello = {"address": address, "key": key.hex(), "folder": os.getcwd()}
            self._process.stdin.write(json.dumps(hello) + "\n")
            self._process.stdin.flush()
            with self._process.stdout as line:
                where = line.readline().strip()
            if not where:
                raise EOFError
            connection = Client(where, authkey=key)
            connection.recv()  # Connected
            return connection

    def _sort(self, message: object) -> None:
        match message:
            case Ready():
                self.ready.set()
            case Failed(id=None):
                self._reason = f"The engine could not be started: {message.text}"
            case Told() | Finished() | Answer() | Failed():
                inbox = self._inboxes.get(message.id)  # type: ignore[arg-type]
                if inbox is not None:
                    inbox.put(message)

    def _die(self) -> None:
        code = self._process.wait()
        if self._connection is not None:
            self._connection.close()
        with suppress(OSError, ValueError):
            self._process.stdin.close()  # type: ignore[union-attr]
        with self._lock:
            self.dead = True
            self._reason = "The program is ending." if self._ended_by_us else self._reason or _obituary(code)
            for inbox in self._inboxes.values():
                inbox.put(Failed(id=None, kind=EngineFailed.__name__, text=self._reason))
            idle = not self._inboxes
        if idle and not self._ended_by_us:  # else whoever waits says so
            log.error("%s", self._reason)
        self.ready.set()

    # ---- the callers' side

    def _open(self) -> tuple[int, SimpleQueue]:
        with self._lock:
            if self.dead:
                raise EngineFailed(self._reason)
            id, inbox = next(self._ids), SimpleQueue()
            self._inboxes[id] = inbox
            return id, inbox

    def _close(self, id: int) -> None:
        with self._lock:
            del self._inboxes[id]

    def _send(self, message: Run | Cancel | Ask) -> None:
        """To a dead child: nothing; its death is in every inbox."""
        with self._sending, suppress(OSError):
            if self._connection is not None:
                self._connection.send(message)


def _error(failed: Failed) -> WebUIError:
    return getattr(errors, failed.kind, EngineFailed)(failed.text)


def _obituary(code: int) -> str:
    if code == -getattr(signal, "SIGKILL", 9):
        return "The engine was killed, most likely because the memory ran out. The next picture starts a new one; make it smaller, or fewer at once."
    if code < 0:
        return f"The engine died of {signal.Signals(-code).name}. The next picture starts a new one; the log may say more."
    return f"The engine ended with exit code {code}. The next picture starts a new one; the log says why."

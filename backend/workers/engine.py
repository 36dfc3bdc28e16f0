"""The engine process: `python -m backend.workers.engine`. workers.process starts it and is its only caller.

Three threads: the main one builds the engine (here torch is imported) and draws; one hears cancels and questions while it does;
one notices that the parent is gone. Standard output carries one line, the address to connect to; afterwards it is standard error.
"""

import faulthandler
import importlib
import json
import logging
import os
import signal
import sys
from multiprocessing.connection import Connection, Listener
from queue import SimpleQueue
from threading import Lock, Thread

from backend import errors, logs
from backend.progress import CancelToken
from backend.workers.local import Engine, LocalWorker
from backend.workers.messages import Answer, Ask, Build, Cancel, Connected, Failed, Finished, Ready, Run, Told

log = logging.getLogger(__name__)


def main() -> None:
    hello = json.loads(sys.stdin.readline())
    Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the whole process group; the front decides when the engine ends
    faulthandler.enable()
    os.chdir(hello["folder"])
    _stay_offline()
    EngineProcess(_accept(hello["address"], bytes.fromhex(hello["key"]))).serve()


class EngineProcess:
    """One engine behind one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = Lock()
        self._jobs: SimpleQueue[Run] = SimpleQueue()
        self._cancels: dict[int, CancelToken] = {}
        self._worker: LocalWorker | None = None  # None until the engine is built; the front asks nothing before

    def serve(self) -> None:
        """Runs jobs until the front goes away."""
        build: Build = self._connection.recv()
        logs.configure(build.log_level)
        Thread(target=self._listen, daemon=True).start()
        try:
            self._worker = LocalWorker(_build(build))
        except Exception as error:
            self._send(_failed(None, error))
            if not isinstance(error, errors.WebUIError):
                log.error("The engine could not be started", exc_info=error)
            return
        self._send(Ready())
        while True:
            self._run(self._worker, self._jobs.get())

    def _run(self, worker: LocalWorker, run: Run) -> None:
        try:
            images = worker.run(run.job, lambda event: self._send(Told(id=run.id, event=event)), self._cancels[run.id])
            self._send(Finished(id=run.id, images=images))
        except errors.WebUIError as error:
            self._send(_failed(run.id, error))
        del self._cancels[run.id]

    def _listen(self) -> None:
        try:
            while True:
                self._hear(self._connection.recv())
        except (EOFError, OSError):
            os._exit(0)  # the front is gone; a picture in the making has nobody to go to

    def _hear(self, message: Run | Cancel | Ask) -> None:
        match message:
            case Run():
                self._cancels[message.id] = CancelToken()
                self._jobs.put(message)
            case Cancel() if message.id in self._cancels:
                token = self._cancels[message.id]
                (token.skip if message.skip else token.interrupt)()
            case Ask():
                self._answer(message)

    def _answer(self, question: Ask) -> None:
        try:
            self._send(Answer(id=question.id, value=getattr(self._worker, question.name)()))
        except Exception as error:
            log.error("%s failed", question.name, exc_info=error)
            self._send(_failed(question.id, error))

    def _send(self, message: Ready | Told | Finished | Answer | Failed) -> None:
        with self._sending:
            self._connection.send(message)


def _accept(address: str | None, key: bytes) -> Connection:
    with Listener(address, authkey=key) as listener:
        sys.stdout.write(f"{listener.address}\n")
        sys.stdout.flush()
        os.dup2(2, 1)  # whatever a library prints later goes to the log
        connection = listener.accept()
    connection.send(Connected())
    return connection


def _build(build: Build) -> Engine:
    module, _, path = build.target.partition(":")
    found = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found(*build.args)  # type: ignore[operator]


def _failed(id: int | None, error: Exception) -> Failed:
    if isinstance(error, errors.WebUIError):
        return Failed(id=id, kind=type(error).__name__, text=str(error))
    return Failed(id=id, kind=errors.EngineFailed.__name__, text=f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    sys.stdin.read()  # the parent never writes again: this returns when it ends, even by kill -9
    os._exit(0)


def _stay_offline() -> None:
    """diffusers and transformers ask a hub for nothing, and report to nobody."""
    os.environ.update({"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_TELEMETRY": "1"})


if __name__ == "__main__":
    main()

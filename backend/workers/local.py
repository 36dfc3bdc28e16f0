"""The engine in this process: what the engine process wraps, and what tests and debugging use directly."""

import logging
from collections.abc import Callable
from threading import Lock
from typing import Protocol

from backend.errors import EngineFailed, Interrupted, WebUIError
from backend.job import BakeIntoJob, BakeJob, BlockMapJob, ExtractJob, ExtrasJob, GeneratedImage, GenerateJob, Job, LoadJob, MergeJob, ToolJob
from backend.progress import CancelToken, Event

log = logging.getLogger(__name__)


class Engine(Protocol):
    """What draws. Structural, so that tests can put a fake in its place."""

    def generate(self, job: GenerateJob, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]: ...

    def postprocess(self, job: ExtrasJob, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]: ...

    def load(self, job: LoadJob, on_event: Callable[[Event], None]) -> None: ...

    def make(self, job: ToolJob, on_event: Callable[[Event], None], cancel: CancelToken) -> None: ...

    def memory(self) -> dict[str, object]: ...

    def embeddings(self) -> dict[str, object]: ...


class LocalWorker:
    """Worker over an engine object; the first of the three doors where unexpected exceptions become sentences."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._busy = Lock()

    def run(self, job: Job, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        with self._busy:
            try:
                return self._do(job, on_event, cancel)
            except Interrupted:  # before anything was drawn
                return ()
            except WebUIError:
                raise
            except Exception as error:
                raise EngineFailed(_sentence(error)) from error

    def _do(self, job: Job, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        match job:
            case ExtrasJob():
                return self._engine.postprocess(job, on_event, cancel)
            case LoadJob():
                self._engine.load(job, on_event)
                return ()
            case MergeJob() | BakeJob() | BakeIntoJob() | ExtractJob() | BlockMapJob():
                self._engine.make(job, on_event, cancel)
                return ()
            case GenerateJob():
                return self._engine.generate(job, on_event, cancel)

    def status(self) -> str:
        return "busy" if self._busy.locked() else "ready"

    def memory(self) -> dict[str, object]:
        return self._engine.memory()

    def embeddings(self) -> dict[str, object]:
        return self._engine.embeddings()

    def close(self) -> None:
        """Nothing to end: the engine goes with this process."""


def _sentence(error: Exception) -> str:
    text = str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text:
        log.error("Out of memory: %s", text)
        return "Not enough memory for this picture. Make it smaller, or fewer at once, or start with --medvram or --lowvram."
    log.error("The engine failed", exc_info=error)
    return f"The engine failed with {type(error).__name__}: {text}"

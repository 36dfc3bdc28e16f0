"""The seam between the front and the engines."""

from collections.abc import Callable
from typing import Protocol

from backend.job import GeneratedImage, Job
from backend.progress import CancelToken, Event


class Worker(Protocol):
    """Runs jobs one after another. Only jobs go down, only events and pictures come up."""

    def run(self, job: Job, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        """Blocks until the batch is done. After a cancel the pictures as far as they got come back with complete=False.

        Raises WebUIError for what the person can mend, EngineFailed if the engine died (the next run starts a new one).
        """
        ...

    def status(self) -> str:
        """ "starting", "ready", "busy" or "stopped"."""
        ...

    def memory(self) -> dict[str, object]:
        """{"ram": {"free", "used", "total"}, "cuda": {...} or {"error": ...}} in bytes, as A1111's /sdapi/v1/memory."""
        ...

    def embeddings(self) -> dict[str, object]:
        """{"loaded": {name: {...}}, "skipped": {...}} for the loaded checkpoint, as A1111's /sdapi/v1/embeddings. Waits for the engine to be up."""
        ...

    def close(self) -> None:
        """Ends the engine."""
        ...

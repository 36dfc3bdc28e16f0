"""What front and engine process say to each other: one pickled value per message."""

from dataclasses import dataclass

from backend.job import GeneratedImage, Job
from backend.progress import Event

# ---- from the front to the engine


@dataclass(frozen=True, kw_only=True)
class Build:
    """The first message: call `target` ("module:function" or "module:Class.method") with `args`; the result is the engine."""

    target: str
    args: tuple[object, ...]
    log_level: str


@dataclass(frozen=True, kw_only=True)
class Run:
    id: int
    job: Job


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Stop job `id`, running or still waiting."""

    id: int
    skip: bool  # True: only this job; False: interrupt


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Call the engine's method `name` beside whatever runs."""

    id: int
    name: str


# ---- from the engine to the front


@dataclass(frozen=True, kw_only=True)
class Connected:
    """The listener is closed; its address may go."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The engine is built; torch is imported."""


@dataclass(frozen=True, kw_only=True)
class Told:
    id: int
    event: Event


@dataclass(frozen=True, kw_only=True)
class Finished:
    id: int
    images: tuple[GeneratedImage, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    id: int
    value: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A job, a question or (id None) the building of the engine ended with an exception."""

    id: int | None
    kind: str  # name of the class in backend.errors
    text: str

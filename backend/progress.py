"""What an engine tells while it works, and how it is stopped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event as Flag

from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Status:
    """What takes the time before the first step: "Loading checkpoint …"."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """Sampling step `step` (1-based) of `steps` is done."""

    step: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The batch as it looks after a step; several pictures lie side by side."""

    image: Image.Image


@dataclass(frozen=True, kw_only=True)
class FirstPass:
    """A picture of the batch as it is before the hires pass."""

    image: Image.Image
    index: int  # place in the batch


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a tool has to say: sentences for the person, and numbers."""

    sentences: tuple[str, ...] = ()
    numbers: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A sentence for the person that goes with the picture, whatever becomes of it."""

    text: str


Event = Status | Step | Preview | FirstPass | Made | Comment


class CancelToken:
    """Two flags that the front raises and the engine reads before each U-Net call. Thread-safe."""

    def __init__(self) -> None:
        self._interrupt, self._skip = Flag(), Flag()

    def interrupt(self) -> None:
        """Stop this job and every later one of its task."""
        self._interrupt.set()

    def skip(self) -> None:
        """Stop this job only."""
        self._skip.set()

    @property
    def interrupted(self) -> bool:
        return self._interrupt.is_set()

    @property
    def skipped(self) -> bool:
        return self._skip.is_set()

    @property
    def cancelled(self) -> bool:
        return self.interrupted or self.skipped

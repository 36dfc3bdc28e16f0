"""One press of Generate on its way through the queue: what was asked, how far it is, what came out of it.

The service writes; page and API read, at any time and without a lock.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from PIL import Image

from backend.errors import WebUIError
from backend.plan import Plan, PlannedImage
from backend.progress import CancelToken
from backend.request import GenerationRequest
from backend.settings import Settings

_PAGE = re.compile(r"[0-9a-f]{32}-")  # how the id of a page's task begins: with what lets one act as that page
State = Literal["queued", "running", "done", "failed", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class SavedImage:
    """A picture of a task. path None: it was not saved; pixels None: its task is no longer fresh, or was the API's and is answered."""

    pixels: Image.Image | None
    path: Path | None
    infotext: str
    seed: int
    grid: bool = False
    beside: bool = False  # of inpainting, behind its picture: the mask, or what was drawn anew alone
    complete: bool = True  # False: interrupted or skipped on the way
    front: bool = False  # shown before all others
    plan: Plan | None = field(default=None, repr=False, compare=False)  # of one that a task draws: what was decided, and which of its pictures it is
    index: int = 0
    save: Callable[[], Path] | None = field(default=None, repr=False, compare=False)  # of one that was not to be saved: does it after all

    def name_at(self, place: int) -> str:
        """As on disk; a picture that was not saved gets a name of the same form."""
        return self.path.name if self.path else f"{place:05}-{self.seed}.png"

    def is_same(self, other: "SavedImage") -> bool:
        """Also where one of them has forgotten its pixels."""
        return self.path == other.path if self.path else self.pixels is other.pixels

    @property
    def image(self) -> Image.Image:
        if self.pixels is not None:
            return self.pixels
        assert self.path is not None
        with Image.open(self.path) as file:
            file.load()
            return file


class Task:
    """State goes queued → running → done, failed or interrupted; `revision` goes up with each change that a reader may want to show."""

    def __init__(self, *, id: str, request: GenerationRequest, settings: Settings, save_samples: bool, save_grid: bool) -> None:
        self.id = id
        self.request = request
        self.settings = settings  # the person's, as they were at the press of Generate
        self.save_samples = save_samples
        self.save_grid = save_grid
        self.counted = True  # as a use of its networks and its checkpoint
        self.created = datetime.now()
        self.started: datetime | None = None
        self.finished: datetime | None = None
        self.state: State = "queued"
        self.failure: WebUIError | None = None
        self.plan: Plan | None = None  # of a script: that of its first picture
        self.planned: tuple[PlannedImage, ...] = ()  # every picture of every plan
        self.images: tuple[SavedImage, ...] = ()  # in the order drawn, then the grid
        self.hidden = 0  # pictures that were among them
        self.taken_back: dict[tuple[int, str], SavedImage] = {}  # these by place and name: a page may just be asking for one
        self.comments: tuple[str, ...] = ()
        self.extra: dict[str, str] = {}  # infotext fields that plan and run added
        self.status = ""  # "Loading checkpoint …"; "" while sampling
        self.batch = 0  # number of the batch that is drawn now, from 0; of a script that of its picture
        self.batches = request.n_iter
        self.weight = 1  # how many of them are drawn at once
        self.step = 0
        self.steps = request.sampling.steps
        self.preview: bytes | None = None  # the batch as it looks now, in the format that the settings name
        self.preview_revision = 0
        self.revision = 0
        self.cancel = CancelToken()  # of the batch that is drawn now
        self.interrupted = False
        self._pace = _Pace()
        self._end: Future[None] = Future()
        self._end.set_running_or_notify_cancel()  # a waiter that gives up cannot cancel it

    # ---- what readers ask

    @property
    def told_id(self) -> str:
        """As others may hear it: of a page's task one that tells nothing of the page."""
        return f"task({hashlib.sha256(self.id.encode()).hexdigest()[:15]})" if _PAGE.match(self.id) else self.id

    @property
    def ended(self) -> bool:
        return self._end.done()

    @property
    def error(self) -> str | None:
        return str(self.failure) if self.failure else None

    @property
    def progress(self) -> float:
        """0…1 over all batches."""
        if self.state == "done":
            return 1.0
        return min((self.batch + self.weight * self.step / max(self.steps, 1)) / max(self.batches, 1), 1.0)

    @property
    def eta(self) -> float | None:
        """Seconds to go, None while there is nothing to reckon from."""
        return None if self.ended else self._pace.remaining(time.monotonic())

    def wait(self, timeout: float | None = None) -> "Task":
        """Returns when the task has ended, or after `timeout` seconds; see `ended`."""
        wait_for([self._end], timeout)
        return self

    @property
    def end(self) -> "Future[None]":
        """For asyncio.wrap_future; never carries an exception."""
        return self._end

    # ---- what the service tells

    def start(self, status: str) -> None:
        self.state, self.started, self.status = "running", datetime.now(), status
        self.revision += 1

    def decide(self, plan: Plan) -> None:
        """May come again: a script decides for each of its pictures."""
        if self.plan is None:
            self.plan, self.extra = plan, dict(plan.extra)
            self.batches = len(plan.jobs) if self.request.script is None else self.batches  # a script expects more than its first plan has
        self.planned = (*self.planned, *plan.images)
        self.comment(*plan.comments)

    def expect(self, pictures: int) -> None:
        """So many will be drawn in all."""
        self.batches = max(pictures, 1)
        self.revision += 1

    def tell(self, status: str) -> None:
        self.status = status
        self.revision += 1

    def comment(self, *comments: str) -> None:
        self.comments = tuple(dict.fromkeys((*self.comments, *comments)))
        self.revision += 1

    def note(self, extra: Mapping[str, str]) -> None:
        """Infotext fields of one more picture. Lists of hashes grow: pictures of other prompts have other networks."""
        for label, value in extra.items():
            known = self.extra.get(label, value) if label.endswith(" hashes") else value
            self.extra[label] = known if known == value else ", ".join(dict.fromkeys((*known.split(", "), *value.split(", "))))

    def begin_batch(self, batch: int, weight: int = 1) -> None:
        self.step, self.batch, self.weight, self.cancel = 0, batch, weight, CancelToken()  # readers never see a new batch with the steps of the one before
        if self.interrupted:  # between the two batches
            self.cancel.interrupt()
        self.revision += 1

    def advance(self, step: int, steps: int) -> None:
        self.step, self.steps, self.status = step, steps, ""
        self._pace.note(self.progress, time.monotonic())
        self.revision += 1

    def show(self, preview: bytes) -> None:
        self.preview = preview
        self.preview_revision += 1
        self.revision += 1

    def add(self, image: SavedImage) -> None:
        self.images = (*self.images, image)
        self.revision += 1

    def hide(self, images: Iterable[SavedImage]) -> None:
        """These very ones; their files stay."""
        unwanted = {id(image) for image in images}
        left = tuple(image for image in self.images if id(image) not in unwanted)
        taken = ((place, image) for place, image in enumerate(self.images) if id(image) in unwanted)
        self.taken_back |= {(place, image.name_at(place)): _without_pixels(image) if image.path else image for place, image in taken}
        self.hidden += len(self.images) - len(left)
        self.images = left
        self.revision += 1

    def forget_pixels(self, *, unsaved: bool = False) -> None:
        """Of what lies on the disk; of all, if nobody will ask for the unsaved ones any more."""
        self.images = tuple(_without_pixels(image) if image.path or unsaved else image for image in self.images)
        self.taken_back = {key: image for key, image in self.taken_back.items() if image.path}

    def remove(self, image: SavedImage) -> None:
        """Its place; nothing happens if it is gone already."""
        self.images = tuple(other for other in self.images if not other.is_same(image))
        self.revision += 1

    def interrupt(self) -> None:
        self.interrupted = True
        self.cancel.interrupt()

    def finish(self, failure: WebUIError | None = None) -> None:
        self.failure = failure
        self.finished, self.status, self.preview = datetime.now(), "", None
        self.state = "failed" if failure else "interrupted" if self.interrupted else "done"
        self.revision += 1
        self._end.set_result(None)


def _without_pixels(image: SavedImage) -> SavedImage:
    return replace(image, pixels=None, save=None, plan=None)


class _Pace:
    """How long the rest takes, from the time between the first step and the last one seen; loading before it does not count."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None  # progress, seconds
        self._end: float | None = None

    def note(self, progress: float, now: float) -> None:
        if self._first is None:
            self._first = progress, now
        elif progress > self._first[0]:
            per_unit = (now - self._first[1]) / (progress - self._first[0])
            self._end = now + per_unit * (1 - progress)

    def remaining(self, now: float) -> float | None:
        return None if self._end is None else max(self._end - now, 0.0)

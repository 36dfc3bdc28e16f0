"""A picture for each card that has none: one small task after the other, whenever nobody else wants the engine; it gives way, can be paused, and goes on."""

import logging
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Event, Lock, Thread
from types import MappingProxyType
from typing import Literal

from backend.catalog import Entry, Kind
from backend.errors import NotFound, WebUIError
from backend.images.metadata import Encoding, encode
from backend.request import GenerationRequest, Sampling, Seed, Size
from backend.service import GenerationService
from backend.settings import Settings
from backend.sidecar import write_preview
from backend.tasks import Task

log = logging.getLogger(__name__)

KINDS: tuple[Kind, ...] = ("lora", "embedding")  # a checkpoint's picture would have each of them loaded
PREFIX = "previews-"  # of the tasks' ids
LOOK = 0.2  # seconds between looks at the queue, while a job goes on
IN_A_ROW = 5  # pictures that fail: then something else is wrong, and the job pauses
SEED = 1  # the same for all cards, so that they can be compared
SIDES: Mapping[str, int] = MappingProxyType({"SDXL": 1024, "SD2": 768})  # of checkpoints that do not say what they were made for

State = Literal["none", "looking", "running", "waiting", "paused", "done", "stopped"]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """made + failed of total; name: the file of the picture that is drawn. failures: reason → names. said: why it paused or stopped by itself."""

    state: State = "none"
    kind: Kind | None = None
    total: int = 0
    made: int = 0
    name: str = ""
    failures: dict[str, tuple[str, ...]] = field(default_factory=dict)
    said: str = ""

    @property
    def active(self) -> bool:
        return self.state in ("looking", "running", "waiting")

    @property
    def failed(self) -> int:
        return sum(map(len, self.failures.values()))


class PreviewJob:
    """One at a time. Every method may be called from any thread; a thread of its own lives only while the job goes on."""

    def __init__(self, service: GenerationService, *, look: float = LOOK) -> None:
        self._service, self._look = service, look
        self._lock = Lock()
        self._progress = Progress()
        self._left: deque[Entry] = deque()
        self._halt = Event()  # of the thread that goes on now

    @property
    def progress(self) -> Progress:
        return self._progress

    def start(self, kind: str) -> None:
        """For all files of the kind without a picture. Raises WebUIError while another goes on or is paused."""
        self._service.exposure.check("make previews")
        known = _known(kind)
        with self._lock:
            if self._progress.active or self._progress.state == "paused":
                raise WebUIError("Previews are being made already. Stop that first.")
            self._progress = Progress(state="looking", kind=known)
            self._left.clear()
            self._go_on(known)

    def pause(self) -> None:
        """The picture that is drawn now is dropped, and drawn again later."""
        self._service.exposure.check("make previews")
        self._end("paused")

    def resume(self) -> None:
        self._service.exposure.check("make previews")
        with self._lock:
            kind = self._progress.kind
            if self._progress.state == "paused" and kind:
                self._progress = replace(self._progress, state="waiting" if self._progress.total else "looking", said="")
                self._go_on(kind)

    def stop(self) -> None:
        """What is made stays."""
        self._service.exposure.check("make previews")
        self._end("stopped")

    def _go_on(self, kind: Kind) -> None:
        self._halt = Event()
        Thread(target=self._run, args=(kind, self._halt), name="previews", daemon=True).start()

    def _end(self, state: State, said: str = "") -> None:
        with self._lock:
            if self._progress.active or (self._progress.state == "paused" and state == "stopped"):
                self._halt.set()
                self._progress = replace(self._progress, state=state, name="", said=said)

    def _tell(self, halt: Event, **changes: object) -> None:
        """Nothing, once the thread is to halt."""
        with self._lock:
            if not halt.is_set():
                self._progress = replace(self._progress, **changes)  # type: ignore[arg-type]

    # ---- the thread

    def _run(self, kind: Kind, halt: Event) -> None:
        try:
            if not self._progress.total:
                found = self._service.library.without_picture(kind)
                if halt.is_set():
                    return
                self._left.extend(found)
                self._tell(halt, total=len(found), state="waiting")
            self._work(halt)
        except Exception as error:  # the thread's door: whatever it is, the page is told
            log.exception("Previews cannot be made")
            self._end("stopped", f"{type(error).__name__}: {error}")

    def _work(self, halt: Event) -> None:
        in_a_row = 0
        while self._left and not halt.is_set():
            entry = self._left[0]
            try:
                if not self._make(entry, halt):
                    continue  # it gave way, and is tried again
                in_a_row = 0
                self._tell(halt, made=self._progress.made + 1)
            except _Unfit as reason:
                self._fail(halt, entry, str(reason))
            except WebUIError as error:
                in_a_row += 1
                self._fail(halt, entry, str(error))
            if not halt.is_set():
                self._left.popleft()
            if in_a_row == IN_A_ROW:
                return self._end("paused", f"{IN_A_ROW} pictures in a row failed: {next(reversed(self._progress.failures))}")
        self._tell(halt, state="done", name="")

    def _fail(self, halt: Event, entry: Entry, reason: str) -> None:
        failures = {**self._progress.failures}
        names = (*failures.pop(reason, ()), entry.name)
        self._tell(halt, failures={**failures, reason: names})

    def _make(self, entry: Entry, halt: Event) -> bool:
        """Whether the card has its picture now. Raises WebUIError."""
        service, settings = self._service, self._service.settings.current
        card = service.library.entry(entry.kind, entry.name, settings["sd_model_checkpoint"])
        if card["picture"]:
            return True
        if card["fits"] in ("none", "damaged"):
            raise _Unfit("Damaged." if card["fits"] == "damaged" else "For other checkpoints than the chosen one.")
        if not self._wait_for_turn(halt):
            return False
        self._tell(halt, state="running", name=entry.name)
        request = _request(card, entry, service.library.chosen(settings["sd_model_checkpoint"]), settings)
        task = service.submit(request, id_task=f"{PREFIX}{secrets.token_hex(8)}", save_samples=False, save_grid=False, counted=False)
        asked_back = self._wait_for(task, halt)
        service.forget(task.id)
        if task.failure:
            raise task.failure
        if task.state == "interrupted":
            if not asked_back:
                self._end("paused", "The picture was interrupted.")
            return False
        self._write(entry, task)
        return True

    def _wait_for_turn(self, halt: Event) -> bool:
        while others := self._others():
            self._tell(halt, state="waiting", name="")
            others[0].wait(self._look)
            if halt.is_set():
                return False
        return not halt.is_set()

    def _wait_for(self, task: Task, halt: Event) -> bool:
        """Until it has ended; it is interrupted as soon as somebody else waits. Whether it was."""
        asked_back = False
        while not task.wait(self._look).ended:
            if not asked_back and (halt.is_set() or len(self._others()) > 1):
                asked_back = True
                self._service.interrupt(task.id)
        return asked_back

    def _others(self) -> list[Task]:
        return [task for task in self._service.tasks() if not task.ended]

    def _write(self, entry: Entry, task: Task) -> None:
        if entry.kind == "lora" and task.plan and not task.plan.jobs[0].networks:
            raise WebUIError(next(iter(task.comments), "The file cannot be named in a prompt."))
        image = task.images[0]
        with self._service.library.writing:
            preview = write_preview(entry.path, encode(image.image, image.infotext, Encoding(format="png")))
        self._service.catalog.look_at([preview])


def _known(text: str) -> Kind:
    for kind in KINDS:
        if kind == text:
            return kind
    raise NotFound(f"No previews are made of {text!r}. Known: {', '.join(KINDS)}.")


class _Unfit(WebUIError):
    """No picture was tried."""


def _request(card: dict[str, object], entry: Entry, checkpoint: Entry | None, settings: Settings) -> GenerationRequest:
    """One picture with the file at its preferred weight and its activation text."""
    weight = card["weight"] if card["weight"] != 1.0 else settings["extra_networks_default_multiplier"]
    word = f"<lora:{card['tag']}:{weight:g}>" if entry.kind == "lora" else entry.stem
    prompt = ", ".join(filter(None, (settings["card_previews_prompt"], str(card["activation text"]))))
    side = int(settings["card_previews_size"]) or _side(checkpoint)
    return GenerationRequest(
        prompt=f"{prompt} {word}".strip(),
        negative_prompt=str(card["negative text"]),
        seed=Seed(seed=SEED),
        size=Size(width=side, height=side),
        sampling=Sampling(steps=int(settings["card_previews_steps"])),
        override_settings={"grid_save": False, "return_grid": False},
    )


def _side(checkpoint: Entry | None) -> int:
    """Pixels that the checkpoint was made for."""
    if checkpoint is None:
        return 512
    said = checkpoint.metadata.get("modelspec.resolution", "").partition("x")[0]
    return int(said) if said.isdecimal() and 64 <= int(said) <= 2048 else SIDES.get(checkpoint.family, 512)

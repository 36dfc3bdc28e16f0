"""A GenerationService that pretends to draw: tasks move on at a set pace, pictures are real files with their parameters."""

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from backend.added import NOTHING
from backend.errors import NotFound, WebUIError
from backend.exposure import Exposure
from backend.face_files import FaceFiles
from backend.history import History
from backend.kept_pictures import delete_files
from backend.plugins import Hooks
from backend.prompts.style_file import StyleFiles
from backend.queue import Move, moved, replaced
from backend.request import GenerationRequest
from backend.settings import Settings
from extensions.img2img_batch import extension as img2img_batch
from tests.ui.fake_library import FakeLibrary

FINISHED = ("done", "failed", "interrupted")


@dataclass(frozen=True, kw_only=True)
class FakeEntry:
    kind: str
    name: str
    path: Path
    metadata: Mapping[str, str] = field(default_factory=dict)
    hash: str = "0" * 64

    @property
    def stem(self) -> str:
        return Path(self.name).stem


class FakeCatalog:
    def __init__(self, folder: Path) -> None:
        self.folder, self.revision, self.added = folder, 1, NOTHING
        self.faces = FaceFiles((), ())
        self._entries: list[FakeEntry] = []

    def add(self, kind: str, name: str, metadata: Mapping[str, str] | None = None, sidecar: str = "") -> FakeEntry:
        path = self.folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if sidecar:
            path.with_suffix(".json").write_text(sidecar, "utf-8")
        entry = FakeEntry(kind=kind, name=name, path=path, metadata=metadata or {})
        self._entries.append(entry)
        self.revision += 1
        return entry

    def entries(self, kind: str) -> tuple[FakeEntry, ...]:
        return tuple(sorted((entry for entry in self._entries if entry.kind == kind), key=lambda entry: entry.name.lower()))

    def find(self, kind: str, name: str) -> FakeEntry | None:
        return next((entry for entry in self.entries(kind) if name in (entry.name, entry.stem, self.title(entry), self.short_title(entry))), None)

    def exactly(self, kind: str, name: str) -> FakeEntry:
        entry = next((entry for entry in self.entries(kind) if entry.name == name), None)
        if entry is None:
            raise NotFound(f"There is no {kind} {name}.")
        return entry

    def look_at(self, paths: Iterable[Path]) -> None:
        self.revision += 1

    def title(self, entry: FakeEntry) -> str:
        return f"{entry.name} [{entry.hash[:10]}]"

    def short_title(self, entry: FakeEntry) -> str:
        """As infotexts have it."""
        return f"{entry.stem} [{entry.hash[:10]}]"


class FakeSettings:
    def __init__(self) -> None:
        self.current = Settings()
        self.frozen: dict[str, str] = {}

    def update(self, values: Mapping[str, Any]) -> None:
        self.current = self.current.override(values)


@dataclass(frozen=True, kw_only=True)
class FakeSaved:
    path: Path | None
    infotext: str
    pixels: Image.Image | None = None
    seed: int = 0
    grid: bool = False
    front: bool = False
    beside: bool = False

    def name_at(self, place: int) -> str:
        return self.path.name if self.path else f"{place:05}-{self.seed}.png"

    @property
    def image(self) -> Image.Image:
        assert self.pixels is not None
        return self.pixels


@dataclass(kw_only=True)
class FakeTask:
    id: str
    request: GenerationRequest
    state: str = "queued"
    progress: float = 0.0
    eta: float | None = None
    batch: int = 0
    batches: int = 1
    step: int = 0
    steps: int = 0
    revision: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    status: str = ""
    error: str | None = None
    plan: None = None
    preview: bytes | None = None
    preview_revision: int = 0
    images: list[FakeSaved] = field(default_factory=list)
    hidden: int = 0
    taken_back: dict[tuple[int, str], FakeSaved] = field(default_factory=dict)
    comments: tuple[str, ...] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    skips: int = 0
    skip: threading.Event = field(default_factory=threading.Event)


class FakeService:
    """pace: seconds per step. `hold()` stops before the next step (after so many pictures) until `release()`.

    `comments` and `fail` go to the next task; `refuse` is raised by submit; `grid`: several pictures get one."""

    def __init__(self, folder: Path) -> None:
        self._work, self._gate, self._closed = threading.Condition(), threading.Event(), False
        self._tasks: list[FakeTask] = []
        self._ends = ExitStack()
        self.reset(folder)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def reset(self, folder: Path) -> None:
        """As new: nothing runs, nothing is listed."""
        self._stop_all()
        with self._work:
            self._work.wait_for(lambda: all(task.state in FINISHED for task in self._tasks), 10)
            self._tasks = []
        self._left: list[FakeTask] = []
        self.exposure = Exposure()
        self.hooks = Hooks((), {"img2img_batch": img2img_batch})
        self.paths = SimpleNamespace(
            browsable=(folder,),
            notification=folder / "notification.mp3",
            cache=folder / "cache",
            data=folder,
            outputs=folder / "outputs",
            params_file=folder / "params.txt",
            ui_config_file=folder / "ui-config.json",
            localizations=folder / "localizations",
            user_css=folder / "user.css",
        )
        self.styles = StyleFiles([folder / "styles.csv"])
        self.folder, self.catalog, self.settings = folder, FakeCatalog(folder), FakeSettings()
        self.library = FakeLibrary(self.catalog)
        self._ends.close()
        self.history = History(self.paths, lambda: self.settings.current)  # type: ignore[arg-type]
        self._ends.callback(self.history.close)
        self.grid = False
        self.pace, self.engine, self._hold_after = 0.01, "ready", 0
        self.comments: tuple[str, ...] = ()
        self.fail = self.refuse = ""

    def submit(self, request: GenerationRequest, *, id_task: str = "", **_: Any) -> FakeTask:
        if self.refuse:
            raise WebUIError(self.refuse)
        with self._work:
            task = FakeTask(id=id_task or f"task-{len(self._tasks)}", request=request)
            self._tasks.append(task)
            self._work.notify()
        return task

    def tasks(self) -> tuple[FakeTask, ...]:
        return tuple(self._tasks)

    def task(self, task_id: str) -> FakeTask | None:
        return next((task for task in self._tasks if task.id == task_id), None)

    def forget(self, task_id: str) -> None:
        self._tasks = [task for task in self._tasks if task.id != task_id or task.state not in FINISHED]

    def delete_picture(self, task_id: str, image: FakeSaved) -> None:
        task = self.task(task_id)
        assert task is not None
        if task.state not in FINISHED:
            raise WebUIError("A picture can be deleted once its task has ended.")
        if image.path:
            delete_files(image.path)
        task.images.remove(image)

    def current(self) -> FakeTask | None:
        return next((task for task in self._tasks if task.state == "running"), None)

    def queue_position(self, task: FakeTask) -> int:
        return sum(other.state not in FINISHED for other in self._tasks[: self._tasks.index(task)])

    def interrupt(self, task_id: str | None = None) -> None:
        for task in self._tasks:
            if task.id == task_id:
                task.stop.set()
                if task.state == "queued":
                    task.state = "interrupted"

    def move(self, task_id: str, to: Move, among: Callable[[Any], bool]) -> None:
        with self._work:
            slots = [slot for slot, task in enumerate(self._tasks) if task.state == "queued"]
            waiting: Any = [self._tasks[slot] for slot in slots]
            self._tasks = replaced(self._tasks, slots, moved(waiting, next(task for task in waiting if task.id == task_id), to, among))  # type: ignore[assignment,arg-type]

    def leave(self, request: GenerationRequest, task_id: str) -> None:
        """As if it had waited when the program ended."""
        self._left.append(FakeTask(id=task_id, request=request))

    def left(self) -> tuple[FakeTask, ...]:
        return tuple(self._left)

    def take_up(self, task: FakeTask, *, id_task: str) -> None:
        self._left.remove(task)
        self.submit(task.request, id_task=id_task)

    def discard(self, task: FakeTask) -> None:
        self._left.remove(task)

    def skip(self, task_id: str | None = None) -> None:
        for task in self._tasks:
            if task.id == task_id:
                task.skip.set()

    def engine_status(self) -> str:
        return "busy" if self.engine == "ready" and self.current() else self.engine

    def hold(self, pictures: int = 0) -> None:
        self._hold_after = pictures
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    def close(self) -> None:
        self._stop_all()
        with self._work:
            self._closed = True
            self._work.notify()
        self._thread.join(10)
        self._ends.close()

    def _stop_all(self) -> None:
        for task in self._tasks:
            self.interrupt(task.id)
        self._gate.set()

    def _run(self) -> None:
        while True:
            with self._work:
                self._work.wait_for(lambda: self._closed or any(task.state == "queued" for task in self._tasks))
                if self._closed:
                    return
                task = next(task for task in self._tasks if task.state == "queued")
                task.state, task.comments, task.started, task.batches = "running", self.comments, datetime.now(), task.request.n_iter
            try:
                self._draw(task)
                ended = "interrupted" if task.stop.is_set() else "done"
            except WebUIError as error:
                task.error, ended = str(error), "failed"
            with self._work:
                task.finished, task.state = datetime.now(), ended
                task.ended.set()
                self._work.notify_all()

    def _draw(self, task: FakeTask) -> None:
        request = task.request
        task.status = "Loading checkpoint demo.safetensors"
        self._pause(task)
        if self.fail:
            raise WebUIError(self.fail)
        task.steps = request.sampling.steps
        for batch in range(request.n_iter):
            task.skip.clear()
            task.batch = batch
            for step in range(1, task.steps + 1):
                if task.stop.is_set() or task.skip.is_set():
                    task.skips += task.skip.is_set()
                    break
                self._pause(task)
                task.step = step
                task.progress = (batch + step / task.steps) / request.n_iter
                task.eta = self.pace * task.steps * request.n_iter * (1 - task.progress)
                if step % 3 == 0:
                    task.preview, task.preview_revision = _preview(request, step / task.steps), task.preview_revision + 1
            if task.stop.is_set():
                break
            task.images.extend(self._save(request, len(task.images) + number) for number in range(request.batch_size))
        if self.grid and len(task.images) > 1:
            task.images.append(replace(self._save(request, 0), grid=True))

    def _pause(self, task: FakeTask) -> None:
        if len(task.images) >= self._hold_after:
            self._gate.wait()
        task.stop.wait(self.pace)

    def _save(self, request: GenerationRequest, number: int) -> FakeSaved:
        seed = max(request.seed.seed, 1000) + number
        text = (
            f"{request.prompt}\nNegative prompt: {request.negative_prompt}\nSteps: {request.sampling.steps}, Sampler: {request.sampling.sampler}, "
            f"Schedule type: Karras, CFG scale: {request.sampling.cfg_scale:g}, Seed: {seed}, Size: {request.size.width}x{request.size.height}, "
            "Model hash: 0000000000, Model: demo, Version: fake"
        )
        path = self.folder / "outputs" / f"{len(list(self.folder.glob('outputs/*'))):05}-{seed}.png"
        path.parent.mkdir(exist_ok=True)
        info = PngInfo()
        info.add_text("parameters", text)
        image = _picture(request, seed, 1.0)
        image.save(path, pnginfo=info)
        return FakeSaved(path=path, infotext=text, pixels=image, seed=seed)


def _preview(request: GenerationRequest, done: float) -> bytes:
    data = io.BytesIO()
    _picture(request, 0, done).resize((64, 64)).save(data, "jpeg")
    return data.getvalue()


def _picture(request: GenerationRequest, seed: int, done: float) -> Image.Image:
    """Hills under a sun, so that a screenshot looks like something."""
    width, height = request.size.width, request.size.height
    image = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (image.point(lambda v: 250 - v // 3), image.point(lambda v: 190 - v // 2), image.point(lambda v: 90 + v // 3)))
    draw = ImageDraw.Draw(image)
    x = int(width * (0.2 + seed * 37 % 60 / 100))
    draw.ellipse((x - width // 9, height // 5, x + width // 9, height // 5 + width * 2 // 9), fill=(255, 240, 200))
    for hill in range(int(5 * done)):
        top = int(height * (0.45 + hill * 0.11))
        draw.ellipse((-width // 2 + hill * width // 5, top, width + hill * width // 7, height * 2), fill=(90 - 15 * hill, 60 + 4 * hill, 90 - 8 * hill))
    return image

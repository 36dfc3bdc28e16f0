"""The one road from a request to saved pictures: queue → plan → worker → infotext → files. Page and API use nothing else."""

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from threading import Condition, Thread

from PIL import Image

from backend.catalog import Catalog
from backend.errors import EngineFailed, NotFound, WebUIError
from backend.exposure import Exposure
from backend.extras import ExtrasTask, run_extras
from backend.extras_request import ExtrasRequest
from backend.history import History
from backend.images.metadata import Encoding, encode
from backend.infotext import lora_hashes, write
from backend.job import GeneratedImage, LoadJob, ModelOptions
from backend.library import Library
from backend.marks import Marks
from backend.paths import Paths
from backend.plan import Plan, plan, plan_load
from backend.progress import CancelToken, Event, FirstPass, Preview, Status, Step
from backend.prompts.style_file import StyleFiles
from backend.queue import Move, QueueFolder, moved, replaced
from backend.request import GenerationRequest
from backend.saving import make_grid, save_grid, save_init_images, save_parameters, save_sample, saved_or_comment
from backend.settings import Settings, SettingsStore
from backend.tasks import SavedImage, Task
from backend.workers.worker import Worker

log = logging.getLogger(__name__)

REMEMBERED = 64  # ended tasks
FRESH = 4  # of these, the last ones keep their pixels in memory


class GenerationService:
    """Tasks run one after another, in the order of their coming, in a thread of the service's own. Every method may be called from any thread."""

    def __init__(
        self,
        settings: SettingsStore,
        catalog: Catalog,
        worker: Worker,
        paths: Paths,
        styles: StyleFiles,
        exposure: Exposure = Exposure(),  # noqa: B008 (a frozen value)
    ) -> None:
        self.settings = settings
        self.catalog = catalog
        self.library = Library(catalog, Marks(paths.data / "library.db"))
        self.history = History(paths, lambda: settings.current, busy=lambda: self.current() is not None)
        self.styles = styles
        self.paths = paths
        self.exposure = exposure
        self._worker = worker
        self._draw = random.Random()
        self._changed = Condition()
        self._queue: list[Task] = []
        self._running: Task | None = None
        self._tasks: tuple[Task, ...] = ()  # in the order of their turn
        self._folder = QueueFolder(paths.data / "queue")
        self._left = self._folder.left()
        self._closing = False
        self._thread = Thread(target=self._work, name="service", daemon=True)
        self._thread.start()

    # ---- asking

    def submit(
        self, request: GenerationRequest, *, id_task: str = "", save_samples: bool = True, save_grid: bool = True, kept: bool = False, counted: bool = True
    ) -> Task:
        """Returns at once. What is wrong with the request shows in the task. kept: until it has ended it survives the end of the program, see `left`.

        counted: as a use of its networks and its checkpoint.
        """
        task = Task(id=_id(id_task), request=request, settings=self.settings.current, save_samples=save_samples, save_grid=save_grid)
        task.counted = counted
        if kept:
            self._folder.keep(task)
        self._enqueue(task)
        return task

    def submit_extras(self, request: ExtrasRequest, *, id_task: str = "", save_samples: bool = True) -> ExtrasTask:
        """Likewise, for pictures that are there already."""
        task = ExtrasTask(id=_id(id_task), extras=request, settings=self.settings.current, save_samples=save_samples)
        self._enqueue(task)
        return task

    def _enqueue(self, task: Task) -> None:
        with self._changed:
            if self._closing:
                self._folder.drop(task)
                raise EngineFailed("The program is ending.")
            self._queue.append(task)
            self._tasks = (*self._tasks, task)
            self._changed.notify()

    def interrupt(self, id: str | None = None) -> None:
        """The running task, or the one with this id; one that still waits leaves the queue and stays listed as interrupted."""
        with self._changed:
            task = self._running if id is None else self.task(id)
            if task is None:
                return
            task.interrupt()
            self._folder.drop(task)
            if task in self._queue:
                self._queue.remove(task)
                task.finish()

    def move(self, id: str, to: Move, among: Callable[[Task], bool] = lambda task: True) -> None:
        """A waiting task to another place. It changes places with those only that are `among`. Raises NotFound for one that does not wait."""
        with self._changed:
            task = next((task for task in self._queue if task.id == id), None)
            if task is None:
                raise NotFound("This job does not wait any more.")
            self._queue = moved(self._queue, task, to, lambda other: other is task or among(other))
            places = [place for place, other in enumerate(self._tasks) if other in self._queue]
            self._tasks = tuple(replaced(self._tasks, places, self._queue))
            self._folder.order(self._in_turn())

    def _in_turn(self) -> list[Task]:
        return [*([self._running] if self._running else []), *self._queue]

    def skip(self, id: str | None = None) -> None:
        """Go on with the next batch of the running task (if it has this id)."""
        task = self._running
        if task is not None and id in (None, task.id):
            task.cancel.skip()

    def take_up(self, task: Task, *, id_task: str = "") -> Task:
        """One of those that are `left` waits again, with another id if one is given. Raises NotFound if somebody else was quicker."""
        self._take_left(task)
        again = Task(id=id_task or task.id, request=task.request, settings=task.settings, save_samples=task.save_samples, save_grid=task.save_grid)
        self._folder.keep(again)
        if again.id != task.id:
            self._folder.drop(task)
        self._enqueue(again)
        with self._changed:
            self._folder.order(self._in_turn())
        return again

    def discard(self, task: Task) -> None:
        """One of those that are `left` is forgotten. Raises NotFound as take_up does."""
        self._take_left(task)
        self._folder.drop(task)

    def _take_left(self, task: Task) -> None:
        with self._changed:
            if self._closing:
                raise EngineFailed("The program is ending.")
            if task not in self._left:
                raise NotFound("These jobs are taken care of already.")
            self._left = tuple(other for other in self._left if other is not task)

    def forget(self, id: str) -> None:
        """One that has ended is not listed any more; nothing happens to one that has not."""
        with self._changed:
            self._tasks = tuple(task for task in self._tasks if task.id != id or not task.ended)

    # ---- looking

    def task(self, id: str) -> Task | None:
        return next((task for task in reversed(self._tasks) if task.id == id), None)

    def tasks(self) -> tuple[Task, ...]:
        """The last ones that ended, the one that runs, and those that wait, in the order of their turn."""
        return self._tasks

    def left(self) -> tuple[Task, ...]:
        """What waited or ran when the program last ended, in the order of their turn. They run after take_up, and not by themselves."""
        return self._left

    def current(self) -> Task | None:
        return self._running

    def queue_position(self, task: Task) -> int:
        """How many tasks come before it; 0: running, or ended."""
        with self._changed:
            return self._queue.index(task) + (self._running is not None) if task in self._queue else 0

    def engine_status(self) -> str:
        """ "starting", "ready", "busy" or "stopped"."""
        return self._worker.status()

    def memory(self) -> dict[str, object]:
        return self._worker.memory()

    def embeddings(self) -> dict[str, object]:
        """May wait until the engine is up."""
        return self._worker.embeddings()

    def load_checkpoint(self) -> None:
        """Has the engine load the chosen one, behind what it is doing; returns when it is there. Raises WebUIError."""
        self._load(plan_load(self.settings.current, self.catalog, self.paths.vae_file))

    def unload_checkpoint(self) -> None:
        """Gives the engine's memory back; the next picture loads again."""
        self._load(None)

    def rescue(self, task: Task) -> None:
        """Saves what an ended task has drawn for someone who is gone, if pictures are saved at all."""
        if task.plan is not None and task.plan.settings["samples_save"]:
            task.images = tuple(self._rescued(task, task.plan, image) for image in task.images)
            log.warning("The client of %s is gone: its pictures are saved", task.id)

    def _rescued(self, task: Task, decided: Plan, image: SavedImage) -> SavedImage:
        wanted = image.complete or decided.settings["save_incomplete_images"]
        if image.path or image.pixels is None or image.grid or image.beside or not wanted:
            return image
        index = next(index for index, planned in enumerate(decided.images) if planned.seed == image.seed)
        save = partial(save_sample, decided, index, image.pixels, image.infotext, self.paths, task.started or task.created)
        return replace(image, path=saved_or_comment(task, save))

    def _load(self, model: ModelOptions | None) -> None:
        self._worker.run(LoadJob(model=model), lambda event: None, CancelToken())

    def close(self) -> None:
        """Ends the running task, the waiting ones and the engine. Once is enough; twice does no harm."""
        with self._changed:
            self._closing = True
            for task in self._queue:
                task.interrupt()
                task.finish()
            self._queue.clear()
            if self._running:
                self._running.interrupt()
            self._changed.notify()
        self._worker.close()
        self._thread.join()
        self.library.close()
        self.history.close()

    # ---- the thread

    def _work(self) -> None:
        while task := self._next():
            failure = None
            try:
                self._run(task)
            except WebUIError as error:
                failure = error
                if not self._closing:
                    log.error("%s", error)
            except Exception as error:  # the thread outlives whatever plan, worker or saving come up with
                failure = EngineFailed(f"{type(error).__name__}: {error}")
                log.exception("The task failed")
            self._ended(task, failure)

    def _next(self) -> Task | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if self._closing:
                return None
            self._running = self._queue.pop(0)
            self._running.start("Preparing")
            return self._running

    def _run(self, task: Task) -> None:
        began = time.monotonic()
        if isinstance(task, ExtrasTask):
            run_extras(task, self.catalog, self.paths, self._worker, partial(_hear, task))
            log.info("extras: %d pictures in %.1f s", len(task.images), time.monotonic() - began)
            return
        decided = plan(task.request, task.settings, self.catalog, self.styles.table, draw=self._draw, vae_file=self.paths.vae_file)
        task.decide(decided)
        if decided.request.init is not None and decided.settings["save_init_img"]:
            saved_or_comment(task, partial(save_init_images, decided, self.paths))
        first = 0
        for batch, job in enumerate(decided.jobs):
            task.begin_batch(batch)
            if task.interrupted:
                break
            for image in self._worker.run(job, partial(self._hear, task, decided, first), task.cancel):
                self._keep(task, decided, first + image.index, image)
                if task.counted:
                    self.library.count(job)
            first += job.batch_size
        self._add_grid(task, decided)
        log.info("%s", _report(task, time.monotonic() - began))

    def _ended(self, task: Task, failure: WebUIError | None) -> None:
        with self._changed:
            self._running = None
            ended = [known for known in self._tasks if known.ended]
            for old in ended[: 1 - FRESH]:
                old.forget_pixels()
            forgotten = ended[: 1 - REMEMBERED]
            self._tasks = tuple(known for known in self._tasks if known not in forgotten)
            if not self._closing or not (failure or task.interrupted):
                self._folder.drop(task)
            task.finish(failure)

    def _keep(self, task: Task, decided: Plan, index: int, image: GeneratedImage) -> None:
        """Saves one picture as soon as it is there. What cannot be saved stays in the task, with a comment."""
        infotext, settings = write(decided, index, image.extra, image.unused), decided.settings
        if index == 0 and task.counted:
            save_parameters(self.paths.params_file, infotext)
        wanted = task.save_samples and settings["samples_save"] and (image.complete or settings["save_incomplete_images"])
        save = partial(save_sample, decided, index, image.image, infotext, self.paths, task.started or task.created)
        task.note(image.extra)
        task.note(lora_hashes(decided, index, image.unused))
        task.comment(*image.comments)
        task.add(
            SavedImage(
                pixels=image.image,
                path=saved_or_comment(task, save) if wanted else None,
                infotext=infotext,
                seed=decided.images[index].seed,
                complete=image.complete,
            )
        )
        for pixels, suffix, shown, kept in _beside(image, settings):
            save = partial(save_sample, decided, index, pixels, infotext, self.paths, task.started or task.created, suffix=suffix)
            path = saved_or_comment(task, save) if wanted and kept else None
            if shown:
                task.add(SavedImage(pixels=pixels, path=path, infotext="", seed=decided.images[index].seed, beside=True))

    def _hear(self, task: Task, decided: Plan, first: int, event: Event) -> None:
        """first: index of the batch's first picture."""
        if not isinstance(event, FirstPass):
            _hear(task, event)
        elif task.save_samples and decided.settings["save_images_before_highres_fix"]:
            infotext, started = write(decided, first + event.index, {}), task.started or task.created
            suffix = "-before-highres-fix"
            saved_or_comment(task, partial(save_sample, decided, first + event.index, event.image, infotext, self.paths, started, suffix=suffix))

    def _add_grid(self, task: Task, decided: Plan) -> None:
        """Of all pictures of the task, behind them."""
        pixels = make_grid(decided, [image.image for image in task.images if not image.beside]) if task.save_grid else None
        if pixels is None:
            return
        infotext, settings = write(decided, 0, task.extra), decided.settings
        path = (
            saved_or_comment(task, partial(save_grid, decided, pixels, infotext, self.paths, task.started or task.created)) if settings["grid_save"] else None
        )
        if settings["return_grid"]:
            task.add(SavedImage(pixels=pixels, path=path, infotext=infotext, seed=decided.images[0].seed, grid=True))


def _beside(image: GeneratedImage, settings: Settings) -> Iterator[tuple[Image.Image, str, bool, bool]]:
    """What comes with a picture of img2img: pixels, end of the file's name, whether it is shown, whether it is saved."""
    if image.uncorrected is not None:
        yield image.uncorrected, "-before-color-correction", False, settings["save_images_before_color_correction"]
    if image.mask is not None:
        yield image.mask, "-mask", settings["return_mask"], settings["save_mask"]
    if image.masked is not None:
        yield image.masked, "-mask-composite", settings["return_mask_composite"], settings["save_mask_composite"]


def _id(given: str) -> str:
    return given or f"task({uuid.uuid4().hex[:15]})"


def _hear(task: Task, event: Event) -> None:
    match event:
        case Status():
            task.tell(event.text)
        case Step():
            task.advance(event.step, event.steps)
        case Preview():
            task.show(encode(event.image, "", Encoding(format=task.settings["live_previews_image_format"])))


def _report(task: Task, seconds: float) -> str:
    """ "img2img: 2 pictures of 512x512 in 8.3 s"."""
    assert task.plan is not None
    count, job = sum(not image.grid and not image.beside for image in task.images), task.plan.jobs[0]
    stopped = " (interrupted)" if task.interrupted else ""
    return f"{task.plan.tab}: {count} picture{'s' if count != 1 else ''} of {job.width}x{job.height}, {job.sampling.steps} steps, in {seconds:.1f} s{stopped}"

"""The one road from a request to saved pictures: queue → plan → worker → infotext → files. Page and API use nothing else."""

import logging
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Condition, Thread

from backend.catalog import Catalog
from backend.draw_request import Studio, hear
from backend.errors import EngineFailed, NotFound, WebUIError
from backend.exposure import Exposure
from backend.extras import ExtrasTask, run_extras
from backend.extras_request import ExtrasRequest
from backend.history import History
from backend.job import LoadJob, ModelOptions
from backend.kept_pictures import delete_files
from backend.library import Library
from backend.marks import Marks
from backend.model_tools import ToolRequest
from backend.paths import Paths
from backend.plan import Plan, plan_load
from backend.plan_tools import plan_tool
from backend.plugins import Hooks
from backend.progress import CancelToken
from backend.prompts.style_file import StyleFiles
from backend.queue import Move, QueueFolder, moved, replaced
from backend.request import GenerationRequest
from backend.saving import saved_or_comment
from backend.script_session import draw_plainly, run_script
from backend.settings import SettingsStore
from backend.tasks import SavedImage, Task
from backend.tool_task import ToolTask, run_tool
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
        hooks: Hooks | None = None,
    ) -> None:
        self.settings = settings
        self.catalog = catalog
        self.library = Library(catalog, Marks(paths.data / "library.db"))
        self.history = History(paths, lambda: settings.current, busy=lambda: self.current() is not None)
        self.styles = styles
        self.paths = paths if exposure.changes else replace(paths, browsable=())  # visitors name no folders
        self.exposure = exposure
        self.hooks = hooks or Hooks()
        self._worker = worker
        self._studio = Studio(
            catalog=catalog, worker=worker, paths=self.paths, styles=styles, hooks=self.hooks, random=random.Random(), count=self.library.count
        )
        self._changed = Condition()
        self._queue: list[Task] = []
        self._running: Task | None = None
        self._tasks: tuple[Task, ...] = ()  # in the order of their turn
        self._folder = QueueFolder(paths.data / "queue", settings.current.usual())
        self._left = self._folder.left()
        self._closing = False
        self._thread = Thread(target=self._work, name="service", daemon=True)
        self._thread.start()

    # ---- asking

    def submit(
        self, request: GenerationRequest, *, id_task: str = "", save_samples: bool = True, save_grid: bool = True, kept: bool = False, counted: bool = True
    ) -> Task:
        """Returns at once. What is wrong with the request shows in the task. kept: until it has ended it survives the end of the program, see `left`.

        counted: as a use of its networks and its checkpoint. Raises Forbidden for a setting that visitors may not override.
        """
        self.exposure.check_settings(request.override_settings)
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

    def submit_tool(self, request: ToolRequest, *, id_task: str = "") -> ToolTask:
        """Likewise, for a model file that is made of others. Raises WebUIError at once for what can be seen to be wrong."""
        plan_tool(request, self.catalog, hashed=False)
        task = ToolTask(id=_id(id_task), tool=request, settings=self.settings.current)
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

    def delete_picture(self, id: str, image: SavedImage) -> None:
        """The file, what lies beside it, and its place in the task. Raises WebUIError while the task still draws, or is not known."""
        with self._changed:
            task = self.task(id)
            if task is None:
                raise NotFound("This task is not known any more.")
            if not task.ended:
                raise WebUIError("A picture can be deleted once its task has ended.")
            if image.path is not None:
                delete_files(image.path)
            task.remove(image)

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

    def rescue(self, task: Task, why: str) -> None:
        """Saves what an ended task has drawn and will answer to nobody, if pictures are saved at all. why: "has lost its client"."""
        if any(image.save for image in task.images):
            task.images = tuple(_rescued(task, image) for image in task.images)
            log.warning("%s %s: its pictures are saved", task.id, why)

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
            run_extras(task, self.catalog, self.paths, self._worker, partial(hear, task), self.hooks.extras_steps)
            log.info("extras: %d pictures in %.1f s", len(task.images), time.monotonic() - began)
            return
        if isinstance(task, ToolTask):
            run_tool(task, self.catalog, self._worker, partial(hear, task))
            log.info("%s in %.1f s", task.words, time.monotonic() - began)
            return
        if task.request.script is not None:
            run_script(task, task.request.script, self._studio)
        else:
            draw_plainly(task, self._studio)
        if task.plan is not None:
            log.info("%s", _report(task, task.plan, time.monotonic() - began))

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


def _rescued(task: Task, image: SavedImage) -> SavedImage:
    return image if image.save is None or image.pixels is None else replace(image, path=saved_or_comment(task, image.save), save=None)


def _id(given: str) -> str:
    return given or f"task({uuid.uuid4().hex[:15]})"


def _report(task: Task, decided: Plan, seconds: float) -> str:
    """ "img2img: 2 pictures of 512x512 in 8.3 s"."""
    count, job = task.hidden + sum(not image.grid and not image.beside for image in task.images), decided.jobs[0]
    stopped = " (interrupted)" if task.interrupted else ""
    return f"{decided.tab}: {count} picture{'s' if count != 1 else ''} of {job.width}x{job.height}, {job.sampling.steps} steps, in {seconds:.1f} s{stopped}"

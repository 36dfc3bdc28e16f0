"""A script at work: what it may do (scripts.Session), and its run inside a task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from PIL import Image

from backend.draw_request import Drawing, Studio, hear
from backend.errors import Interrupted, WebUIError
from backend.extras_request import ExtrasImage, ExtrasRequest
from backend.infotext import with_labels
from backend.job import EngineCall, ExtrasJob
from backend.plan import Plan
from backend.plan_extras import plan_steps
from backend.request import GenerationRequest, ScriptCall
from backend.saving import save_grid, save_sample, saved_or_comment
from backend.scripts import NO_LABELS
from backend.tasks import SavedImage, Task


def run_script(task: Task, call: ScriptCall, studio: Studio) -> None:
    """Raises WebUIError: of an unknown script, of a value that it does not take, of what it did not catch. An interruption ends it without one."""
    tab = "txt2img" if task.request.init is None else "img2img"
    settings = task.settings.override(task.request.override_settings)
    owned = studio.hooks.script(call.title, tab)
    values = studio.hooks.values(owned, call.values, tab, studio.catalog, settings)
    session = RunningScript(task, studio, owned.extension)
    try:
        owned.of.run(replace(task.request, script=None), values, session)
    except Interrupted:
        return
    except WebUIError:
        raise
    except Exception as error:
        raise WebUIError(studio.hooks.failed(owned.extension, f"the script {owned.of.title}", error)) from error


def draw_plainly(task: Task, studio: Studio) -> None:
    """A request without a script. Raises WebUIError; an interruption ends it without one."""
    try:
        RunningScript(task, studio).draw(task.request, grid=True)
    except Interrupted:
        return


class RunningScript:
    """A scripts.Session over the service's own road."""

    def __init__(self, task: Task, studio: Studio, extension: str = "") -> None:
        """extension: whose script is at work."""
        self._extension = extension
        self.settings = task.settings.override(task.request.override_settings)
        self.catalog = studio.catalog
        self.paths = studio.paths
        self.tab = "txt2img" if task.request.init is None else "img2img"
        self.task_id = task.id
        self._task, self._studio = task, studio
        self._drawing = Drawing(task, studio)
        self._inside = False  # of an extension that draws in the place of the usual way
        self._extra: Mapping[str, str] = NO_LABELS  # fields that its pictures shall have
        self._engine: tuple[EngineCall, ...] = ()  # what the engine shall call

    @property
    def interrupted(self) -> bool:
        return self._task.interrupted

    def expect(self, pictures: int) -> None:
        self._task.expect(pictures)

    def fixed(self, request: GenerationRequest) -> GenerationRequest:
        seed = request.seed
        drawn = {name: self._studio.random.randrange(2**32) for name in ("seed", "subseed") if getattr(seed, name) == -1}
        return replace(request, seed=replace(seed, **drawn))

    def decide(self, request: GenerationRequest) -> Plan:
        return self._drawing.decide(replace(request, script=None))[0]

    def draw(
        self,
        request: GenerationRequest,
        *,
        save: bool = True,
        show: bool = True,
        grid: bool = False,
        note: str = "",
        extra: Mapping[str, str] = NO_LABELS,
        finished: bool = True,
        engine: Sequence[EngineCall] = (),
    ) -> tuple[SavedImage, ...]:
        if self._task.interrupted:
            raise Interrupted
        request = replace(request, script=None)
        extra = {**self._extra, **extra}
        engine = (*self._engine, *(replace(call, extension=self._extension) for call in engine))
        pictures = self._taken_over(request, save, show, grid, extra, engine)
        if pictures is None:
            pictures = self._drawing.draw(request, save=save, show=show, grid=grid, note=note, extra=extra, finished=finished, engine=engine)
        drawn = [picture for picture in pictures if not picture.grid]
        if self._task.interrupted and not (drawn and all(picture.complete for picture in drawn)):
            raise Interrupted(pictures=pictures)
        return pictures

    def keep(self, picture: SavedImage, image: Image.Image, infotext: str, *, save: bool = True, show: bool = True) -> SavedImage:
        decided, task = picture.plan, self._task
        assert decided is not None
        possible = save and decided.settings["samples_save"] and (picture.complete or decided.settings["save_incomplete_images"])
        store = partial(save_sample, decided, picture.index, image, infotext, self.paths, task.started or task.created)
        path = saved_or_comment(task, store) if possible and task.save_samples else None
        kept = replace(picture, pixels=image, infotext=infotext, path=path or picture.path, save=store if possible and not task.save_samples else None)
        if show:
            task.add(kept)
        return kept

    def _taken_over(
        self, request: GenerationRequest, save: bool, show: bool, grid: bool, extra: Mapping[str, str], engine: tuple[EngineCall, ...]
    ) -> tuple[SavedImage, ...] | None:
        """What an extension has drawn in the place of the usual way; inside of its hook none is asked."""
        if self._inside:
            return None
        self._inside, several, self._drawing.several, self._extra, self._engine = True, self._drawing.several, True, extra, engine
        try:
            for extension, act in self._studio.hooks.filling("draw", request=request, session=self, save=save, show=show, grid=grid):
                try:
                    pictures = act()
                except (WebUIError, Interrupted):
                    raise
                except Exception as error:
                    raise WebUIError(self._studio.hooks.failed(extension, "draw", error)) from error
                if pictures is not None:
                    return tuple(pictures)
            return None
        finally:
            self._inside, self._drawing.several, self._extra, self._engine = False, several, NO_LABELS, ()

    def add(self, image: Image.Image, infotext: str, *, grid: bool = False, save: bool | None = None, front: bool = False) -> None:
        decided, task = self._decided(), self._task
        allowed = task.save_grid if grid else task.save_samples
        wanted = decided.settings["grid_save" if grid else "samples_save"] if save is None else save
        started, paths = task.started or task.created, self.paths
        store = partial(save_grid, decided) if grid else partial(save_sample, decided, 0)
        store = partial(store, image, infotext, paths, started)
        path = saved_or_comment(task, store) if wanted and allowed else None
        later = store if wanted and not allowed and not grid else None
        seed = decided.images[0].seed
        task.add(SavedImage(pixels=image, path=path, infotext=infotext, seed=seed, grid=grid, front=front, save=later))

    def hide(self, images: Iterable[SavedImage]) -> None:
        self._task.hide(images)

    def infotext(self, images: Sequence[SavedImage], extra: Mapping[str, str]) -> str:
        return with_labels(images[0].infotext if images else "", extra)

    def comment(self, *sentences: str) -> None:
        self._task.comment(*sentences)

    def extras(self, request: ExtrasRequest) -> tuple[Image.Image, ...]:
        steps = plan_steps(request.steps, self.settings, self.catalog, self._studio.hooks.extras_steps)
        return tuple(self._through(picture.image, ExtrasJob(image=picture.image, steps=steps)) for picture in request.images)

    def upscale(self, image: Image.Image, name: str, scale: float) -> Image.Image:
        options = {"upscaler_1_name": name, "upscale_by": scale}
        return self.extras(ExtrasRequest(images=(ExtrasImage(image=image),), steps={"Upscale": options}))[0]

    def _through(self, image: Image.Image, job: ExtrasJob) -> Image.Image:
        if self._task.interrupted:
            raise Interrupted
        if not job.steps:
            return image
        results = self._studio.worker.run(job, partial(hear, self._task), self._task.cancel)
        if not results or not results[0].complete:
            raise Interrupted
        return results[0].image

    def _decided(self) -> Plan:
        """That of the first picture; where none was drawn, that of the request."""
        if self._task.plan is None:
            self._task.decide(self._drawing.decide(replace(self._task.request, script=None))[0])
        assert self._task.plan is not None
        return self._task.plan

"""One request → saved pictures, inside a running task: parts of extensions → plan → worker → infotext → files."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from PIL import Image

from backend.catalog import Catalog
from backend.images.metadata import Encoding, encode
from backend.infotext import lora_hashes, with_labels, write
from backend.job import EngineCall, GeneratedImage, GenerateJob
from backend.part_calls import PartCalls
from backend.paths import Paths
from backend.plan import Plan, plan
from backend.plugins import Hooks
from backend.progress import Comment, Event, FirstPass, Preview, Status, Step
from backend.prompts.style_file import StyleFiles
from backend.request import GenerationRequest
from backend.saving import make_grid, save_grid, save_init_images, save_parameters, save_sample, saved_or_comment
from backend.scripts import NO_LABELS
from backend.settings import Settings
from backend.tasks import SavedImage, Task
from backend.workers.worker import Worker


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What drawing needs, for as long as the program runs."""

    catalog: Catalog
    worker: Worker
    paths: Paths
    styles: StyleFiles
    hooks: Hooks
    random: random.Random  # where seeds come from
    count: Callable[[GenerateJob], None]  # of the networks that were used


class Drawing:
    """The requests of one task. A script makes many, else there is one."""

    def __init__(self, task: Task, studio: Studio) -> None:
        self._task, self._studio = task, studio
        self.several = task.request.script is not None  # requests
        self._drawn = 0  # pictures of requests before

    def decide(self, request: GenerationRequest) -> tuple[Plan, PartCalls]:
        """Raises WebUIError."""
        studio = self._studio
        parts = PartCalls.of(request, self._task, studio.hooks, studio.catalog, studio.paths)
        request = parts.change_request(request)
        decided = plan(
            request,
            self._task.settings,
            studio.catalog,
            studio.styles.table,
            draw=studio.random,
            vae_file=studio.paths.vae_file,
            expand=studio.hooks.expander(studio.paths.data, self._task.comment),
        )
        return parts.change_plan(decided), parts

    def draw(
        self,
        request: GenerationRequest,
        *,
        save: bool = True,
        show: bool = True,
        grid: bool = True,
        note: str = "",
        extra: Mapping[str, str] = NO_LABELS,
        finished: bool = True,
        engine: Sequence[EngineCall] = (),
    ) -> tuple[SavedImage, ...]:
        """save, show: files; the task's own pictures. extra: for their parameters. finished: False = the picture itself is not saved yet, only what
        comes beside it. engine: behind the calls of parts. Raises WebUIError.
        """
        task = self._task
        decided, parts = self.decide(request)
        if engine:
            decided = replace(decided, jobs=tuple(replace(job, calls=(*job.calls, *engine)) for job in decided.jobs))
        task.decide(decided)
        if note:
            task.tell(note)
        if save and decided.request.init is not None and decided.settings["save_init_img"]:
            saved_or_comment(task, partial(save_init_images, decided, self._studio.paths))
        pictures: list[SavedImage] = []
        for batch, (first, job) in enumerate(_counted(decided)):
            self._begin(batch, job)
            if task.interrupted:
                break
            for image in self._studio.worker.run(job, partial(self._hear, decided, first, save), task.cancel):
                image = replace(image, image=parts.change_picture(image.image, decided, first + image.index))
                pictures += self._keep(decided, first + image.index, image, save, show, extra, finished)
                if task.counted:
                    self._studio.count(job)
        self._drawn += len(decided.images)
        if grid:
            pictures += self._grid(decided, pictures, save, show)
        return tuple(pictures)

    def _begin(self, batch: int, job: GenerateJob) -> None:
        task = self._task
        if not self.several:
            task.begin_batch(batch)
        else:
            first = self._drawn + batch * job.batch_size
            task.expect(max(task.batches, first + job.batch_size))
            task.begin_batch(first, job.batch_size)

    def _keep(self, decided: Plan, index: int, image: GeneratedImage, save: bool, show: bool, extra: Mapping[str, str], finished: bool) -> Iterator[SavedImage]:
        """Saves one picture as soon as it is there. What cannot be saved stays in the task, with a comment."""
        task, settings = self._task, decided.settings
        infotext = with_labels(write(decided, index, image.extra, image.unused), extra)
        if index == 0 and task.counted:
            save_parameters(self._studio.paths.params_file, infotext)
        possible = settings["samples_save"] and (image.complete or settings["save_incomplete_images"])
        wanted = save and task.save_samples and possible
        store = partial(save_sample, decided, index, image.image, infotext, self._studio.paths, task.started or task.created)
        task.note(image.extra)
        task.note(lora_hashes(decided, index, image.unused))
        task.comment(*image.comments)
        seed = decided.images[index].seed
        path = saved_or_comment(task, store) if wanted and finished else None
        later = store if possible and save and finished and not task.save_samples else None
        yield self._show(
            show, SavedImage(pixels=image.image, path=path, infotext=infotext, seed=seed, complete=image.complete, plan=decided, index=index, save=later)
        )
        for pixels, suffix, shown, kept in _beside(image, settings):
            store = partial(save_sample, decided, index, pixels, infotext, self._studio.paths, task.started or task.created, suffix=suffix)
            path = saved_or_comment(task, store) if wanted and kept else None
            if shown:
                yield self._show(show, SavedImage(pixels=pixels, path=path, infotext="", seed=seed, beside=True, plan=decided, index=index))

    def _show(self, show: bool, image: SavedImage) -> SavedImage:
        if show:
            self._task.add(image)
        return image

    def _grid(self, decided: Plan, pictures: list[SavedImage], save: bool, show: bool) -> Iterator[SavedImage]:
        """Of all pictures, behind them."""
        task, settings = self._task, decided.settings
        pixels = make_grid(decided, [image.image for image in pictures if not image.beside]) if task.save_grid else None
        if pixels is None:
            return
        infotext = write(decided, 0, task.extra)
        store = partial(save_grid, decided, pixels, infotext, self._studio.paths, task.started or task.created)
        path = saved_or_comment(task, store) if save and settings["grid_save"] else None
        if settings["return_grid"]:
            yield self._show(show, SavedImage(pixels=pixels, path=path, infotext=infotext, seed=decided.images[0].seed, grid=True))

    def _hear(self, decided: Plan, first: int, save: bool, event: Event) -> None:
        """first: index of the batch's first picture."""
        task = self._task
        if not isinstance(event, FirstPass):
            hear(task, event)
        elif save and task.save_samples and decided.settings["save_images_before_highres_fix"]:
            infotext, started, index = write(decided, first + event.index, {}), task.started or task.created, first + event.index
            saved_or_comment(task, partial(save_sample, decided, index, event.image, infotext, self._studio.paths, started, suffix="-before-highres-fix"))


def hear(task: Task, event: Event) -> None:
    """What an engine tells → what page and API see."""
    match event:
        case Status():
            task.tell(event.text)
        case Step():
            task.advance(event.step, event.steps)
        case Preview():
            task.show(encode(event.image, "", Encoding(format=task.settings["live_previews_image_format"])))
        case Comment():
            task.comment(event.text)


def _counted(decided: Plan) -> Iterator[tuple[int, GenerateJob]]:
    """Each job, and the index of its first picture."""
    first = 0
    for job in decided.jobs:
        yield first, job
        first += job.batch_size


def _beside(image: GeneratedImage, settings: Settings) -> Iterator[tuple[Image.Image, str, bool, bool]]:
    """What comes with a picture: pixels, end of the file's name, whether it is shown, whether it is saved."""
    if image.unrestored is not None:
        yield image.unrestored, "-before-face-restoration", False, settings["save_images_before_face_restoration"]
    if image.uncorrected is not None:
        yield image.uncorrected, "-before-color-correction", False, settings["save_images_before_color_correction"]
    if image.mask is not None:
        yield image.mask, "-mask", settings["return_mask"], settings["save_mask"]
    if image.masked is not None:
        yield image.masked, "-mask-composite", settings["return_mask_composite"], settings["save_mask_composite"]

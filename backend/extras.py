"""The road of an extras task: each picture through the worker, into its file, into the task."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.extras_request import ExtrasImage, ExtrasRequest
from backend.extras_steps import STEPS, ExtrasStep
from backend.images.metadata import PARAMETERS, Encoding, encode, infotext_of
from backend.images.save import save_data
from backend.infotext import join_labels
from backend.job import ExtrasJob, GeneratedImage
from backend.paths import Paths
from backend.plan_extras import ExtrasPlan, open_picture, plan_extras
from backend.progress import Event
from backend.request import GenerationRequest, Sampling
from backend.saving import saved_or_comment
from backend.settings import Settings
from backend.tasks import SavedImage, Task
from backend.workers.worker import Worker

SECTION, LABEL = "extras", "postprocessing"  # A1111's names of what a PNG says about it


class ExtrasTask(Task):
    """For page and API a task like any other, with one batch for each picture."""

    def __init__(self, *, id: str, extras: ExtrasRequest, settings: Settings, save_samples: bool) -> None:
        super().__init__(id=id, request=GenerationRequest(sampling=Sampling(steps=1)), settings=settings, save_samples=save_samples, save_grid=False)
        self.extras = extras
        self.infotext = ""  # of the last picture's steps: "Postprocess upscale by: 2.0, …"
        self.texts: tuple[Mapping[str, str], ...] = ()  # of each picture: what a PNG of it says, by A1111's names


def run_extras(task: ExtrasTask, catalog: Catalog, paths: Paths, worker: Worker, hear: Callable[[Event], None], declared: Sequence[ExtrasStep] = STEPS) -> None:
    """Raises WebUIError for what cannot be done at all; a file of a folder that is no picture becomes a comment."""
    decided = plan_extras(task.extras, task.settings, catalog, paths, declared)
    task.expect(len(decided.sources))
    if not decided.steps:
        task.comment("No step changes anything: the pictures are saved as they are.")
    for number, source in enumerate(decided.sources):
        task.begin_batch(number)
        if task.interrupted:
            break
        try:
            picture = open_picture(source) if isinstance(source, Path) else source
        except WebUIError as error:
            task.comment(str(error))
            continue
        task.tell(picture.name)
        for result in worker.run(ExtrasJob(image=picture.image, steps=decided.steps), hear, task.cancel):
            if result.complete:
                _keep(task, decided, picture, result, paths)


def _keep(task: ExtrasTask, decided: ExtrasPlan, picture: ExtrasImage, result: GeneratedImage, paths: Paths) -> None:
    settings, line = decided.settings, join_labels(result.extra)
    task.infotext = line
    task.comment(*result.comments)
    texts = texts_of(picture, line) if settings["enable_pnginfo"] else {}
    path = saved_or_comment(task, partial(_save, decided, picture, result, texts)) if task.save_samples else None
    if task.extras.show_results or not task.extras.input_folder:
        task.texts = (*task.texts, texts)
        task.add(SavedImage(pixels=result.image, path=path, infotext=one_text(texts), seed=-1))


def encoded(image: Image.Image, texts: Mapping[str, str], encoding: Encoding) -> bytes:
    """A PNG has room for each text; other formats have it for one."""
    if encoding.format == "png":
        return encode(image, texts.get(PARAMETERS, ""), encoding, {key: text for key, text in texts.items() if key != PARAMETERS})
    return encode(image, one_text(texts), encoding)


def one_text(texts: Mapping[str, str]) -> str:
    """The parameters, and behind them what was done to the picture."""
    return ", ".join(filter(None, (texts.get(PARAMETERS, ""), texts.get(LABEL, ""))))


def texts_of(picture: ExtrasImage, line: str) -> Mapping[str, str]:
    """What the file said about itself, and what was done to it."""
    info = {key: value for key, value in picture.image.info.items() if isinstance(key, str) and isinstance(value, str)}
    parameters = infotext_of(picture.image)
    return {**info, **({PARAMETERS: parameters} if parameters else {}), LABEL: line}


def _save(decided: ExtrasPlan, picture: ExtrasImage, result: GeneratedImage, texts: Mapping[str, str]) -> Path:
    encoding = encoding_of(decided.settings)
    data = encoded(result.image, {**texts, SECTION: texts[LABEL]} if texts else {}, encoding)
    return save_data(data, decided.folder, f".{encoding.format}", name=Path(picture.name).stem if decided.keep_name else "")


def encoding_of(settings: Settings) -> Encoding:
    return Encoding(format=settings["samples_format"], quality=settings["jpeg_quality"], lossless=settings["webp_lossless"])

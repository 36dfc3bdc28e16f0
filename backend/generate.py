"""One GenerateJob → pictures: the whole walk, and the engine that holds what lives from job to job."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from PIL import Image

from backend.catalog import Catalog
from backend.checkpoints.memory import Models
from backend.checkpoints.model import Model
from backend.checkpoints.placement import Placement
from backend.checkpoints.small_vae import SmallVaes
from backend.drawing import Drawn, decode, draw
from backend.extension_modules import mount_all
from backend.flags import Flags
from backend.generate_init import Finished, Pictures
from backend.hashes import HashCache
from backend.images.resize import Enlarge
from backend.job import ExtrasJob, GeneratedImage, GenerateJob, InitOptions, LoadJob, ToolJob
from backend.make import make
from backend.paths import Paths
from backend.postprocess.face_model import FaceModel, load_face_model
from backend.postprocess.faces import NO_FACE, FaceRestorers, Restored
from backend.postprocess.steps import Tools, run_steps
from backend.postprocess.upscale import Upscalers
from backend.progress import CancelToken, Event
from backend.sampling.changes import Changes
from backend.second_pass import second_pass
from backend.stage import Run, Stages

OnEvent = Callable[[Event], None]


class Engine:
    """What lives from job to job: models with all that belongs to them, and upscalers. Draws one job at a time."""

    def __init__(self, models: Models, catalog: Catalog, open_face_model: Callable[[Path], FaceModel] = load_face_model) -> None:
        self.catalog = catalog
        self._stages = Stages(models, catalog)
        self._upscalers = Upscalers(catalog, models.placement)
        self._faces = FaceRestorers(catalog.faces, models.placement, open_face_model)
        self._kept: dict[str, dict[str, Any]] = {}  # what extensions keep from job to job

    @classmethod
    def from_flags(cls, flags: Flags, paths: Paths) -> "Engine":
        mount_all(paths)
        return cls(Models(Placement.choose(flags), SmallVaes(paths.models)), Catalog(paths, HashCache(paths.cache / "hashes.db", hashing=not flags.no_hashing)))

    @torch.inference_mode()
    def generate(self, job: GenerateJob, on_event: OnEvent, cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        """Draw one batch. After a cancel the pictures come as far as they got, marked complete=False; Interrupted if there is nothing yet."""
        if job.faces:
            self._faces.load(job.faces, on_event)
        changes = Changes(job.calls, job.seeds, self._kept)
        with Run(self._stages, on_event, cancel, job.hires.sampling.steps if job.hires else 0, changes) as run:
            pictures = Pictures(job, job.init, self._enlarge(job.init, on_event, cancel)) if job.init else None
            drawn = self._draw(run, job, pictures)
            images = decode(drawn.stage.model, changes.apply("before decode", drawn.latent))
            restored = self._restored(job, images, on_event, cancel)
            finished = [pictures.finish(image, index) if pictures else Finished(image=image) for index, image in enumerate(each.image for each in restored)]
        extra = {**run.extra, **_told_beside(job, drawn.stage.model), **drawn.labels}
        return tuple(
            GeneratedImage(
                image=one.image,
                index=index,
                unrestored=each.before,
                uncorrected=one.uncorrected,
                mask=one.mask,
                masked=one.masked,
                extra=extra,
                comments=(*run.comments, *each.comments),
                unused=run.unused,
                complete=drawn.complete and each.complete,
            )
            for index, (one, each) in enumerate(zip(finished, restored, strict=True))
        )

    @torch.inference_mode()
    def postprocess(self, job: ExtrasJob, on_event: OnEvent, cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        """One picture through the steps of the job. Raises Interrupted."""
        tools = Tools(upscalers=self._upscalers, faces=self._faces, device=self._stages.models.placement.device, on_event=on_event, cancel=cancel)
        return (run_steps(job, tools),)

    @torch.inference_mode()
    def load(self, job: LoadJob, on_event: OnEvent) -> None:
        """Raises WebUIError if the file cannot be used."""
        if job.model is None:
            return self._stages.forget()
        with self._stages.loaded(job.model, on_event) as model:
            self._stages.note(model)

    def make(self, job: ToolJob, on_event: OnEvent, cancel: CancelToken) -> None:
        """A new model file, or numbers about one, which go by an event. Raises WebUIError, Interrupted."""
        make(job, self.catalog, on_event, cancel)

    def memory(self) -> dict[str, object]:
        """As A1111's /sdapi/v1/memory, in bytes."""
        return {"ram": _ram(), "cuda": _cuda()}

    def embeddings(self) -> dict[str, dict[str, dict[str, object]]]:
        """Textual inversions that fit the loaded checkpoint, and the others, as A1111's /sdapi/v1/embeddings; all fit where none is loaded yet."""
        return self._stages.embeddings()

    def _draw(self, run: Run, job: GenerateJob, pictures: Pictures | None) -> Drawn:
        """Both passes."""
        first, hires = None, job.hires
        if hires is None or hires.picture is None:
            stage = run.open(job)
            told = pictures.beside(stage.model) if pictures else None
            start = pictures.start(stage.model) if pictures else None
            first = draw(run, stage, start=start, beside=told)
            if pictures and start:
                pictures.soften(start, first.latent)
            if hires is None or not first.complete:
                return first
        return second_pass(run, job, hires, first, self._upscalers)

    def _restored(self, job: GenerateJob, images: Sequence[Image.Image], on_event: OnEvent, cancel: CancelToken) -> list["_Faced"]:
        """After decoding, before colours are corrected and what was kept is laid over, as in A1111."""
        if job.faces is None:
            return [_Faced(image=image) for image in images]
        restored = self._faces.restore_drawn(images, job.faces, on_event=on_event, cancel=cancel)
        return [_faced(image, each) for image, each in zip(images, restored, strict=True)]

    def _enlarge(self, init: InitOptions, on_event: OnEvent, cancel: CancelToken) -> Enlarge | None:
        """None: by Lanczos to the very size, as A1111 does without an upscaler."""
        if init.upscaler.name == "None":
            return None
        return lambda image, scale: self._upscalers.upscale(image, init.upscaler, scale, on_event=on_event, cancel=cancel)


@dataclass(frozen=True, kw_only=True)
class _Faced:
    """before: the picture with the faces that were drawn, where it was looked through."""

    image: Image.Image
    before: Image.Image | None = None
    comments: tuple[str, ...] = ()
    complete: bool = True


def _faced(image: Image.Image, restored: Restored | None) -> _Faced:
    if restored is None:
        return _Faced(image=image, comments=("Interrupted: faces are as they were drawn.",), complete=False)
    return _Faced(image=restored.image, before=image, comments=() if restored.faces else (NO_FACE,))


def _told_beside(job: GenerateJob, model: Model) -> dict[str, str]:
    """What A1111 writes of inpainting and of instruct-pix2pix models."""
    if job.init and job.init.inpaint and model.architecture.inpaint:
        return {"Conditional mask weight": str(job.init.inpaint.condition_weight)}
    return {"Image CFG scale": str(job.sampling.image_cfg_scale)} if job.init and model.architecture.edit else {}


def _ram() -> dict[str, float]:
    """A1111's arithmetic: what this process uses, and the total reckoned from its share."""
    process = psutil.Process()
    used = process.memory_info().rss
    total = 100 * used / process.memory_percent()
    return {"free": total - used, "used": used, "total": total}


def _cuda() -> dict[str, object]:
    if not torch.cuda.is_available():
        return {"error": "unavailable"}
    free, total = torch.cuda.mem_get_info()
    stats = torch.cuda.memory_stats()
    parts = {name: {"current": stats[f"{key}.all.current"], "peak": stats[f"{key}.all.peak"]} for name, key in CUDA_PARTS}
    return {
        "system": {"free": free, "used": total - free, "total": total},
        **parts,
        "events": {"retries": stats["num_alloc_retries"], "oom": stats["num_ooms"]},
    }


CUDA_PARTS = (
    ("active", "active_bytes"),
    ("allocated", "allocated_bytes"),
    ("reserved", "reserved_bytes"),
    ("inactive", "inactive_split_bytes"),
)  # A1111's name, torch's

"""One GenerateJob → pictures: the whole walk, and the engine that holds what lives from job to job."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from weakref import WeakKeyDictionary

import psutil
import torch
from PIL import Image
from torch import Tensor

from backend.catalog import Catalog
from backend.checkpoints.memory import Models
from backend.checkpoints.model import Model
from backend.checkpoints.placement import Placement
from backend.conditioning.conditioning import Encoded, PromptCache, encode_prompts
from backend.conditioning.text_encoder import width
from backend.conditioning.textual_inversion import Bundled, EmbeddingStore
from backend.errors import Interrupted
from backend.flags import Flags
from backend.generate_init import Finished, Pictures
from backend.hashes import HashCache
from backend.images.resize import Enlarge
from backend.job import ExtrasJob, GeneratedImage, GenerateJob, InitOptions, LoadJob, ModelOptions, NetworkRef, SamplingOptions
from backend.networks.patch import Patcher
from backend.paths import Paths
from backend.postprocess.steps import Tools, run_steps
from backend.postprocess.upscale import Upscalers
from backend.progress import CancelToken, Event, Preview, Status, Step
from backend.sampling.guidance import Told
from backend.sampling.noise import ImageNoise
from backend.sampling.preview import approximate
from backend.sampling.samplers import calls_a_step, calls_total, sample

OnEvent = Callable[[Event], None]


class Engine:
    """Loaded models, their patchers, textual inversions and encoded prompts; draws one job at a time."""

    def __init__(self, models: Models, catalog: Catalog) -> None:
        self._models = models
        self._catalog = catalog
        self._patchers: WeakKeyDictionary[Model, Patcher] = WeakKeyDictionary()
        self._embeddings = EmbeddingStore()
        self._upscalers = Upscalers(catalog, models.placement)
        self._prompts = PromptCache()
        self._text_width: int | None = None  # of the latest model: tells which embeddings fit

    @classmethod
    def from_flags(cls, flags: Flags, paths: Paths) -> "Engine":
        return cls(Models(Placement.choose(flags)), Catalog(paths, HashCache(paths.cache / "hashes.db", hashing=not flags.no_hashing)))

    @torch.inference_mode()
    def generate(self, job: GenerateJob, on_event: OnEvent, cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        """Draw one batch. After a cancel the pictures come as far as they got, marked complete=False; Interrupted if there is nothing yet."""
        networks = self._network_files(job.networks)
        with self._loaded(job.model, on_event) as model:
            patcher = self._patcher(model)
            reports = patcher.become(networks)
            encoded = self._encode(model, job, patcher)
            pictures = Pictures(job, job.init, self._enlarge(job.init, on_event, cancel)) if job.init else None
            latent, complete = _draw(model, job, encoded, pictures, on_event, cancel, _network_changes(patcher, networks, job.sampling))
            images = [to_image(_decode(model, one)) for one in latent]
            finished = [pictures.finish(image, index) if pictures else Finished(image=image) for index, image in enumerate(images)]
        comments = (*encoded.comments, *(report.describe() for report in reports))
        extra = {**encoded.extra, **_padding(encoded, job), **(_mask_weight(job.init) if model.architecture.inpaint else {})}
        unused = tuple(report.label for report in reports if report.in_vain)
        return tuple(
            GeneratedImage(
                image=one.image,
                index=index,
                uncorrected=one.uncorrected,
                mask=one.mask,
                masked=one.masked,
                extra=extra,
                comments=comments,
                unused=unused,
                complete=complete,
            )
            for index, one in enumerate(finished)
        )

    @torch.inference_mode()
    def postprocess(self, job: ExtrasJob, on_event: OnEvent, cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        """One picture through the steps of the job. Raises Interrupted."""
        return (run_steps(job, Tools(upscalers=self._upscalers, device=self._models.placement.device, on_event=on_event, cancel=cancel)),)

    @torch.inference_mode()
    def load(self, job: LoadJob, on_event: OnEvent) -> None:
        """Raises WebUIError if the file cannot be used."""
        if job.model is None:
            self._prompts = PromptCache()
            return self._models.close()
        with self._loaded(job.model, on_event) as model:
            self._text_width = sum(width(encoder) for encoder in model.text_encoders)

    def memory(self) -> dict[str, object]:
        """As A1111's /sdapi/v1/memory, in bytes."""
        return {"ram": _ram(), "cuda": _cuda()}

    def embeddings(self) -> dict[str, dict[str, dict[str, object]]]:
        """Textual inversions that fit the loaded checkpoint, and the others, as A1111's /sdapi/v1/embeddings; all fit where none is loaded yet."""
        self._read_embeddings()
        return self._embeddings.listing(self._text_width)

    def _loaded(self, options: ModelOptions, on_event: OnEvent) -> AbstractContextManager[Model]:
        checkpoint = self._catalog.resolve("checkpoint", options.checkpoint).path
        vae = self._catalog.resolve("vae", options.vae).path if options.vae else None
        return self._models.loaded(checkpoint, vae, options, lambda name: on_event(Status(text=f"Loading {name} …")))

    def _enlarge(self, init: InitOptions, on_event: OnEvent, cancel: CancelToken) -> Enlarge | None:
        """None: by Lanczos to the very size, as A1111 does without an upscaler."""
        if init.upscaler.name == "None":
            return None
        return lambda image, scale: self._upscalers.upscale(image, init.upscaler, scale, on_event=on_event, cancel=cancel)

    def _encode(self, model: Model, job: GenerateJob, patcher: Patcher) -> Encoded:
        self._read_embeddings([Bundled(name=one.word, network=one.label, source=one.file, tensors=one.tensors) for one in patcher.bundled])
        self._text_width = sum(width(encoder) for encoder in model.text_encoders)
        return encode_prompts(model, job, total_calls=calls_total(job.sampling), embeddings=self._embeddings, cache=self._prompts, networks_key=patcher.key)

    def _patcher(self, model: Model) -> Patcher:
        if model not in self._patchers:
            self._patchers[model] = Patcher(model)
        return self._patchers[model]

    def _network_files(self, networks: Sequence[NetworkRef]) -> list[tuple[NetworkRef, Path]]:
        return [(network, self._catalog.resolve("lora", network.file).path) for network in networks]

    def _read_embeddings(self, bundled: Sequence[Bundled] | None = None) -> None:
        """bundled: with the networks that are applied; None: as before."""
        self._catalog.refresh("embedding")  # a scan of one folder; files that did not change are not read again
        self._embeddings.load(self._catalog.entries("embedding"), bundled)


def _network_changes(patcher: Patcher, networks: Sequence[tuple[NetworkRef, Path]], options: SamplingOptions) -> Callable[[int], None] | None:
    """What sampling calls before each call of the U-Net, if a network starts or stops on the way."""

    def before_call(call: int) -> None:
        patcher.become(networks, call // calls_a_step(options))

    return before_call if any(network.timed for network, _ in networks) else None


def _draw(
    model: Model,
    job: GenerateJob,
    encoded: Encoded,
    pictures: Pictures | None,
    on_event: OnEvent,
    cancel: CancelToken,
    before_call: Callable[[int], None] | None,
) -> tuple[Tensor, bool]:
    """The finished latent (B, 4, h, w) and True; after a cancel the latest denoised one and False."""

    def on_step(step: int, steps: int, denoised: Tensor) -> None:
        on_event(Step(step=step, steps=steps))
        if job.preview.every_steps and step % job.preview.every_steps == 0 and step < steps:
            on_event(Preview(image=preview(model, denoised, job.preview.method)))

    noise = ImageNoise(
        (model.architecture.latent_channels, job.height // 8, job.width // 8),
        job.seeds,
        job.subseeds,
        job.subseed_strength,
        job.seed_resize_from,
        job.sampling.noise_source,
        job.sampling.ensd,
        model.placement.device,
    )
    try:
        latent = sample(
            Told(model, encoded.cond, encoded.uncond, _inpaint_condition(model, job, pictures) if model.architecture.inpaint else None),
            noise,
            job.sampling,
            job.seeds,
            on_step=on_step,
            cancel=lambda: cancel.cancelled,
            before_call=before_call,
            start=pictures.start(model) if pictures else None,
        )
    except Interrupted as stop:
        if stop.denoised is None:
            raise
        return stop.denoised, False
    return latent, True


def _padding(encoded: Encoded, job: GenerateJob) -> dict[str, str]:
    """What A1111 writes where prompt and negative prompt had to be made equally long."""
    options = job.sampling
    if encoded.cond.at(0).cross.shape[1] == encoded.uncond.at(0).cross.shape[1]:
        return {}
    return {"Pad conds v0": "True"} if options.pad_cond_uncond_v0 else {"Pad conds": "True"} if options.pad_cond_uncond else {}


def _mask_weight(init: InitOptions | None) -> dict[str, str]:
    """What A1111 writes of inpainting models."""
    return {"Conditional mask weight": str(init.inpaint.condition_weight)} if init and init.inpaint else {}


def _inpaint_condition(model: Model, job: GenerateJob, pictures: Pictures | None) -> Tensor:
    """(B, 5, h, w)"""
    return pictures.condition(model) if pictures else _grey(model, job)


def _grey(model: Model, job: GenerateJob) -> Tensor:
    """What an inpainting model is told where there is no picture: everything masked, middle grey beneath. (B, 5, h, w)"""
    pixels = torch.zeros(1, 3, job.height, job.width)
    latent = model.encode(pixels)
    return torch.cat([torch.ones_like(latent[:, :1]), latent], dim=1).expand(job.batch_size, -1, -1, -1)


def _decode(model: Model, latent: Tensor) -> Tensor:
    """(4, h, w) → (3, H, W). One picture at a time, as in A1111: the peak of memory is one picture's."""
    return model.decode(latent[None])[0]


def preview(model: Model, latent: Tensor, method: str) -> Image.Image:
    """The batch side by side. method: "Full" = the VAE, anything else = a mix of the latent's channels, an eighth of the size."""
    if method == "Full":
        return _side_by_side([to_image(_decode(model, one)) for one in latent])
    colors = approximate(latent, model.architecture.family)  # (B, 3, h, w)
    return _side_by_side([Image.fromarray(one.permute(1, 2, 0).contiguous().numpy()) for one in colors])


def to_image(pixels: Tensor) -> Image.Image:
    """(3, H, W) in −1…1 → 8 bits, cut off and not rounded, as in A1111."""
    levels = (((pixels + 1) / 2).clamp(0, 1) * 255).to("cpu", torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def _side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    width, height = images[0].size
    row = Image.new("RGB", (width * len(images), height))
    for i, image in enumerate(images):
        row.paste(image, (i * width, 0))
    return row


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

"""One pass: noise, or a picture's latent, → the latent of the pictures; with previews on the way, and a refiner that takes over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backend.beginning import beginning
from backend.checkpoints.model import Model
from backend.checkpoints.small_vae import SmallVaes
from backend.errors import Interrupted
from backend.job import GenerateJob, RefinerOptions
from backend.progress import Preview
from backend.sampling.guidance import Refiner, Told
from backend.sampling.noise import ImageNoise
from backend.sampling.preview import approximate
from backend.sampling.samplers import sample
from backend.sampling.start import Start
from backend.stage import Run, Stage


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a pass gives. stage: whose VAE decodes it."""

    stage: Stage
    latent: Tensor  # (B, 4, h, w)
    complete: bool  # False: interrupted or skipped; the latest denoised latent
    labels: Mapping[str, str] = field(default_factory=dict)  # of the infotext, from a refiner that took over


def draw(run: Run, stage: Stage, *, start: Start | None = None, beside: Tensor | None = None) -> Drawn:
    """beside: what inpainting and instruct-pix2pix models are told, see Told; None = there is no picture. Raises Interrupted if there is nothing yet."""
    job, now = stage.job, _Now(run, stage)

    def on_step(step: int, steps: int, denoised: Tensor) -> None:
        run.step(step, steps)
        if job.preview.every_steps and step % job.preview.every_steps == 0 and step < steps:
            run.on_event(Preview(image=preview(now.stage.model, denoised, job.preview.method, run.small)))

    try:
        told = now.told(beside)
        latent = sample(
            told,
            _noise(stage.model, job, beginning(run, stage, told, start)),
            job.sampling,
            job.seeds,
            on_step=on_step,
            cancel=lambda: run.cancel.cancelled,
            before_call=lambda call: now.stage.before_call(call),
            start=start,
            refiner=now.refiner(),
            changes=run.changes,
        )
    except Interrupted as stop:
        if stop.denoised is None:
            raise
        return Drawn(now.stage, stop.denoised, False, now.labels)
    return Drawn(now.stage, latent, True, now.labels)


class _Now:
    """The stage that is drawn with; a refiner opens another one."""

    def __init__(self, run: Run, stage: Stage) -> None:
        self._run, self.stage = run, stage
        self.labels: Mapping[str, str] = {}

    def told(self, beside: Tensor | None = None) -> Told:
        model, encoded, job = self.stage.model, self.stage.encoded, self.stage.job
        told = Told(model, encoded.cond, encoded.uncond)
        if model.architecture.inpaint:
            return replace(told, beside=_grey(model, job) if beside is None else beside)
        if model.architecture.edit:
            nothing = torch.zeros(job.batch_size, model.architecture.latent_channels, job.height // 8, job.width // 8, device=model.placement.device)
            return replace(told, beside=nothing if beside is None else beside, edits=beside is not None and job.sampling.image_cfg_scale != 1)
        return told

    def refiner(self) -> Refiner | None:
        options = self.stage.job.refiner
        if options is None or options.model.checkpoint == self.stage.job.model.checkpoint:
            return None
        return Refiner(options.switch_at, options.by_steps, lambda: self._take_over(options))

    def _take_over(self, options: RefinerOptions) -> Told:
        """Without networks, as in A1111's pictures: they were made for the base."""
        self.stage = self._run.open(replace(self.stage.job, model=options.model, networks=()), calls_before=self.stage.calls_before)
        self.labels = options.labels
        return self.told()


def _noise(model: Model, job: GenerateJob, begin: Callable[[Tensor], Tensor] | None) -> ImageNoise:
    return ImageNoise(
        (model.architecture.latent_channels, job.height // 8, job.width // 8),
        job.seeds,
        job.subseeds,
        job.subseed_strength,
        job.seed_resize_from,
        job.sampling.noise_source,
        job.sampling.ensd,
        model.placement.device,
        begin,
    )


def _grey(model: Model, job: GenerateJob) -> Tensor:
    """What an inpainting model is told where there is no picture: everything masked, middle grey beneath. (B, 5, h, w)"""
    pixels = torch.zeros(1, 3, job.height, job.width)
    latent = model.encode(pixels)
    return torch.cat([torch.ones_like(latent[:, :1]), latent], dim=1).expand(job.batch_size, -1, -1, -1)


def decode(model: Model, latent: Tensor) -> list[Image.Image]:
    """(B, 4, h, w) → pictures. One at a time, as in A1111: the peak of memory is one picture's."""
    return [to_image(model.decode(one[None])[0]) for one in latent]


def to_pixels(image: Image.Image) -> Tensor:
    """(1, 3, H, W), −1…1"""
    return torch.from_numpy(np.asarray(image.convert("RGB"), np.float32) / 255).permute(2, 0, 1)[None] * 2 - 1


def encode(model: Model, pixels: Tensor, seed: int) -> Tensor:
    """(1, 3, H, W) → (1, 4, h, w): a draw from the VAE's posterior, the first of a CPU generator with this seed."""
    shape = (1, model.architecture.latent_channels, pixels.shape[-2] // 8, pixels.shape[-1] // 8)
    return model.encode(pixels, torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def preview(model: Model, latent: Tensor, method: str, small: SmallVaes) -> Image.Image:
    """The batch side by side. method: "Full" = the VAE; one of the small networks where its file is there; else a mix of the latent's channels."""
    if method == "Full":
        return _side_by_side(decode(model, latent))
    if decoder := small.find(method, "decoder", model.architecture.family, model.placement.device):
        return _side_by_side([to_image(one) for one in decoder(latent)])
    colors = approximate(latent, model.architecture.family)  # (B, 3, h, w), an eighth of the size
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

"""The hires pass: a finished first pass, or a given picture, made larger and drawn again from a level of noise."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from backend.checkpoints.model import Model
from backend.drawing import Drawn, decode, draw, encode, to_pixels
from backend.errors import Interrupted
from backend.job import GenerateJob, HiresOptions
from backend.postprocess.upscale import Upscalers
from backend.progress import FirstPass, Status
from backend.sampling.latent_upscale import crop_latent, upscale_latent
from backend.sampling.names import find_latent_upscale_mode
from backend.sampling.samplers import calls_total
from backend.sampling.start import Start
from backend.stage import Run


def second_pass(run: Run, job: GenerateJob, hires: HiresOptions, first: Drawn | None, upscalers: Upscalers) -> Drawn:
    """first None: the picture that hires holds takes its place. After a cancel it is the first pass that comes, if nothing of this one is there yet."""
    pictures = _pictures(run, job, hires, first)
    run.next_pass()
    stage = run.open(pass_job(job, hires), calls_before=calls_total(job.sampling), encode_with=job.networks if hires.first_pass_conds else None)
    mode = find_latent_upscale_mode(hires.latent_mode)
    if mode is not None:
        latent = first.latent if first is not None else _encode(stage.model, pictures, job.seeds)
        latent = upscale_latent(latent, mode, *hires.enlarged)
    else:
        latent = _encode(stage.model, _enlarged(run, pictures, hires, upscalers), job.seeds)
    latent = crop_latent(latent, hires.width, hires.height)
    start = Start(latent=latent, denoising_strength=hires.denoising_strength, fixed_steps=True, extra_noise=hires.extra_noise)
    try:
        second = draw(run, stage, start=start)
    except Interrupted:
        if first is None:
            raise
        return replace(first, complete=False)
    return replace(second, labels={**(first.labels if first else {}), **second.labels})


def pass_job(job: GenerateJob, hires: HiresOptions) -> GenerateJob:
    """The second pass as a job of its own."""
    return replace(
        job,
        prompts=hires.prompts,
        negative_prompts=hires.negative_prompts,
        networks=hires.networks,
        sampling=hires.sampling,
        model=hires.model,
        width=hires.width,
        height=hires.height,
        refiner=hires.refiner,
        hires=None,
    )


def _pictures(run: Run, job: GenerateJob, hires: HiresOptions, first: Drawn | None) -> list[Image.Image]:
    """Of the first pass, as far as they are needed."""
    if first is None:
        assert hires.picture is not None
        return [hires.picture.convert("RGB")] * job.batch_size
    if hires.latent_mode and not hires.tell_first:
        return []
    pictures = decode(first.stage.model, first.latent)
    if hires.tell_first:
        for index, image in enumerate(pictures):
            run.on_event(FirstPass(image=image, index=index))
    return pictures


def _enlarged(run: Run, pictures: Sequence[Image.Image], hires: HiresOptions, upscalers: Upscalers) -> list[Image.Image]:
    run.on_event(Status(text=f"Upscaling with {hires.upscaler.name} …"))
    return [_enlarge(run, picture, hires, upscalers) for picture in pictures]


def _enlarge(run: Run, picture: Image.Image, hires: HiresOptions, upscalers: Upscalers) -> Image.Image:
    """As in A1111 an upscaler works only where something is to become larger; the rest, and "None", is Lanczos."""
    scale = max(hires.enlarged[0] / picture.width, hires.enlarged[1] / picture.height)
    if scale > 1 and hires.upscaler.name != "None":
        picture = upscalers.upscale(picture, hires.upscaler, scale, on_event=run.on_event, cancel=run.cancel)
    return picture if picture.size == hires.enlarged else picture.resize(hires.enlarged, Image.Resampling.LANCZOS)


def _encode(model: Model, pictures: Sequence[Image.Image], seeds: Sequence[int]) -> Tensor:
    """(B, 4, h, w). The VAE draws with the picture's seed, as it does in A1111 for a single picture."""
    return torch.cat([encode(model, to_pixels(picture), seed) for picture, seed in zip(pictures, seeds, strict=True)])

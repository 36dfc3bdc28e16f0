"""Hires. fix and refiner, decided: sizes, models, samplers of the second pass, and what the infotext says of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backend.catalog import Catalog, Entry
from backend.errors import WebUIError
from backend.hashes import SHORT
from backend.job import HiresOptions, ModelOptions, RefinerOptions, SamplingOptions, UpscalerRef
from backend.plan_models import chosen_vae, model_options, named_checkpoint
from backend.plan_prompts import PicturePrompts
from backend.plan_sampling import AUTOMATIC, choose_sampler, sampling_options, told_settings
from backend.plan_upscalers import NONE, upscaler
from backend.request import GenerationRequest, Hires, Size
from backend.sampling.names import SchedulerInfo, find_latent_upscale_mode
from backend.settings import Settings

CELL = 8  # pixels of one latent pixel
LARGEST = 16384  # pixels of a side
MOST_STEPS = 1000
OLD_FIRST_PASS = 512 * 512  # pixels, with use_old_hires_fix_width_height
OLD_MULTIPLE = 64


@dataclass(frozen=True, kw_only=True)
class Passes:
    """What is the same for all batches. labels: of the infotext, in A1111's order."""

    size: Size  # of the first pass, as asked
    refiner: RefinerOptions | None = None  # of the first pass
    hires: HiresOptions | None = None  # without prompts
    labels: Mapping[str, Any] = field(default_factory=dict)

    def hires_of(self, prompts: Sequence[PicturePrompts]) -> HiresOptions | None:
        """For one batch."""
        second = [each.hires for each in prompts if each.hires is not None]
        if self.hires is None:
            return None
        return replace(
            self.hires,
            prompts=tuple(each.networks.text for each in second),
            negative_prompts=tuple(each.negative_prompt for each in second),
            networks=second[0].networks.networks,
        )


def find_passes(
    request: GenerationRequest, settings: Settings, catalog: Catalog, model: ModelOptions, scheduler: SchedulerInfo, vae_file: Path | None
) -> Passes:
    """model, scheduler: the first pass's. Raises WebUIError for what cannot be drawn."""
    refiner = _refiner(request, settings, catalog, vae_file)
    hires = request.hires
    if hires is None:
        return Passes(size=request.size, refiner=refiner)
    _check(request, hires)
    size, hires = _old_sizes(request.size, hires) if settings["use_old_hires_fix_width_height"] else (request.size, hires)
    enlarged, final = target(size, hires)
    mode = find_latent_upscale_mode(hires.upscaler)
    sampling, sampling_labels = _sampling(request, hires, settings, catalog, scheduler)
    model, checkpoint_labels = _model(request, hires, settings, catalog, model, vae_file)
    first, second = {"first pass": (refiner, None), "second pass": (None, refiner)}.get(settings["hires_fix_refiner_pass"], (refiner, refiner))
    return Passes(
        size=size,
        refiner=first,
        hires=HiresOptions(
            prompts=(),
            negative_prompts=(),
            networks=(),
            sampling=sampling,
            model=model,
            enlarged=enlarged,
            width=final[0],
            height=final[1],
            upscaler=UpscalerRef(name=NONE) if mode else upscaler(hires.upscaler, catalog, settings),
            latent_mode=mode.label if mode else "",
            denoising_strength=request.denoising_strength,
            extra_noise=settings["img2img_extra_noise"],
            first_pass_conds=settings["hires_fix_use_firstpass_conds"] and not hires.checkpoint,
            refiner=second,
            picture=hires.picture,
            tell_first=settings["save_images_before_highres_fix"],
        ),
        labels=checkpoint_labels | sampling_labels | _size_labels(hires),
    )


def target(size: Size, hires: Hires) -> tuple[tuple[int, int], tuple[int, int]]:
    """What the first picture is brought to, and the part of it that is drawn; width and height in pixels. A1111's arithmetic. Raises WebUIError."""
    width, height, wanted_x, wanted_y = size.width, size.height, hires.resize_x, hires.resize_y
    cut = (0, 0)
    if not wanted_x and not wanted_y:
        enlarged = (int(width * hires.scale), int(height * hires.scale))
    elif not wanted_y or (wanted_x and width / height < wanted_x / wanted_y):
        enlarged = (wanted_x, wanted_x * height // width)
    else:
        enlarged = (wanted_y * width // height, wanted_y)
    if wanted_x and wanted_y:
        cut = ((enlarged[0] - wanted_x) // CELL, (enlarged[1] - wanted_y) // CELL)
    final = ((enlarged[0] // CELL - cut[0]) * CELL, (enlarged[1] // CELL - cut[1]) * CELL)
    if min(final) < CELL or max(enlarged) > LARGEST:
        raise WebUIError(f"Hires. fix cannot draw {enlarged[0]}x{enlarged[1]}: a side has from {CELL} to {LARGEST} pixels.")
    return enlarged, final


def _check(request: GenerationRequest, hires: Hires) -> None:
    limits = (
        ("Denoising strength", request.denoising_strength, 0, 1),
        ("Hires steps", hires.steps, 0, MOST_STEPS),
        ("Resize width to", hires.resize_x, 0, LARGEST),
        ("Resize height to", hires.resize_y, 0, LARGEST),
    )
    for label, value, least, most in limits:
        if not least <= value <= most:
            raise WebUIError(f"{label} cannot be {value}: from {least} to {most} is possible.")
    if hires.scale <= 0:
        raise WebUIError(f"Upscale by cannot be {hires.scale}: more than 0 is needed.")
    if request.init is not None:
        raise WebUIError("Hires. fix belongs to txt2img: it cannot be combined with a picture to start from.")


def _old_sizes(size: Size, hires: Hires) -> tuple[Size, Hires]:
    """A1111 before 1.0: what is asked for is the final size, and the first pass has about 512x512 pixels."""
    scale = math.sqrt(OLD_FIRST_PASS / (size.width * size.height))
    width, height = (math.ceil(scale * side / OLD_MULTIPLE) * OLD_MULTIPLE for side in (size.width, size.height))
    return Size(width=width, height=height), replace(hires, resize_x=size.width, resize_y=size.height)


def _sampling(
    request: GenerationRequest, hires: Hires, settings: Settings, catalog: Catalog, first_scheduler: SchedulerInfo
) -> tuple[SamplingOptions, dict[str, Any]]:
    asked = request.sampling
    first, _ = choose_sampler(asked, catalog.added.sampling)
    asked = replace(asked, sampler=hires.sampler or asked.sampler, scheduler=hires.scheduler or asked.scheduler, steps=hires.steps or asked.steps)
    sampler, scheduler = choose_sampler(asked, catalog.added.sampling)
    options = sampling_options(asked, settings, sampler, scheduler)
    labels = {
        "Hires sampler": sampler.label if sampler != first else None,
        "Hires schedule type": scheduler.label if scheduler != first_scheduler and (scheduler.label != AUTOMATIC or sampler != first) else None,
        **told_settings(options, settings),
    }
    return options, labels


def _model(
    request: GenerationRequest, hires: Hires, settings: Settings, catalog: Catalog, first: ModelOptions, vae_file: Path | None
) -> tuple[ModelOptions, dict[str, Any]]:
    merging = settings["token_merging_ratio_hr"] or settings["token_merging_ratio"]
    if not hires.checkpoint:
        return replace(first, token_merging_ratio=merging), {}
    checkpoint = catalog.hashed(named_checkpoint(hires.checkpoint, catalog))
    model = model_options(request, settings, checkpoint, chosen_vae(checkpoint, settings, catalog, vae_file))
    return replace(model, token_merging_ratio=merging), {"Hires checkpoint": short_title(checkpoint)}


def _refiner(request: GenerationRequest, settings: Settings, catalog: Catalog, vae_file: Path | None) -> RefinerOptions | None:
    asked = request.refiner
    if asked is None:
        return None
    if not 0 <= asked.switch_at <= 1:
        raise WebUIError(f"Switch at cannot be {asked.switch_at}: from 0 to 1 is possible.")
    checkpoint = catalog.hashed(named_checkpoint(asked.checkpoint, catalog))
    by_steps, of_pass = settings["refiner_switch_by_sample_steps"], settings["hires_fix_refiner_pass"]
    labels = {
        "Refiner switch by sampling steps": "True" if by_steps else "",
        "Hires refiner": of_pass if request.hires and of_pass != "second pass" else "",
        "Refiner": short_title(checkpoint),
        "Refiner switch at": str(asked.switch_at),
    }
    return RefinerOptions(
        model=model_options(request, settings, checkpoint, chosen_vae(checkpoint, settings, catalog, vae_file)),
        switch_at=asked.switch_at,
        by_steps=by_steps,
        labels={label: text for label, text in labels.items() if text},
    )


def short_title(checkpoint: Entry) -> str:
    """ "tiny-sd1 [ecbf2ab887]", as A1111 writes it into infotexts."""
    return f"{checkpoint.stem} [{checkpoint.hash[:SHORT]}]" if checkpoint.hash else checkpoint.stem


def _size_labels(hires: Hires) -> dict[str, Any]:
    by_size = hires.resize_x or hires.resize_y
    return {
        "Hires upscale": None if by_size else hires.scale,
        "Hires resize": f"{hires.resize_x}x{hires.resize_y}" if by_size else None,
        "Hires steps": hires.steps or None,
        "Hires upscaler": hires.upscaler,
    }

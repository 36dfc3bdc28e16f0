"""request + settings + catalog → Plan: styles merged, seeds drawn, networks parsed, names resolved, split in batches."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from backend.catalog import Catalog, Entry
from backend.errors import WebUIError
from backend.job import ConditioningOptions, FaceOptions, GenerateJob, ModelOptions, PreviewOptions, SamplingOptions
from backend.plan_faces import asked_faces
from backend.plan_init import Init, batch_of_pictures, find_init
from backend.plan_models import chosen_checkpoint, chosen_vae, model_options
from backend.plan_passes import Passes, find_passes
from backend.plan_prompts import PicturePrompts, picture_prompts
from backend.plan_sampling import choose_sampler, sampling_options, told_settings
from backend.prompts.expansion import Expand
from backend.prompts.styles import StyleTable
from backend.request import GenerationRequest, Seed, Size
from backend.sampling.names import SamplerInfo, SchedulerInfo
from backend.setting_table import KNOWN_ELSEWHERE
from backend.settings import Settings

LARGEST_SEED = 2**63 - 1
# What a field may be: attribute, label, least, most.
LIMITS = (
    ("sampling.steps", "Sampling steps", 1, 1000),
    ("size.width", "Width", 8, 8192),
    ("size.height", "Height", 8, 8192),
    ("batch_size", "Batch size", 1, 64),
    ("n_iter", "Batch count", 1, 10000),
    ("seed.seed", "Seed", -1, LARGEST_SEED),
    ("seed.subseed", "Variation seed", -1, LARGEST_SEED),
)


@dataclass(frozen=True, kw_only=True)
class PlannedImage:
    """What one picture of the plan will say about itself: styles are merged, <lora:…> tags are still in it."""

    prompt: str
    negative_prompt: str
    seed: int
    subseed: int
    hires_prompt: str = ""  # "" = the same, or no hires pass
    hires_negative_prompt: str = ""
    hashes: tuple[tuple[str, str], ...] = ()  # (name, hash) of its networks, if the infotext shall tell them
    labels: tuple[tuple[str, str], ...] = ()  # of the infotext, from the syntax of an extension


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was decided. `images` counts through all jobs."""

    jobs: tuple[GenerateJob, ...]
    request: GenerationRequest
    settings: Settings  # with the request's overrides in it
    images: tuple[PlannedImage, ...]
    comments: tuple[str, ...]  # for the person
    sampler: SamplerInfo
    scheduler: SchedulerInfo  # as A1111 shows it: "Automatic" where the sampler has no schedule of its own
    checkpoint: Entry
    vae: Entry | None
    size: Size  # of the first pass
    init_labels: Mapping[str, Any] = field(default_factory=dict)  # what the infotext says of masks, in A1111's order
    hires_labels: Mapping[str, Any] = field(default_factory=dict)  # of the infotext, but for prompts
    extra: Mapping[str, str] = field(default_factory=dict)  # infotext fields that are known now

    @property
    def schedule_type(self) -> str:
        return self.scheduler.label

    @property
    def tab(self) -> Literal["txt2img", "img2img"]:
        """By A1111's name."""
        return "txt2img" if self.request.init is None else "img2img"


def plan(
    request: GenerationRequest,
    settings: Settings,
    catalog: Catalog,
    styles: StyleTable,
    *,
    draw: random.Random,
    vae_file: Path | None = None,
    expand: Expand | None = None,
) -> Plan:
    """Raises WebUIError for what cannot be drawn. vae_file: --vae-path, which goes before all settings. expand: the prompt syntax of extensions."""
    _check_limits(request)
    request = batch_of_pictures(request)
    settings = settings.override(request.override_settings)
    init = find_init(request, settings, catalog)
    faces, face_comments = asked_faces(request, settings, catalog)
    sampler, scheduler = choose_sampler(request.sampling, catalog.added.sampling)
    checkpoint, checkpoint_comments = chosen_checkpoint(request, settings, catalog)
    vae = chosen_vae(checkpoint, settings, catalog, vae_file)
    checkpoint, vae = catalog.hashed(checkpoint), catalog.hashed(vae) if vae else None
    seeds = _seeds(request, draw)
    prompts = picture_prompts(request, settings, styles, catalog, seeds, expand)
    images = tuple(_images(prompts, seeds, settings))
    sampling = sampling_options(request.sampling, settings, sampler, scheduler)
    if request.init is not None:
        sampling = replace(sampling, image_cfg_scale=request.init.image_cfg_scale)
    model = model_options(request, settings, checkpoint, vae)
    passes = find_passes(request, settings, catalog, model, scheduler, vae_file)
    about_prompts = (comment for each in dict.fromkeys(prompts) for comment in each.comments)
    return Plan(
        jobs=tuple(_jobs(request, settings, images, prompts, sampling, model, init, passes, faces)),
        request=request,
        settings=settings,
        images=images,
        comments=tuple(dict.fromkeys((*checkpoint_comments, *init.comments, *face_comments, *about_prompts, *_ignored(request, settings, styles)))),
        sampler=sampler,
        scheduler=scheduler,
        checkpoint=checkpoint,
        vae=vae,
        init_labels=init.labels,
        size=passes.size,
        hires_labels=passes.labels,
        extra=told_settings(sampling, settings),
    )


def plan_load(settings: Settings, catalog: Catalog, vae_file: Path | None = None) -> ModelOptions:
    """What a picture with these settings would need in memory; nothing is hashed. Raises WebUIError where there is no checkpoint."""
    checkpoint, _ = chosen_checkpoint(GenerationRequest(), settings, catalog)
    return model_options(GenerationRequest(), settings, checkpoint, chosen_vae(checkpoint, settings, catalog, vae_file))


def _check_limits(request: GenerationRequest) -> None:
    for path, label, least, most in LIMITS:
        value: Any = request
        for name in path.split("."):
            value = getattr(value, name)
        if not least <= value <= most:
            raise WebUIError(f"{label} cannot be {value}: from {least} to {most} is possible.")


def _images(prompts: Sequence[PicturePrompts], seeds: Sequence[tuple[int, int]], settings: Settings) -> Iterable[PlannedImage]:
    for each, (seed, subseed) in zip(prompts, seeds, strict=True):
        yield PlannedImage(
            prompt=each.first.prompt,
            negative_prompt=each.first.negative_prompt,
            seed=seed,
            subseed=subseed,
            hires_prompt=each.hires.prompt if each.hires and each.hires.prompt != each.first.prompt else "",
            hires_negative_prompt=each.hires.negative_prompt if each.hires and each.hires.negative_prompt != each.first.negative_prompt else "",
            hashes=each.hashes if settings["lora_add_hashes_to_infotext"] else (),
            labels=each.labels,
        )


def _seeds(request: GenerationRequest, draw: random.Random) -> list[tuple[int, int]]:
    """(seed, subseed) of every picture. With a variation the subseed counts up and the seed stays."""
    asked: Seed = request.seed
    seed = draw.randrange(2**32) if asked.seed == -1 else asked.seed
    subseed = draw.randrange(2**32) if asked.subseed == -1 else asked.subseed
    step = 1 if asked.subseed_strength == 0 else 0
    return [(seed + i * step, subseed + i) for i in range(request.batch_size * request.n_iter)]


def _jobs(
    request: GenerationRequest,
    settings: Settings,
    images: Sequence[PlannedImage],
    prompts: Sequence[PicturePrompts],
    sampling: SamplingOptions,
    model: ModelOptions,
    init: Init,
    passes: Passes,
    faces: FaceOptions | None,
) -> Iterable[GenerateJob]:
    seed = request.seed
    resize = (seed.resize_from_w, seed.resize_from_h)
    for start, end in _batches(prompts, request.batch_size):
        batch, told = images[start:end], prompts[start:end]
        yield GenerateJob(
            prompts=tuple(each.first.networks.text for each in told),
            negative_prompts=tuple(image.negative_prompt for image in batch),
            seeds=tuple(image.seed for image in batch),
            subseeds=tuple(image.subseed for image in batch),
            subseed_strength=seed.subseed_strength,
            seed_resize_from=resize if min(resize) > 0 else (0, 0),
            width=passes.size.width // 8 * 8,
            height=passes.size.height // 8 * 8,
            networks=told[0].first.networks.networks,
            sampling=sampling,
            conditioning=_conditioning(settings),
            model=model,
            preview=_preview(settings),
            init=init.options,
            refiner=passes.refiner,
            hires=passes.hires_of(told),
            faces=faces,
        )


def _batches(prompts: Sequence[PicturePrompts], size: int) -> Iterable[tuple[int, int]]:
    """First picture and the one after the last: at most `size`, and split where the networks change, since weights are the same for a whole batch."""
    start = 0
    for end in range(1, len(prompts) + 1):
        if end == len(prompts) or end % size == 0 or prompts[end].networks != prompts[start].networks:
            yield start, end
            start = end


def _conditioning(settings: Settings) -> ConditioningOptions:
    return ConditioningOptions(
        emphasis=settings["emphasis"],
        clip_skip=settings["CLIP_stop_at_last_layers"],
        comma_padding_backtrack=settings["comma_padding_backtrack"],
        old_emphasis=settings["use_old_emphasis_implementation"],
        old_scheduling=settings["use_old_scheduling"],
        sdxl_clip_l_skip=settings["sdxl_clip_l_skip"],
        sdxl_crop_top=settings["sdxl_crop_top"],
        sdxl_crop_left=settings["sdxl_crop_left"],
        sdxl_refiner_high_aesthetic_score=settings["sdxl_refiner_high_aesthetic_score"],
        sdxl_refiner_low_aesthetic_score=settings["sdxl_refiner_low_aesthetic_score"],
    )


def _preview(settings: Settings) -> PreviewOptions:
    steps = settings["show_progress_every_n_steps"] if settings["live_previews_enable"] else 0
    return PreviewOptions(every_steps=max(steps, 0), method=settings["show_progress_type"])


def _ignored(request: GenerationRequest, settings: Settings, styles: StyleTable) -> list[str]:
    """What was asked for and does nothing."""
    unknown = [f"There is no style {name!r}." for name in styles.unknown(request.styles)]
    idle = (key for key in request.override_settings if key in KNOWN_ELSEWHERE and key not in settings.declared)
    return unknown + [f"The setting {key} does nothing yet." for key in idle if request.override_settings[key] != KNOWN_ELSEWHERE[key]]

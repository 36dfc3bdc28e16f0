"""What the settings say about saving: one picture or grid of a plan → files, with A1111's names in A1111's folders."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from PIL import Image

from backend.errors import WebUIError
from backend.images.filenames import Facts, expand, expand_folder
from backend.images.grid import image_grid, row_count
from backend.images.metadata import Encoding
from backend.images.save import save_image, write_new
from backend.paths import Paths
from backend.plan import Plan
from backend.plan_init import picture_hash
from backend.prompts.extra_networks import parse
from backend.settings import Settings
from backend.tasks import Task

log = logging.getLogger(__name__)

MB = 1024 * 1024


def save_sample(plan: Plan, index: int, image: Image.Image, infotext: str, paths: Paths, started: datetime, *, suffix: str = "") -> Path:
    """The picture with this index: outputs/txt2img-images/<date>/00000-<seed><suffix>.png. Raises OSError and WebUIError."""
    settings, facts = plan.settings, _facts(plan, index, image, started)
    folder = paths.data / (settings["outdir_samples"] or settings[f"outdir_{plan.tab}_samples"])
    if settings["save_to_dirs"]:
        folder /= expand_folder(settings["directories_filename_pattern"] or "[prompt_words]", facts, paths.names)
    pattern = settings["samples_filename_pattern"] or ("[seed]" if settings["save_to_dirs"] else "[seed]-[prompt_spaces]")
    name, numbered = f"{expand(pattern, facts, paths.names)}{suffix}", settings["save_images_add_number"]
    encoding = _encoding(settings, settings["samples_format"])
    told = infotext if settings["enable_pnginfo"] else ""
    path = save_image(image, folder, name=name, numbered=numbered, infotext=told, encoding=encoding)
    _save_beside(path, image, infotext, told, settings)
    return path


def save_grid(plan: Plan, grid: Image.Image, infotext: str, paths: Paths, started: datetime) -> Path:
    """outputs/txt2img-grids/<date>/grid-0000.png. Raises OSError and WebUIError."""
    settings, facts = plan.settings, replace(_facts(plan, 0, grid, started), grid=True)
    folder = paths.data / (settings["outdir_grids"] or settings[f"outdir_{plan.tab}_grids"])
    if settings["grid_save_to_dirs"]:
        folder /= expand_folder(settings["directories_filename_pattern"] or "[prompt_words]", facts, paths.names)
    name = expand(settings["samples_filename_pattern"] or "[seed]-[prompt_spaces]", facts, paths.names) if settings["grid_extended_filename"] else ""
    told = infotext if settings["enable_pnginfo"] else ""
    path = save_image(grid, folder, name=name, basename="grid", infotext=told, encoding=_encoding(settings, settings["grid_format"]))
    _save_beside(path, grid, infotext, told, settings)
    return path


def save_init_images(plan: Plan, paths: Paths) -> Path:
    """What img2img started from: outputs/init-images/<hash>.png, once; gives the folder. Raises OSError and WebUIError."""
    assert plan.request.init is not None
    folder = paths.data / plan.settings["outdir_init_images"]
    for image in plan.request.init.images:
        name = picture_hash(image)
        if not (folder / f"{name}.png").exists():
            save_image(image, folder, name=name, numbered=False, infotext="", encoding=Encoding())
    return folder


def make_grid(plan: Plan, images: Sequence[Image.Image]) -> Image.Image | None:
    """None where the settings want none."""
    settings = plan.settings
    fewest = 2 if settings["grid_only_if_multiple"] else 1
    if len(images) < fewest or not (settings["return_grid"] or settings["grid_save"]):
        return None
    rows = row_count(len(images), n_rows=settings["n_rows"], batch_size=plan.request.batch_size, prevent_empty_spots=settings["grid_prevent_empty_spots"])
    return image_grid(images, rows, settings["grid_background_color"])


def saved_or_comment(task: Task, save: Callable[[], Path]) -> Path | None:
    """None where it could not be saved: the person is told, and the picture stays in the task."""
    try:
        return save()
    except (OSError, WebUIError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        log.error("The picture could not be saved: %s", reason)
        task.comment(f"The picture could not be saved: {reason}.")
        return None


def save_parameters(file: Path | None, infotext: str) -> None:
    """A1111's params.txt: the last picture's. What cannot be written is told in the log alone, because the picture is there."""
    if file is None:
        return
    try:
        temporary = file.with_name(f"{file.name}.tmp")
        temporary.write_text(infotext, "utf-8", errors="replace")
        temporary.replace(file)
    except OSError as error:
        log.error("%s could not be written: %s", file, error.strerror)


def _encoding(settings: Settings, format: str) -> Encoding:
    return Encoding(format=format, quality=settings["jpeg_quality"], lossless=settings["webp_lossless"])


def _save_beside(path: Path, image: Image.Image, infotext: str, told: str, settings: Settings) -> None:
    """The .txt, and a JPEG of what is too big for most places. The picture itself is safe: what fails here is logged."""
    try:
        if settings["save_txt"] and infotext:
            write_new(path.parent, iter([f"{path.stem}.txt"]), f"{infotext}\n".encode("utf-8", "replace"))
        if settings["export_for_4chan"] and _is_big(path, image, settings):
            small = _fitted(image, settings["target_side_length"])
            save_image(small, path.parent, name=path.stem, numbered=False, infotext=told, encoding=_encoding(settings, "jpg"))
    except (OSError, WebUIError) as error:
        log.error("Beside %s: %s", path, error)


def _is_big(path: Path, image: Image.Image, settings: Settings) -> bool:
    too_long = max(image.size) > settings["target_side_length"]
    return too_long or (path.suffix not in (".jpg", ".jpeg") and path.stat().st_size > settings["img_downscale_threshold"] * MB)


def _fitted(image: Image.Image, side: int) -> Image.Image:
    """Both sides at most `side`, in proportion."""
    if max(image.size) <= side:
        return image
    scale = side / max(image.size)
    return image.resize((max(round(image.width * scale), 1), max(round(image.height * scale), 1)), Image.Resampling.LANCZOS)


def _facts(plan: Plan, index: int, image: Image.Image, started: datetime) -> Facts:
    request, planned, job = plan.request, plan.images[index], plan.jobs[0]
    return Facts(
        image=image,
        now=datetime.now(),
        started=started,
        prompt=parse(planned.prompt)[0],
        negative_prompt=planned.negative_prompt,
        prompt_no_styles=parse(request.prompts[index] if request.prompts else request.prompt)[0],
        styles=request.styles,
        seed=planned.seed,
        seed_first=plan.images[0].seed,
        seed_last=plan.images[-1].seed,
        steps=job.sampling.steps,
        cfg=job.sampling.cfg_scale,
        sampler=plan.sampler.label,
        scheduler=plan.schedule_type,
        own_schedule=plan.schedule_type == (plan.sampler.scheduler or "Automatic"),
        model_name=plan.checkpoint.stem,
        model_hash=plan.checkpoint.hash[:10],
        vae_filename=plan.vae.path.name if plan.vae else "",
        clip_skip=job.conditioning.clip_skip,
        batch_size=request.batch_size,
        n_iter=request.n_iter,
        index=index,
        most_words=plan.settings["directories_max_prompt_words"],
    )

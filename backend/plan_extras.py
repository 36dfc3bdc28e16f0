"""An extras request → the steps that each picture goes through, and where the pictures come from and go to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.catalog import Catalog
from backend.errors import NotFound, WebUIError
from backend.extras_request import ExtrasImage, ExtrasRequest
from backend.extras_steps import STEPS, ExtrasStep
from backend.images.metadata import open_image
from backend.job import PostprocessStep
from backend.paths import Paths
from backend.picture_folder import allowed_folder, pictures_of
from backend.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ExtrasPlan:
    """What was decided. sources: pictures, or files that are read when their turn comes."""

    steps: tuple[PostprocessStep, ...]
    sources: tuple[ExtrasImage | Path, ...]
    folder: Path
    settings: Settings
    keep_name: bool  # files are called like their sources


def plan_extras(request: ExtrasRequest, settings: Settings, catalog: Catalog, paths: Paths, declared: Sequence[ExtrasStep] = STEPS) -> ExtrasPlan:
    """Raises WebUIError."""
    folder = (
        allowed_folder(request.output_folder, paths)
        if request.output_folder
        else paths.data / (settings["outdir_samples"] or settings["outdir_extras_samples"])
    )
    return ExtrasPlan(
        steps=plan_steps(request.steps, settings, catalog, declared),
        sources=pictures_of(allowed_folder(request.input_folder, paths)) if request.input_folder else _images(request),
        folder=folder,
        settings=settings,
        keep_name=settings["use_original_name_batch"],
    )


def plan_steps(
    asked: Mapping[str, Mapping[str, object]], settings: Settings, catalog: Catalog, declared: Sequence[ExtrasStep] = STEPS
) -> tuple[PostprocessStep, ...]:
    """In the order of their rows; those that would change nothing are left out."""
    if unknown := asked.keys() - {step.name for step in declared}:
        raise NotFound(f"Unknown step {min(unknown)!r}. Known: {', '.join(step.name for step in declared)}.")
    steps = (step.plan(asked[step.name], settings, catalog) for step in sorted(declared, key=lambda step: step.order) if step.name in asked)
    return tuple(step for step in steps if step is not None)


def open_picture(path: Path) -> ExtrasImage:
    """Raises WebUIError."""
    try:
        return ExtrasImage(image=open_image(path), name=path.name)
    except WebUIError as error:
        raise WebUIError(f"{path.name} is no picture that can be read.") from error


def _images(request: ExtrasRequest) -> tuple[ExtrasImage | Path, ...]:
    given = (*request.images, *request.files)
    if not given:
        raise WebUIError("There is no picture: choose one, or name a folder.")
    return given

"""A1111's Extras step "Auto-sized crop": each picture cropped and resized to that size for training which suits its shape."""

from collections.abc import Mapping
from typing import Any

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.extras_steps import ExtrasStep, StepOption
from backend.hooks import hookimpl
from backend.settings import Settings

SIDES = (64, 2048)
AREAS = (SIDES[0] ** 2, SIDES[1] ** 2)


def decide(options: dict[str, Any], settings: Settings, catalog: Catalog) -> Mapping[str, object]:
    for least, most, what in (("mindim", "maxdim", "Dimension"), ("minarea", "maxarea", "Area")):
        if options[least] > options[most]:
            raise WebUIError(f"{what} lower bound ({options[least]}) is above its upper bound ({options[most]}).")
    return options


@hookimpl
def postprocessing_steps() -> list[ExtrasStep]:
    return [
        ExtrasStep(
            name="Auto-sized crop",
            order=4020,
            target="extensions.autosized_crop.engine:crop_step",
            options=(
                StepOption(key="mindim", default=384, label="Dimension lower bound", minimum=SIDES[0], maximum=SIDES[1], step=8, row="sides"),
                StepOption(key="maxdim", default=768, label="Dimension upper bound", minimum=SIDES[0], maximum=SIDES[1], step=8, row="sides"),
                StepOption(key="minarea", default=64 * 64, label="Area lower bound", minimum=AREAS[0], maximum=AREAS[1], step=1, row="areas"),
                StepOption(key="maxarea", default=640 * 640, label="Area upper bound", minimum=AREAS[0], maximum=AREAS[1], step=1, row="areas"),
                StepOption(key="objective", default=0, label="Resizing objective", maximum=1, choices=("Maximize area", "Minimize error")),
                StepOption(key="threshold", default=0.1, label="Error threshold", maximum=1, step=0.01),
            ),
            decide=decide,
        )
    ]

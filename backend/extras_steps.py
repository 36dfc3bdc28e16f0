"""The steps of the postprocessing line, a row each: name, order, options, and the function of the engine that does it. An extension may add rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.face_files import CODEFORMER, GFPGAN
from backend.job import PostprocessStep
from backend.plan_faces import face_options
from backend.plan_upscalers import NONE, upscaler
from backend.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StepOption:
    """One control of a step, and its type: that of its default. A1111's key and label where it has them."""

    key: str
    default: bool | int | float | str
    label: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    upscaler: bool = False  # its choices are the upscalers
    choices: tuple[str, ...] = ()  # what the page calls the values 0, 1, … of a whole number
    slider: tuple[float, float] | None = None  # what the page offers, where that is less than what is possible
    row: str = ""  # options of one row stand side by side
    only: tuple[str, int] | None = None  # the page shows it while the option of this key has this value

    def read(self, value: object) -> Any:
        """Raises WebUIError for what makes no sense."""
        kind = type(self.default)
        try:
            if kind is not str and isinstance(value, str | bool) and kind is not bool:
                value = float(value)
            read = kind(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise WebUIError(f"{self.label} cannot be {value!r}.") from None
        if isinstance(read, int | float) and not (self._least <= read <= self._most):
            raise WebUIError(f"{self.label} cannot be {read}: from {self._least:g} to {self._most:g} is possible.")
        return read

    @property
    def _least(self) -> float:
        return 0 if self.minimum is None else self.minimum

    @property
    def _most(self) -> float:
        return 2**31 if self.maximum is None else self.maximum


Decide = Callable[[dict[str, Any], Settings, Catalog], Mapping[str, object] | None]


@dataclass(frozen=True, kw_only=True)
class ExtrasStep:
    """target: "module:function", imported in the engine: (image, options, tools) → (image, its labels in the infotext).

    decide: the options as read → those that the engine gets, or None where the step would change nothing. Raises WebUIError.
    """

    name: str
    order: int  # A1111's: Upscale 1000, GFPGAN 2000, CodeFormer 3000
    target: str
    options: tuple[StepOption, ...]
    decide: Decide
    on: bool = False  # what the page starts with
    missing: Callable[[Catalog], str] = lambda catalog: ""  # a sentence where it cannot be used, which the page shows in its place

    def plan(self, asked: Mapping[str, object], settings: Settings, catalog: Catalog) -> PostprocessStep | None:
        known = {option.key for option in self.options}
        if unknown := asked.keys() - known:
            raise WebUIError(f"{self.name} has no option {min(unknown)!r}. Known: {', '.join(sorted(known))}.")
        values = {option.key: option.read(asked.get(option.key, option.default)) for option in self.options}
        decided = self.decide(values, settings, catalog)
        return None if decided is None else PostprocessStep(name=self.name, target=self.target, options=decided)


SCALE_BY, SCALE_TO = 0, 1


def _upscale(options: dict[str, Any], settings: Settings, catalog: Catalog) -> Mapping[str, object] | None:
    """Without upscaler 1 nothing is resized, as in A1111."""
    first, second = (upscaler(options[key], catalog, settings) for key in ("upscaler_1_name", "upscaler_2_name"))
    if first.name == NONE:
        return None
    blended = second.name != NONE and options["upscaler_2_visibility"] > 0
    return {**options, "upscaler_1": first, "upscaler_2": second if blended else None}


def _denoise(options: dict[str, Any], settings: Settings, catalog: Catalog) -> Mapping[str, object] | None:
    return options if options["strength"] > 0 else None


def _sharpen(options: dict[str, Any], settings: Settings, catalog: Catalog) -> Mapping[str, object] | None:
    return options if options["amount"] > 0 else None


def _gfpgan(options: dict[str, Any], settings: Settings, catalog: Catalog) -> Mapping[str, object] | None:
    return {**options, "faces": face_options(GFPGAN, settings, catalog)} if options["gfpgan_visibility"] > 0 else None


def _codeformer(options: dict[str, Any], settings: Settings, catalog: Catalog) -> Mapping[str, object] | None:
    if options["codeformer_visibility"] == 0:
        return None
    return {**options, "faces": face_options(CODEFORMER, settings, catalog, options["codeformer_weight"])}


STEPS: tuple[ExtrasStep, ...] = (
    ExtrasStep(
        name="Denoise",
        order=900,
        target="backend.postprocess.steps:denoise_step",
        options=(StepOption(key="strength", default=1.0, label="Denoise strength", minimum=0, maximum=3, step=0.05),),
        decide=_denoise,
    ),
    ExtrasStep(
        name="Upscale",
        order=1000,
        on=True,
        target="backend.postprocess.steps:upscale_step",
        options=(
            StepOption(key="upscale_mode", default=SCALE_BY, label="Resize mode", maximum=1, choices=("Scale by", "Scale to")),
            StepOption(
                key="upscale_by", default=4.0, label="Resize", minimum=0.01, maximum=64, step=0.05, slider=(1, 8), row="by", only=("upscale_mode", SCALE_BY)
            ),
            StepOption(key="max_side_length", default=0, label="Max side length", step=8, row="by", only=("upscale_mode", SCALE_BY)),
            StepOption(
                key="upscale_to_width",
                default=512,
                label="Width",
                minimum=1,
                maximum=32768,
                step=8,
                slider=(64, 8192),
                row="to",
                only=("upscale_mode", SCALE_TO),
            ),
            StepOption(
                key="upscale_to_height",
                default=512,
                label="Height",
                minimum=1,
                maximum=32768,
                step=8,
                slider=(64, 8192),
                row="to",
                only=("upscale_mode", SCALE_TO),
            ),
            StepOption(key="upscale_crop", default=True, label="Crop to fit", only=("upscale_mode", SCALE_TO)),
            StepOption(key="upscaler_1_name", default=NONE, label="Upscaler 1", upscaler=True, row="upscalers"),
            StepOption(key="upscaler_2_name", default=NONE, label="Upscaler 2", upscaler=True, row="upscalers"),
            StepOption(key="upscaler_2_visibility", default=0.0, label="Upscaler 2 visibility", maximum=1, step=0.001),
        ),
        decide=_upscale,
    ),
    ExtrasStep(
        name="Sharpen",
        order=1100,
        target="backend.postprocess.steps:sharpen_step",
        options=(
            StepOption(key="amount", default=0.5, label="Sharpen amount", minimum=0, maximum=5, step=0.05),
            StepOption(key="radius", default=1.5, label="Sharpen radius", minimum=0.1, maximum=20, step=0.1),
            StepOption(key="threshold", default=2, label="Sharpen threshold", maximum=255, step=1),
        ),
        decide=_sharpen,
    ),
    ExtrasStep(
        name=GFPGAN,
        order=2000,
        target="backend.postprocess.steps:gfpgan_step",
        options=(StepOption(key="gfpgan_visibility", default=1.0, label="Visibility", maximum=1, step=0.001),),
        decide=_gfpgan,
        missing=lambda catalog: catalog.faces.missing(GFPGAN),
    ),
    ExtrasStep(
        name=CODEFORMER,
        order=3000,
        target="backend.postprocess.steps:codeformer_step",
        options=(
            StepOption(key="codeformer_visibility", default=1.0, label="Visibility", maximum=1, step=0.001, row="faces"),
            StepOption(key="codeformer_weight", default=0.0, label="Weight (0 = maximum effect, 1 = minimum effect)", maximum=1, step=0.001, row="faces"),
        ),
        decide=_codeformer,
        missing=lambda catalog: catalog.faces.missing(CODEFORMER),
    ),
)

"""The table of axes: what may be varied, how its values are read, and what a value makes of a request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.face_files import RESTORERS
from backend.fields import FIELDS, Field, changed
from backend.plan_upscalers import upscalers
from backend.request import GenerationRequest, Refiner
from backend.sampling.names import LATENT_UPSCALE_MODES
from backend.setting_table import SETTINGS
from backend.settings import Settings
from extensions.xyz_plot import loras
from extensions.xyz_plot.notation import numbers, orders, whole_numbers

BOTH = ("txt2img", "img2img")
NOTHING = "Nothing"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is around a value: all values of its axis, those of the axis "LoRA", and what there is to choose from."""

    values: tuple[Any, ...]
    loras: tuple[str, ...]  # () = there is no such axis
    catalog: Catalog
    settings: Settings


Apply = Callable[[GenerationRequest, Any, Scope], GenerationRequest]
Read = Callable[[Sequence[str]], tuple[Any, ...]]
Offer = Callable[[Catalog, Settings], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One row. cost: how dear a change is, from 0 to 1; dear ones change seldom. rank: of two axes the one with the lower rank changes the request first."""

    label: str
    apply: Apply
    read: Read
    show: Callable[[str, Any], str]
    offer: Offer | None = None  # what is chosen from, None = values are typed
    tabs: tuple[str, ...] = BOTH
    cost: float = 0.0
    rank: int = 1
    missing: str = ""  # why it cannot be used, "" = it can


def texts(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(values)


def flags(values: Sequence[str]) -> tuple[bool, ...]:
    return tuple(value.strip().lower() == "true" for value in values)


def sizes(values: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """ "512x768"."""
    pairs = [value.lower().replace("×", "x").split("x") for value in values]
    for value, pair in zip(values, pairs, strict=True):
        if len(pair) != 2 or not all(side.strip().isdecimal() for side in pair):
            raise WebUIError(f"{value!r} is no size: it is written 512x768.")
    return tuple((int(width), int(height)) for width, height in pairs)


def labelled(label: str, value: Any) -> str:
    """ "CFG Scale: 7.0"."""
    return f"{label}: {round(value, 8) if isinstance(value, float) else value}"


def plain(label: str, value: Any) -> str:
    return str(value)


def file_name(label: str, value: Any) -> str:
    return str(value).replace("\\", "/").rpartition("/")[2]


# What a value does to a request.


def _as_it_is(request: GenerationRequest, value: Any, scope: Scope) -> GenerationRequest:
    return request


def _field(key: str) -> Apply:
    """Nothing changes where what the field belongs to is switched off."""
    return lambda request, value, scope: changed(request, {key: value})


def _setting(key: str, field: str = "") -> Apply:
    """For this picture alone. field: of the request, which would go before the setting."""

    def apply(request: GenerationRequest, value: Any, scope: Scope) -> GenerationRequest:
        cleared = changed(request, {field: None}) if field else request
        return replace(cleared, override_settings={**request.override_settings, key: value})

    return apply


def _replaced_text(request: GenerationRequest, value: Any, scope: Scope) -> GenerationRequest:
    sought = scope.values[0]
    if not sought or (sought not in request.prompt and sought not in request.negative_prompt):
        raise WebUIError(f"Prompt S/R did not find {sought} in prompt or negative prompt.")
    return replace(request, prompt=request.prompt.replace(sought, value), negative_prompt=request.negative_prompt.replace(sought, value))


def _ordered_text(request: GenerationRequest, value: tuple[str, ...], scope: Scope) -> GenerationRequest:
    """The parts change places; what is between them stays."""
    found = sorted((request.prompt.find(part), part) for part in value)
    if found and found[0][0] < 0:
        raise WebUIError(f"Prompt order did not find {found[0][1]} in the prompt.")
    prompt, end = "", 0
    for (place, part), instead in zip(found, value, strict=True):
        prompt += request.prompt[end:place] + instead
        end = place + len(part)
    return replace(request, prompt=prompt + request.prompt[end:])


def _styled(request: GenerationRequest, value: str, scope: Scope) -> GenerationRequest:
    return replace(request, styles=(*request.styles, *(name for name in value.split(",") if name)))


def _sized(request: GenerationRequest, value: tuple[int, int], scope: Scope) -> GenerationRequest:
    return changed(request, {"width": value[0], "height": value[1]})


def _refined(request: GenerationRequest, value: str, scope: Scope) -> GenerationRequest:
    if value in ("None", ""):
        return replace(request, refiner=None)
    return replace(request, refiner=replace(request.refiner or Refiner(), checkpoint=value))


def _with_faces(request: GenerationRequest, value: str, scope: Scope) -> GenerationRequest:
    """A restorer's name switches it on; of other words those that A1111 takes for yes."""
    name = next((name for name in RESTORERS if name.lower() == value.lower()), "")
    chosen = {"face_restoration_model": name} if name else {}
    on = bool(name) or value.lower() in ("true", "yes", "y", "1")
    return replace(request, restore_faces=on, override_settings={**request.override_settings, **chosen})


def _with_lora(request: GenerationRequest, value: str, scope: Scope) -> GenerationRequest:
    return loras.choose(request, value, scope.loras, scope.catalog, scope.settings)


def _lora_weight(which: loras.Which) -> Apply:
    return lambda request, value, scope: loras.weigh(request, which, value, scope.loras, scope.catalog)


def _lora_blocks(request: GenerationRequest, value: str, scope: Scope) -> GenerationRequest:
    return loras.weigh_blocks(request, value, scope.loras, scope.catalog, scope.settings)


def _lora_name(label: str, value: str) -> str:
    return "without LoRA" if loras.is_none(value) else file_name(label, value)


# What there is to choose from.


def _loras(catalog: Catalog, settings: Settings) -> list[str]:
    return [loras.NONE, *map(catalog.path_name, catalog.entries("lora"))]


def _files(kind: Any, *, titles: bool = False, before: tuple[str, ...] = ()) -> Offer:
    def offer(catalog: Catalog, settings: Settings) -> list[str]:
        entries = catalog.entries(kind)
        names = (catalog.title(entry) if titles else entry.path.name for entry in entries)
        return [*before, *(sorted(names, key=str.casefold) if titles else names)]

    return offer


def _among(*names: str) -> Offer:
    return lambda catalog, settings: names


_FLAGS = _among("False", "True")


def _samplers(catalog: Catalog, settings: Settings) -> Sequence[str]:
    return catalog.added.sampling.sampler_labels


def _schedulers(catalog: Catalog, settings: Settings) -> Sequence[str]:
    return catalog.added.sampling.scheduler_labels


def _hires_upscalers(catalog: Catalog, settings: Settings) -> list[str]:
    return [*(mode.label for mode in LATENT_UPSCALE_MODES), *upscalers(catalog)]


def _axis(label: str, read: Read, apply: Apply, **more: Any) -> Axis:
    return Axis(label=label, read=read, apply=apply, **{"show": labelled, **more})


def _text2(label: str, read: Read, apply: Apply, **more: Any) -> Axis:
    return _axis(label, read, apply, tabs=("txt2img",), **more)


def _image(label: str, read: Read, apply: Apply, **more: Any) -> Axis:
    return _axis(label, read, apply, tabs=("img2img",), **more)


def _known(key: str) -> str:
    """Why a setting cannot be varied."""
    return "" if key in SETTINGS else "it is not supported here"


# A1111's, in its order: over the API an axis is the number of its place among those of the tab.
# fmt: off
A1111 = (
    _axis(NOTHING, texts, _as_it_is, show=lambda label, value: ""),
    _axis("Seed", whole_numbers, _field("seed")),
    _axis("Var. seed", whole_numbers, _field("subseed")),
    _axis("Var. strength", numbers, _field("subseed_strength")),
    _axis("Steps", whole_numbers, _field("steps")),
    _text2("Hires steps", whole_numbers, _field("hr_second_pass_steps")),
    _axis("CFG Scale", numbers, _field("cfg_scale")),
    _image("Image CFG Scale", numbers, _field("image_cfg_scale")),
    _axis("Prompt S/R", texts, _replaced_text, show=plain, cost=0.2, rank=0),
    _axis("Prompt order", orders, _ordered_text, show=lambda label, value: ", ".join(value), cost=0.2, rank=0),
    _axis("Sampler", texts, _field("sampler_name"), show=plain, offer=_samplers),
    _text2("Hires sampler", texts, _field("hr_sampler_name"), offer=_samplers),
    _axis("Checkpoint name", texts, _setting("sd_model_checkpoint"), show=file_name, cost=1.0, offer=_files("checkpoint", titles=True)),
    _axis("Negative Guidance minimum sigma", numbers, _setting("s_min_uncond", "s_min_uncond")),
    _axis("Sigma Churn", numbers, _setting("s_churn", "s_churn")),
    _axis("Sigma min", numbers, _setting("s_tmin", "s_tmin")),
    _axis("Sigma max", numbers, _setting("s_tmax", "s_tmax")),
    _axis("Sigma noise", numbers, _setting("s_noise", "s_noise")),
    _axis("Schedule type", texts, _field("scheduler"), offer=_schedulers),
    _axis("Schedule min sigma", numbers, _setting("sigma_min")),
    _axis("Schedule max sigma", numbers, _setting("sigma_max")),
    _axis("Schedule rho", numbers, _setting("rho")),
    _axis("Beta schedule alpha", numbers, _setting("beta_dist_alpha")),
    _axis("Beta schedule beta", numbers, _setting("beta_dist_beta")),
    _axis("Eta", numbers, _field("eta")),
    _axis("Clip skip", whole_numbers, _setting("CLIP_stop_at_last_layers"), cost=0.1),
    _axis("Denoising", numbers, _field("denoising_strength")),
    _axis("Initial noise multiplier", numbers, _setting("initial_noise_multiplier", "initial_noise_multiplier")),
    _axis("Extra noise", numbers, _setting("img2img_extra_noise")),
    _text2("Hires upscaler", texts, _field("hr_upscaler"), offer=_hires_upscalers),
    _image("Cond. Image Mask Weight", numbers, _setting("inpainting_mask_weight")),
    _axis("VAE", texts, _setting("sd_vae"), cost=0.7, offer=_files("vae", before=("Automatic", "None"))),
    _axis("Styles", texts, _styled, cost=0.2),
    _axis("UniPC Order", whole_numbers, _setting("uni_pc_order")),
    _axis("Face restore", texts, _with_faces, offer=lambda catalog, settings: ("Off", *catalog.faces.usable())),
    _axis("Token merging ratio", numbers, _setting("token_merging_ratio"), cost=0.1),
    _axis("Token merging ratio high-res", numbers, _setting("token_merging_ratio_hr"), cost=0.1),
    _axis("Always discard next-to-last sigma", flags, _setting("always_discard_next_to_last_sigma"), offer=_FLAGS),
    _axis("SGM noise multiplier", flags, _setting("sgm_noise_multiplier"), offer=_FLAGS),
    _axis("Refiner checkpoint", texts, _refined, show=file_name, cost=1.0, offer=_files("checkpoint", titles=True, before=("None",))),
    _axis("Refiner switch at", numbers, _field("refiner_switch_at")),
    _axis("RNG source", texts, _setting("randn_source"), offer=_among("GPU", "CPU", "NV")),
    _axis("FP8 mode", texts, _setting("fp8_storage"), cost=0.9, missing=_known("fp8_storage")),
    _axis("Size", sizes, _sized, show=lambda label, value: f"{label}: {value[0]}x{value[1]}"),
)
OF_LORAS = (
    _axis("LoRA", texts, _with_lora, show=_lora_name, offer=_loras, cost=0.6, rank=2),
    _axis("LoRA weight", numbers, _lora_weight("both"), cost=0.5, rank=3),
    _axis("LoRA TE weight", numbers, _lora_weight("te"), cost=0.5, rank=4),
    _axis("LoRA U-Net weight", numbers, _lora_weight("unet"), cost=0.45, rank=4),
    _axis("LoRA block weights", texts, _lora_blocks, offer=lambda catalog, settings: loras.presets(settings), cost=0.45, rank=4),
)
# fmt: on

# Fields that have an axis already, under A1111's name, and those that no text can stand for.
_COVERED = frozenset(
    "seed subseed subseed_strength steps hr_second_pass_steps cfg_scale image_cfg_scale sampler_name hr_sampler_name s_min_uncond s_churn s_tmin s_tmax "
    "s_noise scheduler eta restore_faces denoising_strength initial_noise_multiplier hr_upscaler styles refiner_checkpoint refiner_switch_at "
    "override_settings".split()
)
_READERS: Mapping[type, tuple[Read, Offer | None]] = {str: (texts, None), int: (whole_numbers, None), float: (numbers, None), bool: (flags, _FLAGS)}


def _of_field(field: Field) -> Axis:
    read, offer = _READERS[field.kind]
    dear = {"hr_checkpoint_name": 1.0, "prompt": 0.3, "negative_prompt": 0.2, "disable_extra_networks": 0.6}
    first = 0 if field.key in ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt") else 1
    return _axis(
        f"Field: {field.label}", read, _field(field.key), offer=offer, tabs=(field.tab,) if field.tab else BOTH, cost=dear.get(field.key, 0.0), rank=first
    )


OF_FIELDS = tuple(_of_field(field) for field in FIELDS if field.key not in _COVERED and field.kind in _READERS and field.kind is not Image.Image)


def axes(tab: str) -> tuple[Axis, ...]:
    """Those of the tab: A1111's first, at their places there."""
    return tuple(axis for axis in (*A1111, *OF_LORAS, *OF_FIELDS) if tab in axis.tabs)


def find(tab: str, label: str) -> Axis:
    """Raises WebUIError for one that is none, or cannot be used."""
    axis = next((axis for axis in axes(tab) if axis.label == label), None)
    if axis is None:
        raise WebUIError(f"Unknown axis {label!r}. Known: {', '.join(axis.label for axis in axes(tab) if not axis.missing)}.")
    if axis.missing:
        raise WebUIError(f"The axis {label} cannot be used: {axis.missing}.")
    return axis

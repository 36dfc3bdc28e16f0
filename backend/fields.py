"""THE one table: request attribute = API key = infotext label = label on the page; values by key ↔ GenerationRequest."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from PIL import Image

from backend.errors import WebUIError
from backend.request import GenerationRequest, Hires, InitImage, Inpaint, Refiner
from backend.settings import SETTINGS, Settings

Tab = Literal["", "txt2img", "img2img"]
_SAME = object()
# Parts of a request that may be off: path → (what it is made of, the key that switches it on where it is neither empty nor "None").
PARTS: Mapping[str, tuple[type, str]] = MappingProxyType(
    {"hires": (Hires, "enable_hr"), "refiner": (Refiner, "refiner_checkpoint"), "init": (InitImage, "init_images"), "init.inpaint": (Inpaint, "mask")}
)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One thing that a person asks for."""

    key: str  # A1111's name of it in the API
    path: str  # attribute of GenerationRequest: "sampling.cfg_scale"
    kind: type
    label: str  # on the page
    infotext: str | None = None  # "Size-1" is the first number of "Size: 512x768"
    default: Any  # on the page; None: what the settings say
    api_default: Any  # of a request over the API that does not name it
    tab: Tab  # where it is asked for; "" = everywhere


def _field(key: str, path: str, kind: type, label: str, infotext: str | None = None, *, api_default: Any = _SAME, tab: Tab = "") -> Field:
    default = _get(GenerationRequest(), path)
    api_default = default if api_default is _SAME else api_default
    return Field(key=key, path=path, kind=kind, label=label, infotext=infotext, default=default, api_default=api_default, tab=tab)


def _get(request: GenerationRequest, path: str) -> Any:
    """Of a part that is off: what it would start with. The path of a part itself: whether it is on."""
    value: Any = request
    names = path.split(".")
    for depth, name in enumerate(names, start=1):
        value = getattr(value, name)
        part = ".".join(names[:depth])
        if part == path and part in PARTS:
            return value is not None
        if value is None and part in PARTS:
            value = PARTS[part][0]()
    return value


# In the order of the API.
FIELDS = (
    _field("prompt", "prompt", str, "Prompt", "Prompt"),
    _field("negative_prompt", "negative_prompt", str, "Negative prompt", "Negative prompt"),
    _field("styles", "styles", tuple, "Styles"),
    _field("seed", "seed.seed", int, "Seed", "Seed"),
    _field("subseed", "seed.subseed", int, "Variation seed", "Variation seed"),
    _field("subseed_strength", "seed.subseed_strength", float, "Variation strength", "Variation seed strength"),
    _field("seed_resize_from_h", "seed.resize_from_h", int, "Resize seed from height", "Seed resize from-2", api_default=-1),
    _field("seed_resize_from_w", "seed.resize_from_w", int, "Resize seed from width", "Seed resize from-1", api_default=-1),
    _field("sampler_name", "sampling.sampler", str, "Sampling method", "Sampler", api_default="Euler"),
    _field("scheduler", "sampling.scheduler", str, "Schedule type", "Schedule type"),
    _field("batch_size", "batch_size", int, "Batch size"),
    _field("n_iter", "n_iter", int, "Batch count"),
    _field("steps", "sampling.steps", int, "Sampling steps", "Steps", api_default=50),
    _field("cfg_scale", "sampling.cfg_scale", float, "CFG Scale", "CFG scale"),
    _field("width", "size.width", int, "Width", "Size-1"),
    _field("height", "size.height", int, "Height", "Size-2"),
    _field("denoising_strength", "denoising_strength", float, "Denoising strength", "Denoising strength"),
    _field("restore_faces", "restore_faces", bool, "Restore faces"),
    _field("tiling", "tiling", bool, "Tiling"),
    _field("eta", "sampling.eta", float, "Eta"),
    _field("s_min_uncond", "sampling.s_min_uncond", float, "Negative Guidance minimum sigma"),
    _field("s_churn", "sampling.s_churn", float, "sigma churn"),
    _field("s_tmax", "sampling.s_tmax", float, "sigma tmax"),
    _field("s_tmin", "sampling.s_tmin", float, "sigma tmin"),
    _field("s_noise", "sampling.s_noise", float, "sigma noise"),
    _field("override_settings", "override_settings", dict, "Override settings"),
    _field("disable_extra_networks", "disable_extra_networks", bool, "Disable extra networks"),
    _field("refiner_checkpoint", "refiner.checkpoint", str, "Checkpoint", "Refiner", api_default=None),
    _field("refiner_switch_at", "refiner.switch_at", float, "Switch at", "Refiner switch at", api_default=None),
    _field("enable_hr", "hires", bool, "Hires. fix", tab="txt2img"),
    _field("hr_scale", "hires.scale", float, "Upscale by", "Hires upscale", tab="txt2img"),
    _field("hr_upscaler", "hires.upscaler", str, "Upscaler", "Hires upscaler", api_default=None, tab="txt2img"),
    _field("hr_second_pass_steps", "hires.steps", int, "Hires steps", "Hires steps", tab="txt2img"),
    _field("hr_resize_x", "hires.resize_x", int, "Resize width to", "Hires resize-1", tab="txt2img"),
    _field("hr_resize_y", "hires.resize_y", int, "Resize height to", "Hires resize-2", tab="txt2img"),
    _field("hr_checkpoint_name", "hires.checkpoint", str, "Hires checkpoint", "Hires checkpoint", api_default=None, tab="txt2img"),
    _field("hr_sampler_name", "hires.sampler", str, "Hires sampling method", "Hires sampler", api_default=None, tab="txt2img"),
    _field("hr_scheduler", "hires.scheduler", str, "Hires schedule type", "Hires schedule type", api_default=None, tab="txt2img"),
    _field("hr_prompt", "hires.prompt", str, "Hires prompt", "Hires prompt", tab="txt2img"),
    _field("hr_negative_prompt", "hires.negative_prompt", str, "Hires negative prompt", "Hires negative prompt", tab="txt2img"),
    _field("firstpass_image", "hires.picture", Image.Image, "Picture", tab="txt2img"),
    _field("init_images", "init.images", list, "Image", api_default=None, tab="img2img"),
    _field("resize_mode", "init.resize_mode", int, "Resize mode", tab="img2img"),
    _field("image_cfg_scale", "init.image_cfg_scale", float, "Image CFG Scale", "Image CFG scale", api_default=1.0, tab="img2img"),
    _field("initial_noise_multiplier", "init.noise_multiplier", float, "Noise multiplier", tab="img2img"),
    _field("mask", "init.inpaint.mask", Image.Image, "Mask", tab="img2img"),
    _field("mask_blur", "init.inpaint.blur", int, "Mask blur", "Mask blur", tab="img2img"),
    _field("mask_blur_x", "init.inpaint.blur_x", int, "Mask blur horizontally", tab="img2img"),
    _field("mask_blur_y", "init.inpaint.blur_y", int, "Mask blur vertically", tab="img2img"),
    _field("mask_round", "init.inpaint.mask_round", bool, "Round mask", tab="img2img"),
    _field("inpainting_fill", "init.inpaint.fill", int, "Masked content", api_default=0, tab="img2img"),
    _field("inpaint_full_res", "init.inpaint.only_masked", bool, "Only masked", api_default=True, tab="img2img"),
    _field("inpaint_full_res_padding", "init.inpaint.padding", int, "Only masked padding, pixels", "Masked area padding", api_default=0, tab="img2img"),
    _field("inpainting_mask_invert", "init.inpaint.invert", bool, "Inpaint not masked", api_default=0, tab="img2img"),
)
BY_KEY: Mapping[str, Field] = MappingProxyType({field.key: field for field in FIELDS})

# Choices that an infotext tells in words: key → the label, and what its words stand for.
WORDS: Mapping[str, tuple[str, Mapping[str, object]]] = MappingProxyType(
    {
        "inpainting_mask_invert": ("Mask mode", {"Inpaint masked": False, "Inpaint not masked": True}),
        "inpaint_full_res": ("Inpaint area", {"Whole picture": False, "Only masked": True}),
        "inpainting_fill": ("Masked content", {"fill": 0, "original": 1, "latent noise": 2, "latent nothing": 3}),
    }
)

# What is asked of extensions: attributes of a request that are no fields.
OF_EXTENSIONS = ("script", "parts")

# What A1111's page calls "as in the first pass".
AS_BEFORE = ("Use same checkpoint", "Use same sampler", "Use same scheduler")

# The label of an infotext that carries two settings: whether faces are restored, and by what.
FACES = "Face restoration"

# Settings whose label is left out of an infotext where the default held, or where they change nothing.
_RESTORED = tuple(
    setting for setting in SETTINGS.values() if setting.infotext and setting.key not in ("sd_model_checkpoint", "sd_vae") and "uni_pc" not in setting.key
)


def to_request(values: Mapping[str, object]) -> GenerationRequest:
    """What is missing or None has the page's default. Raises WebUIError for a value that a field does not take, and for a key that is none."""
    _refuse_foreign(values)
    asked = {BY_KEY[key].path: _read(BY_KEY[key], value) for key, value in values.items() if key in BY_KEY and value is not None}
    request: Any = GenerationRequest()
    off: list[str] = []
    for path, (part, switch) in PARTS.items():
        if asked.get(BY_KEY[switch].path) in (None, "", "None", False, ()):
            off.append(path)
        elif not _below(path, off):
            request = _with(request, path, part())
    for path, value in asked.items():
        if path not in PARTS and not _below(path, off):
            request = _with(request, path, value)
    return replace(request, **{key: values[key] for key in OF_EXTENSIONS if key in values})


def changed(request: GenerationRequest, values: Mapping[str, object]) -> GenerationRequest:
    """The request with these fields, by key; None: as if it had not been asked for. What belongs to a part that is off changes nothing.

    Raises WebUIError as to_request does.
    """
    _refuse_foreign(values)
    result: Any = request
    for key, value in values.items():
        path = BY_KEY[key].path
        off = [part for part in PARTS if part != path and not _get(result, part)]
        if path in PARTS:
            result = _with(result, path, (_get_part(result, path) or PARTS[path][0]()) if _read(BY_KEY[key], value) else None)
        elif not _below(path, off):
            result = _with(result, path, BY_KEY[key].default if value is None else _read(BY_KEY[key], value))
    return result


def _get_part(request: GenerationRequest, path: str) -> Any:
    value: Any = request
    for name in path.split("."):
        value = value and getattr(value, name)
    return value


def _refuse_foreign(values: Mapping[str, object]) -> None:
    for key in values:
        if key not in BY_KEY and key not in OF_EXTENSIONS:
            raise WebUIError(f"Unknown field {key!r}. Known: {', '.join(BY_KEY)}.")


def _below(path: str, parts: Iterable[str]) -> bool:
    return any(path.startswith(f"{part}.") for part in parts)


def from_request(request: GenerationRequest) -> dict[str, Any]:
    """The inverse of to_request: every field by key, and what is asked of extensions."""
    return {**{field.key: _get(request, field.path) for field in FIELDS}, **{key: getattr(request, key) for key in OF_EXTENSIONS}}


def from_labels(labels: Mapping[str, str], settings: Settings = Settings()) -> dict[str, Any]:  # noqa: B008 (a frozen value)
    """Labels of an infotext → values by key, for to_request; only what the infotext names is in it.

    What it says about settings goes into override_settings as far as it differs from `settings`, the person's own.
    """
    taken = {label: value for label, value in labels.items() if label.split("-")[0] not in settings["infotext_skip_pasting"]}
    values = {field.key: _read(field, taken[field.infotext]) for field in FIELDS if field.infotext and field.infotext in taken}
    values |= {key: words[taken[label]] for key, (label, words) in WORDS.items() if taken.get(label) in words}
    if "Denoising strength" in taken and any(label in taken for label in ("Hires upscale", "Hires upscaler", "Hires resize-1")):
        values["enable_hr"] = True
    overrides = _overrides(taken, settings)
    return values | ({"override_settings": overrides} if overrides else {})


def _overrides(labels: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    ignored = ("sd_model_checkpoint",) if settings["disable_weights_auto_swap"] else ()
    named = {s.key: labels[s.infotext] for s in settings.declared.values() if s.infotext and s.infotext in labels and s.key not in ignored}
    if "Steps" in labels:
        named = {setting.key: setting.default for setting in _RESTORED} | {"face_restoration": False} | named
    if FACES in labels:
        named |= {"face_restoration": True, "face_restoration_model": labels[FACES]}
    wanted = settings.override(named)
    return {key: wanted[key] for key in named if wanted[key] != settings[key]}


def _with(whole: Any, path: str, value: Any) -> Any:
    """A copy of the frozen `whole` with another value at this path."""
    name, _, rest = path.partition(".")
    return replace(whole, **{name: _with(getattr(whole, name), rest, value) if rest else value})


def _read(field: Field, value: object) -> Any:
    try:
        return _choice(value) if field.path.startswith("hires.") and field.kind is str else _READERS[field.kind](value)
    except (TypeError, ValueError, OverflowError):
        raise WebUIError(f"{field.label} ({field.key}) cannot be {_shown(value)}: {_WANTED[field.kind]} is needed.") from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _choice(value: object) -> str:
    text = _text(value)
    return "" if text in AS_BEFORE else text


def _flag(value: object) -> bool:
    known = {True: True, False: False, "True": True, "False": False}
    if value not in known:
        raise ValueError
    return known[value]


def _whole(value: object) -> int:
    """Gradio's sliders give floats."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    whole = int(value)
    if isinstance(value, float) and whole != value:
        raise ValueError
    return whole


def _number(value: object) -> float:
    """In the form that it was given in: the infotext shows 7 as 7 and 7.0 as 7.0."""
    if isinstance(value, str):
        value = int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return tuple(_text(item) for item in value)


def _picture(value: object) -> Image.Image:
    if not isinstance(value, Image.Image):
        raise TypeError
    return value


def _pictures(value: object) -> tuple[Image.Image, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return tuple(_picture(item) for item in value)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError
    return MappingProxyType(dict(value))


_READERS: Mapping[type, Any] = {str: _text, bool: _flag, int: _whole, float: _number, tuple: _texts, dict: _mapping, list: _pictures, Image.Image: _picture}
_WANTED: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple: "a list of texts",
    dict: "an object of settings and values",
    list: "a list of pictures",
    Image.Image: "a picture",
}

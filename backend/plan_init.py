"""img2img and inpainting, decided: what was asked, with the settings → InitOptions, and what the infotext says of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image, ImageOps

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.images import mask as masks
from backend.job import InitOptions, InpaintOptions
from backend.plan_upscalers import upscaler
from backend.request import GenerationRequest, Inpaint, SoftInpaint
from backend.settings import Settings

FILLS = ("fill", "original", "latent noise", "latent nothing")
RESIZE_MODES = ("Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)")
LARGEST_PADDING, LARGEST_BLUR = 4096, 1024  # pixels
# Of soft inpainting: label of the infotext behind "Soft inpainting", attribute. In A1111's order.
SOFT_LABELS = (
    ("schedule bias", "schedule_bias"),
    ("preservation strength", "preservation_strength"),
    ("transition contrast boost", "contrast_boost"),
    ("mask influence", "mask_influence"),
    ("difference threshold", "difference_threshold"),
    ("difference contrast", "difference_contrast"),
)
EMPTY_MASK = "The mask is empty: there is nothing to inpaint, and the whole picture was drawn."


@dataclass(frozen=True, kw_only=True)
class Init:
    """labels: of the infotext, in A1111's order."""

    options: InitOptions | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    comments: tuple[str, ...] = ()


def find_init(request: GenerationRequest, settings: Settings, catalog: Catalog) -> Init:
    """Raises WebUIError for what cannot be drawn."""
    asked = request.init
    if asked is None:
        return Init()
    _check(request)
    inpaint, labels, comments = _inpaint(asked.inpaint, request, settings)
    options = InitOptions(
        images=asked.images,
        resize_mode=asked.resize_mode,
        upscaler=upscaler(settings["upscaler_for_img2img"], catalog, settings),
        background=settings["img2img_background_color"],
        denoising_strength=request.denoising_strength,
        fixed_steps=settings["img2img_fix_steps"],
        noise_multiplier=settings["initial_noise_multiplier"] if asked.noise_multiplier is None else asked.noise_multiplier,
        extra_noise=settings["img2img_extra_noise"],
        color_correction=settings["img2img_color_correction"],
        inpaint=inpaint,
    )
    if settings["save_init_img"]:
        labels = {"Init image hash": picture_hash(asked.images[-1]), **labels}
    return Init(options=options, labels=labels, comments=comments)


def picture_hash(image: Image.Image) -> str:
    """What A1111 calls a picture by that img2img started from: the MD5 of its pixels."""
    return hashlib.md5(image.tobytes(), usedforsecurity=False).hexdigest()


def batch_of_pictures(request: GenerationRequest) -> GenerationRequest:
    """Several pictures to start from make a batch of as many."""
    count = len(request.init.images) if request.init else 0
    return replace(request, batch_size=count) if 1 < count < request.batch_size else request


def _check(request: GenerationRequest) -> None:
    asked = request.init
    assert asked is not None
    if not 0 <= request.denoising_strength <= 1:
        raise WebUIError(f"Denoising strength cannot be {request.denoising_strength}: from 0 to 1 is possible.")
    if not 0 <= asked.resize_mode < len(RESIZE_MODES):
        known = ", ".join(f"{number} ({name})" for number, name in enumerate(RESIZE_MODES))
        raise WebUIError(f"Resize mode cannot be {asked.resize_mode}. Known: {known}.")
    if not asked.images:
        raise WebUIError("There is no picture to start from.")
    if len(asked.images) > max(request.batch_size, 1):
        raise WebUIError(f"{len(asked.images)} pictures to start from need a batch size of {len(asked.images)}; it is {request.batch_size}.")


def _inpaint(asked: Inpaint | None, request: GenerationRequest, settings: Settings) -> tuple[InpaintOptions | None, dict[str, Any], tuple[str, ...]]:
    if asked is None or asked.mask is None:
        return None, {}, ()
    blur_x, blur_y = (asked.blur_x, asked.blur_y) if asked.blur is None else (asked.blur, asked.blur)
    _check_inpaint(asked, blur_x, blur_y)
    rounded = asked.mask_round and asked.soft is None
    mask = masks.as_mask(asked.mask, round=rounded)
    if asked.invert:
        mask = ImageOps.invert(mask)
    mask = masks.blur(mask, blur_x, blur_y)
    box = masks.region(mask, asked.padding, request.size.width // 8 * 8, request.size.height // 8 * 8) if asked.only_masked else None
    labels: dict[str, Any] = _soft_labels(asked.soft) | {
        "Mask mode": "Inpaint not masked" if asked.invert else None,
        "Mask blur": blur_x if blur_x == blur_y and blur_x > 0 else None,
    }
    if asked.only_masked and box is None:
        return None, labels, (EMPTY_MASK,)
    labels |= {
        "Inpaint area": "Only masked" if asked.only_masked else None,
        "Masked area padding": asked.padding if asked.only_masked else None,
        "Masked content": FILLS[asked.fill] if asked.fill != 1 else None,
    }
    options = InpaintOptions(
        mask=mask,
        box=box,
        fill=asked.fill,
        round=rounded,
        overlay=settings["overlay_inpaint"] or asked.soft is not None,
        with_masks=any(settings[name] for name in ("return_mask", "return_mask_composite", "save_mask", "save_mask_composite")),
        condition_weight=settings["inpainting_mask_weight"],
        latent_mask=asked.latent_mask.convert("L") if asked.latent_mask else None,
        soft=asked.soft,
    )
    return options, labels, ()


def _soft_labels(soft: SoftInpaint | None) -> dict[str, Any]:
    if soft is None:
        return {}
    numbers = {label: float(getattr(soft, name)) for label, name in SOFT_LABELS}
    return {"Soft inpainting enabled": True} | {f"Soft inpainting {label}": int(n) if n.is_integer() else n for label, n in numbers.items()}


def _check_inpaint(asked: Inpaint, blur_x: int, blur_y: int) -> None:
    limits = (
        ("Mask blur", blur_x, LARGEST_BLUR),
        ("Mask blur", blur_y, LARGEST_BLUR),
        ("Only masked padding, pixels", asked.padding, LARGEST_PADDING),
        ("Masked content", asked.fill, len(FILLS) - 1),
    )
    for label, value, most in limits:
        if not 0 <= value <= most:
            raise WebUIError(f"{label} cannot be {value}: from 0 to {most} is possible.")

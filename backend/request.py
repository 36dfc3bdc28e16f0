"""What was asked: equal from the page, the API, or a pasted picture. "Automatic", -1 and None live here and end in plan.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Seed:
    """Where the noise comes from. -1 = draw one; resize_from 0 or less = off."""

    seed: int = -1
    subseed: int = -1
    subseed_strength: float = 0.0  # 0…1, spherical interpolation from seed's noise to subseed's
    resize_from_w: int = 0  # pixels
    resize_from_h: int = 0  # pixels


@dataclass(frozen=True, kw_only=True)
class Size:
    """Pixels, as asked; the picture is floored to multiples of 8."""

    width: int = 512
    height: int = 512


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to sample. None = what the settings say."""

    sampler: str = "DPM++ 2M"
    scheduler: str = "Automatic"  # "Automatic" = the sampler's own
    steps: int = 20
    cfg_scale: float = 7.0
    eta: float | None = None
    s_churn: float | None = None
    s_tmin: float | None = None
    s_tmax: float | None = None  # 0 = no limit
    s_noise: float | None = None
    s_min_uncond: float | None = None


@dataclass(frozen=True, kw_only=True)
class Hires:
    """The second pass of txt2img at a larger size. "" = as in the first pass."""

    upscaler: str = "Latent"
    scale: float = 2.0  # not used where a size is given
    steps: int = 0  # 0 = as many as in the first pass
    resize_x: int = 0  # pixels; 0 = as the other one says, both 0 = by scale
    resize_y: int = 0
    checkpoint: str = ""
    sampler: str = ""
    scheduler: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    picture: Image.Image | None = None  # a finished picture that takes the place of the first pass


@dataclass(frozen=True, kw_only=True)
class Refiner:
    """Another checkpoint for the last steps."""

    checkpoint: str = ""
    switch_at: float = 0.8  # 0…1, part of the way from noise to picture


@dataclass(frozen=True, kw_only=True)
class SoftInpaint:
    """Soft inpainting: what the mask covers in part is drawn in part, and the finished picture is blended in by how much it changed."""

    schedule_bias: float = 1.0  # 0…8; above 1 the original is kept more at the start, below 1 at the end
    preservation_strength: float = 0.5  # 0…8, of what is covered in part
    contrast_boost: float = 4.0  # 1…32, of what is mixed
    mask_influence: float = 0.0  # 0…1, on what counts as changed
    difference_threshold: float = 0.5  # 0…8, of the latent: half blended in where it changed so much
    difference_contrast: float = 2.0  # 0…8, how sharp the border is


@dataclass(frozen=True, kw_only=True)
class Inpaint:
    """What of the picture is drawn anew."""

    mask: Image.Image | None = None  # white = draw anew; its alpha, where it has one, counts as in A1111
    blur: int | None = None  # pixels, for both directions; None = blur_x and blur_y
    blur_x: int = 4
    blur_y: int = 4
    fill: int = 1  # what lies below: 0 fill, 1 original, 2 latent noise, 3 latent nothing
    only_masked: bool = False  # draw the surroundings of the mask alone, at the full size
    padding: int = 32  # pixels around the mask, where only_masked
    invert: bool = False
    mask_round: bool = True  # the mask of the latent is 0 or 1, nothing between
    latent_mask: Image.Image | None = None  # what the latent is masked with and what lies below is filled by; not blurred; None = mask
    soft: SoftInpaint | None = None


@dataclass(frozen=True, kw_only=True)
class InitImage:
    """img2img: the pictures to start from; picture k of a batch starts from images[k], or all from the only one."""

    images: tuple[Image.Image, ...] = ()
    resize_mode: int = 0  # 0 just resize, 1 crop and resize, 2 resize and fill, 3 just resize (latent upscale)
    image_cfg_scale: float = 1.5  # of instruct-pix2pix models
    noise_multiplier: float | None = None  # None = what the settings say
    inpaint: Inpaint | None = None


@dataclass(frozen=True, kw_only=True)
class ScriptCall:
    """A script of an extension, which takes the whole generation over. values: of its controls, by key; what is missing has its default."""

    title: str
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One press of Generate: batch_size × n_iter pictures. A part that is None is switched off.

    prompts and negative_prompts: one for each picture, instead of the one for all; empty = the one for all. Styles are merged into each.
    parts: of those extensions that take part in every picture, the values of their controls, by title.
    Checkpoint, VAE, clip skip and every other setting for this request alone go into override_settings, by A1111's keys.
    """

    prompt: str = ""
    negative_prompt: str = ""
    prompts: tuple[str, ...] = ()
    negative_prompts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    seed: Seed = field(default_factory=Seed)
    size: Size = field(default_factory=Size)
    sampling: Sampling = field(default_factory=Sampling)
    batch_size: int = 1
    n_iter: int = 1
    denoising_strength: float = 0.75  # 0…1, of the hires pass and of img2img
    hires: Hires | None = None
    refiner: Refiner | None = None
    init: InitImage | None = None  # None = txt2img
    tiling: bool | None = None
    restore_faces: bool | None = None  # None = what the settings say
    disable_extra_networks: bool = False
    override_settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    script: ScriptCall | None = None
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))

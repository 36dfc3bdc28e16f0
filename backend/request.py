"""What was asked: equal from the page, the API, or a pasted picture. "Automatic", -1 and None live here and end in plan.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


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
class GenerationRequest:
    """One press of Generate: batch_size × n_iter pictures.

    Checkpoint, VAE, clip skip and every other setting for this request alone go into override_settings, by A1111's keys.
    """

    prompt: str = ""
    negative_prompt: str = ""
    styles: tuple[str, ...] = ()
    seed: Seed = field(default_factory=Seed)
    size: Size = field(default_factory=Size)
    sampling: Sampling = field(default_factory=Sampling)
    batch_size: int = 1
    n_iter: int = 1
    tiling: bool | None = None
    disable_extra_networks: bool = False
    override_settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

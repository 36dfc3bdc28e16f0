"""The name of an upscaler → the file that an engine loads, and how it is to be tiled. Names are A1111's where the file is one of those that it offers."""

from collections.abc import Mapping
from types import MappingProxyType

from backend.catalog import Catalog, Entry
from backend.errors import NotFound
from backend.job import NamedUpscaler, Tiling, UpscalerRef
from backend.settings import Settings

NONE = "None"
WITHOUT_MODEL = (NONE, "Lanczos", "Nearest")
SHOWN_CHOICES = 20

A1111_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "ESRGAN": "ESRGAN_4x",
        "RealESRGAN_x4plus": "R-ESRGAN 4x+",
        "RealESRGAN_x4plus_anime_6B": "R-ESRGAN 4x+ Anime6B",
        "RealESRGAN_x2plus": "R-ESRGAN 2x+",
        "realesr-general-x4v3": "R-ESRGAN General 4xV3",
        "realesr-general-wdn-x4v3": "R-ESRGAN General WDN 4xV3",
        "realesr-animevideov3": "R-ESRGAN AnimeVideo",
        "DAT_x2": "DAT x2",
        "DAT_x3": "DAT x3",
        "DAT_x4": "DAT x4",
        "scunet_color_real_gan": "ScuNET GAN",
        "scunet_color_real_psnr": "ScuNET PSNR",
        "003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN": "SwinIR 4x",
    }
)  # by the stem of the file that A1111 downloads
UPSCALER_NAMES = (*WITHOUT_MODEL, *A1111_NAMES.values())  # that nobody else may have
_TILE_SETTINGS: Mapping[str, str] = MappingProxyType({"": "ESRGAN", "SwinIR": "SWIN", "Swin2SR": "SWIN", "DAT": "DAT", "SCUNet": "SCUNET"})  # by architecture


def upscalers(catalog: Catalog) -> Mapping[str, Entry | NamedUpscaler | None]:
    """Every name with its file or what an extension adds, in A1111's order: those without a model first, then by name without case.

    Of files with one name the first counts; a file with the name of an extension's is called by its whole name.
    """
    found: dict[str, Entry | NamedUpscaler] = {one.name: one for one in catalog.added.upscalers}
    for entry in catalog.entries("upscaler"):
        found.setdefault(_label(entry, catalog), entry)
    return {**dict.fromkeys(WITHOUT_MODEL), **{name: found[name] for name in sorted(found, key=str.lower)}}


def upscaler(name: str, catalog: Catalog, settings: Settings) -> UpscalerRef:
    """Also by the file's own name or its hash. "" is "None". Raises NotFound with the list of those that are there."""
    known = upscalers(catalog)
    found = known.get(name) or (catalog.find("upscaler", name) if name not in known else None)
    if isinstance(found, NamedUpscaler):
        return UpscalerRef(name=found.name, added=found)
    if found is not None:
        return UpscalerRef(name=_label(found, catalog), file=catalog.ref(found), tilings=_tilings(settings))
    if name in known or not name:
        return UpscalerRef(name=name or NONE)
    raise NotFound(catalog.why_refused("upscaler", name) or _unknown(name, known))


def _unknown(name: str, known: Mapping[str, object]) -> str:
    missing = next((f" It is the file {stem}.pth, to be put into models/ESRGAN." for stem, label in A1111_NAMES.items() if label == name), "")
    shown = tuple(known)[:SHOWN_CHOICES]
    return f"Unknown upscaler {name!r}.{missing} Known: {', '.join(shown)}{', …' if len(known) > len(shown) else ''}."


def _label(entry: Entry, catalog: Catalog) -> str:
    label = _name(entry)
    return entry.name if any(one.name == label for one in catalog.added.upscalers) else label


def _name(entry: Entry) -> str:
    return A1111_NAMES.get(entry.stem, entry.stem)


def _tilings(settings: Settings) -> dict[str, Tiling]:
    return {
        architecture: Tiling(size=settings[f"{prefix}_tile"], overlap=settings[f"{prefix}_tile_overlap"]) for architecture, prefix in _TILE_SETTINGS.items()
    }

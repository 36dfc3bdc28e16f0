"""Which weights a pass is drawn with: names → checkpoint and VAE, and ModelOptions."""

import re
from collections.abc import Iterable
from pathlib import Path

from backend.catalog import Catalog, Entry
from backend.errors import NotFound
from backend.job import FileRef, ModelOptions
from backend.request import GenerationRequest
from backend.settings import Settings

AUTOMATIC = "Automatic"
SHOWN_CHOICES = 20  # of files, in an error message

_SHORT_TITLE = re.compile(r"(.+) \[([0-9a-f]{8,64})\]")


def chosen_checkpoint(request: GenerationRequest, settings: Settings, catalog: Catalog) -> tuple[Entry, tuple[str, ...]]:
    """The chosen one. One that was set for good and is gone is replaced by the first, with a comment; one asked for here must be there."""
    name = settings["sd_model_checkpoint"]
    entries = catalog.entries("checkpoint")
    if not entries:
        raise NotFound("There is no checkpoint yet: put a .safetensors file into models/Stable-diffusion.")
    if "sd_model_checkpoint" in request.override_settings and name:
        return named_checkpoint(name, catalog), ()
    found = catalog.find("checkpoint", name) if name else entries[0]
    if found is None:
        return entries[0], (f"The checkpoint {name} is not there any more; {entries[0].name} is used.",)
    return found, ()


def named_checkpoint(name: str, catalog: Catalog) -> Entry:
    """By title, name or hash, also as infotexts write it: "tiny-sd1 [ecbf2ab887]". Raises NotFound with the list of those that are there."""
    short = _SHORT_TITLE.fullmatch(name)
    found = catalog.find("checkpoint", name) or (short and (catalog.find("checkpoint", short[2]) or catalog.find("checkpoint", short[1])))
    if found is None:
        known = _choices(map(catalog.title, catalog.entries("checkpoint")))
        raise NotFound(catalog.why_refused("checkpoint", name) or f"Unknown checkpoint {name!r}. Known: {known}.")
    return found


def chosen_vae(checkpoint: Entry, settings: Settings, catalog: Catalog, file: Path | None) -> Entry | None:
    """None: the checkpoint's own. file: --vae-path, which goes before all settings."""
    name, entries = settings["sd_vae"], catalog.entries("vae")
    if file is not None:
        found = next((entry for entry in entries if entry.path == file), None)
        if found is None:
            raise NotFound(f"The VAE {file} (--vae-path) is not there.")
    elif name in ("None", ""):
        return None
    elif name == AUTOMATIC:
        found = next((entry for entry in entries if entry.path.name.startswith(f"{checkpoint.stem}.")), None)
    else:
        found = catalog.find("vae", name)
        if found is None:
            known = _choices([AUTOMATIC, "None", *(entry.path.name for entry in entries)])
            raise NotFound(catalog.why_refused("vae", name) or f"Unknown VAE {name!r}. Known: {known}.")
    return found


def model_options(request: GenerationRequest, settings: Settings, checkpoint: Entry, vae: Entry | None) -> ModelOptions:
    return ModelOptions(
        checkpoint=_ref(checkpoint),
        vae=_ref(vae) if vae else None,
        keep_loaded=settings["sd_checkpoints_limit"],
        unet_dtype=settings["unet_dtype_cpu"],
        tiling=settings["tiling"] if request.tiling is None else request.tiling,
        token_merging_ratio=(request.init is not None and settings["token_merging_ratio_img2img"]) or settings["token_merging_ratio"],
        upcast_attention=settings["upcast_attn"],
        vae_tiling=settings["vae_tiling"],
        vae_retry_float32=settings["auto_vae_precision"],
        vae_decoder=settings["sd_vae_decode_method"],
        vae_encoder=settings["sd_vae_encode_method"],
    )


def _ref(entry: Entry) -> FileRef:
    return FileRef(name=entry.name, hash=entry.hash)


def _choices(names: Iterable[str]) -> str:
    names = tuple(names)
    return ", ".join(names[:SHOWN_CHOICES]) + (", …" if len(names) > SHOWN_CHOICES else "")

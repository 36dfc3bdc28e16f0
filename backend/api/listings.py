"""GET lists of what there is to choose from, and POST refresh-*: look at the folders again."""

import asyncio
import json
from collections.abc import Mapping

from fastapi import APIRouter

from backend.api.schemas import (
    EmbeddingsResponse,
    LatentUpscalerModeItem,
    PromptStyleItem,
    SamplerItem,
    SchedulerItem,
    SDModelItem,
    SDVaeItem,
)
from backend.catalog import Entry, Kind
from backend.sampling.names import LATENT_UPSCALE_MODES
from backend.service import GenerationService

SHORT_HASH = 10
HIDDEN_METADATA = ("ssmd_cover_images",)  # whole pictures in base64


def add_listings(router: APIRouter, service: GenerationService) -> None:
    _add_names(router, service)
    _add_files(router, service)
    _add_refreshes(router, service)


def _add_names(router: APIRouter, service: GenerationService) -> None:
    @router.get("/samplers", response_model=list[SamplerItem])
    async def get_samplers() -> object:
        return [{"name": sampler.label, "aliases": sampler.aliases, "options": sampler.options} for sampler in service.catalog.added.sampling.samplers]

    @router.get("/schedulers", response_model=list[SchedulerItem])
    async def get_schedulers() -> object:
        return [
            {"name": s.name, "label": s.label, "aliases": s.aliases or None, "default_rho": s.default_rho, "need_inner_model": s.need_inner_model}
            for s in service.catalog.added.sampling.schedulers
        ]

    @router.get("/latent-upscale-modes", response_model=list[LatentUpscalerModeItem])
    async def get_latent_upscale_modes() -> object:
        return [{"name": mode.label} for mode in LATENT_UPSCALE_MODES]

    @router.get("/prompt-styles", response_model=list[PromptStyleItem])
    async def get_prompt_styles() -> object:
        return [{"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt} for style in service.styles.table.styles.values()]


def _add_files(router: APIRouter, service: GenerationService) -> None:
    @router.get("/sd-models", response_model=list[SDModelItem])
    def get_sd_models() -> object:
        return [_checkpoint(service, entry) for entry in service.catalog.entries("checkpoint")]

    @router.get("/sd-vae", response_model=list[SDVaeItem])
    async def get_sd_vaes() -> object:
        return [{"model_name": entry.path.name, "filename": str(entry.path)} for entry in service.catalog.entries("vae")]

    @router.get("/loras")
    async def get_loras() -> object:
        return [
            {"name": entry.stem, "alias": entry.alias, "path": str(entry.path), "metadata": shown_metadata(entry.metadata)}
            for entry in service.catalog.entries("lora")
        ]

    @router.get("/embeddings", response_model=EmbeddingsResponse)
    async def get_embeddings() -> object:
        return await asyncio.to_thread(service.embeddings)


def _add_refreshes(router: APIRouter, service: GenerationService) -> None:
    def add(name: str, kind: Kind) -> None:
        @router.post(f"/refresh-{name}", name=f"refresh_{name}")
        async def refresh() -> None:
            await asyncio.to_thread(service.catalog.refresh, kind)

    add("checkpoints", "checkpoint")
    add("loras", "lora")
    add("vae", "vae")
    add("embeddings", "embedding")


def _checkpoint(service: GenerationService, entry: Entry) -> dict[str, object]:
    config = entry.path.with_suffix(".yaml")
    return {
        "title": service.catalog.title(entry),
        "model_name": entry.model_name,
        "hash": entry.hash[:SHORT_HASH] or None,
        "sha256": entry.hash or None,
        "filename": str(entry.path),
        "config": str(config) if config.is_file() else None,
    }


def shown_metadata(metadata: Mapping[str, str]) -> dict[str, object]:
    """safetensors holds strings only; those that are JSON objects are shown as objects."""
    return {key: _unpacked(value) for key, value in metadata.items() if key not in HIDDEN_METADATA}


def _unpacked(value: str) -> object:
    if not value.startswith("{"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value

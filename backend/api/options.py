"""The settings, the command line, and what the engine has in its memory."""

import asyncio
import logging
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from backend.api.schemas import MemoryResponse
from backend.catalog import Entry
from backend.errors import NotFound
from backend.flags import Flags
from backend.service import GenerationService
from backend.setting_table import KNOWN_ELSEWHERE

log = logging.getLogger(__name__)

SECRETS = ("gradio_auth", "api_auth", "ngrok", "ngrok_options")  # shown as null or as "***"
CHECKPOINT = "sd_model_checkpoint"


def add_options(router: APIRouter, service: GenerationService, flags: Flags) -> None:
    @router.get("/options")
    async def get_options() -> dict[str, Any]:
        entry = _chosen(service)
        checkpoint = {CHECKPOINT: service.catalog.title(entry), "sd_checkpoint_hash": entry.hash} if entry else {}
        return {**service.settings.current.as_dict(), **checkpoint}

    @router.post("/options")
    async def set_options(req: dict[str, Any]) -> None:
        if not flags.api_auth:
            service.exposure.check_settings(req)
        await asyncio.to_thread(_set, service, req)

    @router.get("/cmd-flags")
    async def get_cmd_flags() -> dict[str, Any]:
        return shown_flags(flags)

    @router.get("/memory", response_model=MemoryResponse)
    async def get_memory() -> object:
        return await asyncio.to_thread(service.memory)

    @router.post("/unload-checkpoint")
    async def unload_checkpoint() -> dict[str, object]:
        await asyncio.to_thread(service.unload_checkpoint)
        return {}

    @router.post("/reload-checkpoint")
    async def reload_checkpoint() -> dict[str, object]:
        await asyncio.to_thread(service.load_checkpoint)
        return {}


def shown_flags(flags: Flags) -> dict[str, Any]:
    """The command line without its passwords."""
    return {name: "***" if name in SECRETS and value else value for name, value in asdict(flags).items()}


def _chosen(service: GenerationService) -> Entry | None:
    """The checkpoint of the settings; the first one where they name none."""
    name = service.settings.current[CHECKPOINT]
    return (service.catalog.find("checkpoint", name) if name else None) or next(iter(service.catalog.entries("checkpoint")), None)


def _set(service: GenerationService, values: dict[str, Any]) -> None:
    """A checkpoint may be named by title, name or hash; one that is not there is refused. A key that is no setting is passed over, as in A1111."""
    known_keys = frozenset(service.settings.current.as_dict())
    if unknown := [key for key in values if key not in known_keys]:
        log.warning("POST options: no such setting, nothing was changed for %s", ", ".join(unknown))
    values = {key: value for key, value in values.items() if key in known_keys}
    before = service.settings.current.as_dict()
    if idle := [key for key, value in values.items() if key in KNOWN_ELSEWHERE and value != before[key]]:
        log.info("POST options: kept, and without effect here so far: %s", ", ".join(idle))
    name = values.get(CHECKPOINT)
    if name:
        entry = service.catalog.find("checkpoint", str(name))
        if entry is None:
            known = ", ".join(service.catalog.title(entry) for entry in service.catalog.entries("checkpoint")) or "none"
            raise NotFound(f"Checkpoint {name!r} not found. There are: {known}.")
        values = {**values, CHECKPOINT: service.catalog.title(entry)}
    service.settings.update(values)

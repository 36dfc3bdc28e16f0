"""What the cards and sliders of the page ask for, under /internal: notes of the Loras in a prompt, options of the prompt's keys, and drafts."""

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from backend.catalog import Entry
from backend.service import GenerationService
from backend.sidecar import read_sidecar
from ui import drafts, progress

NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store"}
MOST_NAMES = 100  # Loras of one question
LOWEST, HIGHEST = -1.0, 2.0  # what a slider reaches if the notes do not ask for more
WIDEST = 20.0
WHITESPACE: Mapping[str, str] = {"Tab": "\t", "Carriage Return": "\r", "Line Feed": "\n"}  # A1111's words
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_RANGE = re.compile(rf"(?:weights?|strength|multiplier|slider|range)\D{{0,40}}?{_NUMBER}\s*(?:to|and|\.\.+|…|–|—|-|~)\s*\+?{_NUMBER}", re.IGNORECASE)


class Client(BaseModel):
    client: str


def add_network_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/networks/known")
    def read_known(name: Annotated[list[str], Query()]) -> Response:
        """By the name in the tag; null for a name that no file has."""
        found = {each: service.catalog.find("lora", each) for each in name[:MOST_NAMES]}
        multiplier = float(service.settings.current["extra_networks_default_multiplier"])
        return _json({"networks": {each: _known(entry, multiplier) if entry else None for each, entry in found.items()}})

    @router.get("/networks/options")
    async def read_options() -> Response:
        settings = service.settings.current
        blanks = "".join(WHITESPACE.get(word, "") for word in settings["keyedit_delimiters_whitespace"])
        return _json(
            {
                "multiplier": settings["extra_networks_default_multiplier"],
                "separator": settings["extra_networks_add_text_separator"],
                "attention": settings["keyedit_precision_attention"],
                "extra": settings["keyedit_precision_extra"],
                "delimiters": settings["keyedit_delimiters"] + blanks,
                "move": settings["keyedit_move"],
                "autocomplete": settings["prompt_autocomplete"],
                "sound": _sound(service),
                "volume": settings["notification_volume"],
                "awake": settings["prevent_screen_sleep_during_generation"],
                "hires_sampler": settings["hires_fix_show_sampler"],
                "hires_prompts": settings["hires_fix_show_prompts"],
                "hires_old": settings["use_old_hires_fix_width_height"],
            }
        )

    @router.get("/draft/{task_id}")
    async def read_draft(task_id: str) -> Response:
        task = service.task(task_id) if task_id.startswith(drafts.PREFIX) else None
        if task is None:  # a newer one has taken its place; a 404 would stand in the browser's console
            return _json({"gone": True})
        pictures = progress.pictures(task)
        return _json({**drafts.state_of(service, task), "url": pictures[0]["url"] if pictures else ""})

    @router.post("/draft/stop")
    def stop_draft(body: Client) -> dict[str, bool]:
        if progress.CLIENT.fullmatch(body.client):
            drafts.stop_drafts(service, body.client)
        return {"stopped": True}


def _sound(service: GenerationService) -> str:
    """What a page plays as a task ends: "file" (notification.mp3), "chime", or ""."""
    if not service.settings.current["notification_audio"]:
        return ""
    return "file" if service.paths.notification.is_file() else "chime"


def _known(entry: Entry, multiplier: float) -> dict[str, object]:
    notes = read_sidecar(entry.path)
    preferred = notes.get("preferred weight")
    weight = float(preferred) if isinstance(preferred, int | float) and preferred else multiplier
    low, high = weight_range(str(notes.get("notes") or ""), str(notes.get("description") or ""))
    return {
        "file": entry.name,
        "weight": weight,
        "minimum": min(low, weight),
        "maximum": max(high, weight),
        "text": str(notes.get("activation text") or ""),
        "negative": str(notes.get("negative text") or ""),
    }


def weight_range(*notes: str) -> tuple[float, float]:
    """−1…2, or wider where a note says so: "weight from -3 to 3", "Strength: -2…2"."""
    numbers = [float(number) for text in notes for match in _RANGE.finditer(text) for number in match.groups()]
    asked = [number for number in numbers if abs(number) <= WIDEST]
    return min([LOWEST, *asked]), max([HIGHEST, *asked])


def _json(content: object) -> Response:
    return JSONResponse(content, headers=NO_STORE)

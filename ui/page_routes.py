"""What a page asks for as it opens, under /internal: its words in another language, the person's own style sheet; and the last parameters, for ↙."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from backend.paths import Paths
from backend.service import GenerationService
from ui.library_routes import NO_STORE, answer

log = logging.getLogger(__name__)

NONE = "None"


def add_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/localization")
    def read_words() -> Response:
        return answer({"words": words(service.paths, service.settings.current["localization"])})

    @router.get("/last-parameters")
    def read_last_parameters() -> Response:
        """Of whoever drew last; so of nobody where strangers may ask."""
        file = None if service.exposure.open else service.paths.params_file
        try:
            return answer({"infotext": file.read_text("utf-8") if file else ""})
        except (OSError, ValueError):
            return answer({"infotext": ""})

    @router.get("/user.css")
    def read_style() -> Response:
        file = service.paths.user_css
        text = file.read_bytes() if file.is_file() else b""
        return Response(text, media_type="text/css", headers=NO_STORE)


def localizations(paths: Paths) -> list[str]:
    """Names of the files localizations/*.json."""
    return sorted(file.stem for file in paths.localizations.glob("*.json"))


def words(paths: Paths, name: str) -> Mapping[str, str]:
    """What is written on the page → what is to be read there; empty for None, and for a file that cannot be read."""
    if name in ("", NONE):
        return {}
    if name not in localizations(paths):
        log.warning("There is no localization %r in %s", name, paths.localizations)
        return {}
    return _read(paths.localizations / f"{name}.json")


def _read(file: Path) -> Mapping[str, str]:
    try:
        found = json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        log.error("The localization %s cannot be read: %s", file, error)
        return {}
    return {key: text for key, text in found.items() if isinstance(text, str) and text} if isinstance(found, dict) else {}

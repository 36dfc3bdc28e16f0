"""What a page asks for as it opens, under /internal: its words in another language, settings for the bar on top, the person's own style sheet; the last
parameters, for ↙; and the way of defaults into ui-config.json."""

from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel

from backend.service import GenerationService
from ui.library_routes import NO_STORE, Explained, answer
from ui.localization import words
from ui.settings_routes import rows
from ui.ui_config import UIConfig


class Defaults(BaseModel):
    """By A1111's keys: "txt2img/Sampling steps/value"."""

    values: dict[str, Any]


def add_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/page")
    def read_page() -> Response:
        settings = service.settings.current
        return answer({"words": words(service.paths, settings["localization"]), "quicksettings": rows(service, settings["quicksettings_list"])})

    @router.get("/last-parameters")
    def read_last_parameters() -> Response:
        """Of whoever drew last; so of nobody where strangers may ask."""
        file = None if service.exposure.open else service.paths.params_file
        try:
            return answer({"infotext": file.read_text("utf-8") if file else ""})
        except (OSError, ValueError):
            return answer({"infotext": ""})

    @router.get("/notification")
    def read_sound() -> Response:
        """notification.mp3 of the data folder."""
        file = service.paths.notification
        if not file.is_file():
            raise HTTPException(404, "There is no notification.mp3")
        return FileResponse(file, media_type="audio/mpeg", headers=NO_STORE)

    @router.get("/user.css")
    def read_style() -> Response:
        file = service.paths.user_css
        text = file.read_bytes() if file.is_file() else b""
        return Response(text, media_type="text/css", headers=NO_STORE)

    @router.post("/defaults")
    def write_defaults(body: Defaults) -> dict[str, bool]:
        with Explained():
            service.exposure.check("change the page's defaults")
            UIConfig(service.paths.ui_config_file).write(body.values)
        return {"written": True}

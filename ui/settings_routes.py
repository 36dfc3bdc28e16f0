"""The Settings tab's data: every declared setting with its section, limits and value; and the way back."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from backend.errors import WebUIError
from backend.service import GenerationService
from backend.settings import Setting, Settings
from ui.library_routes import Explained
from ui.localization import localizations

KINDS: Mapping[type, str] = {bool: "flag", int: "whole", float: "number", str: "text", tuple: "list"}


class Changes(BaseModel):
    values: dict[str, Any]


def add_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/settings")
    def read_settings() -> dict[str, Any]:
        """In the table's order; "choices" [] = anything that the kind takes."""
        return {"settings": rows(service, service.settings.current.declared)}

    @router.post("/settings")
    def write_settings(body: Changes) -> Response:
        """All or none; "errors" has a sentence for each value that its setting does not take."""
        errors = {key: sentence for key, value in body.values.items() if (sentence := _wrong(key, value, service.settings.current))}
        if errors:
            return JSONResponse({"errors": errors})
        with Explained():
            service.exposure.check("change settings")
            service.settings.update(body.values)
        return JSONResponse({"errors": {}})


def rows(service: GenerationService, keys: Iterable[str]) -> list[dict[str, Any]]:
    """What a page needs to know of each; of those that are no settings nothing."""
    current, dynamic, frozen = service.settings.current, _files(service), service.settings.frozen
    declared = current.declared
    known = [declared[key] for key in keys if key in declared]
    return [_row(setting, current, dynamic.get(setting.key, [])) | {"frozen": frozen.get(setting.key, "")} for setting in known]


def _row(setting: Setting, current: Settings, choices: list[str]) -> dict[str, Any]:
    return {
        "key": setting.key,
        "section": setting.section,
        "label": setting.label,
        "info": setting.info,
        "kind": "color" if setting.is_color else KINDS[setting.kind],
        "choices": list(setting.choices) or choices,
        "minimum": setting.minimum,
        "maximum": setting.maximum,
        "step": setting.step,
        "soft": setting.soft,
        "default": setting.default,
        "value": current[setting.key],
    }


def _files(service: GenerationService) -> dict[str, list[str]]:
    """What is to be chosen from folders."""
    catalog = service.catalog
    return {
        "localization": ["None", *localizations(service.paths)],
        "sd_model_checkpoint": ["", *(catalog.title(entry) for entry in catalog.entries("checkpoint"))],
        "sd_vae": ["Automatic", "None", *(entry.path.name for entry in catalog.entries("vae"))],
        "sd_lora": ["None", *(entry.stem for entry in catalog.entries("lora"))],
    }


def _wrong(key: str, value: object, settings: Settings) -> str:
    try:
        settings.override({key: value})
    except WebUIError as error:
        return str(error)
    return ""

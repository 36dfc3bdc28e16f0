"""Extensions, and their scripts and parts, over the API: A1111's script_name, script_args and alwayson_scripts, and the lists that tell them."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter
from PIL import Image

from backend.api.builtin_scripts import BUILTIN
from backend.api.pictures import decoded
from backend.api.schemas import ExtensionItem, ScriptInfo, ScriptsList
from backend.controls import Control, choices, places
from backend.errors import WebUIError
from backend.extension_store import ExtensionStore
from backend.flags import Flags
from backend.plugins import Owned
from backend.request import ScriptCall
from backend.scripts import TABS, Part, Script
from backend.service import GenerationService

log = logging.getLogger(__name__)


def add_scripts(router: APIRouter, service: GenerationService, flags: Flags) -> None:
    store = ExtensionStore(service.paths, service.settings, flags, service.hooks)

    @router.get("/extensions", response_model=list[ExtensionItem])
    def get_extensions_list() -> object:
        """Those that did not come with the program, as in A1111."""
        return [
            {
                "name": row.name,
                "remote": row.remote,
                "branch": row.branch,
                "commit_hash": row.commit,
                "version": row.version,
                "commit_date": row.date,
                "enabled": row.enabled,
            }
            for row in store.rows()
            if not row.shipped
        ]

    @router.get("/scripts", response_model=ScriptsList)
    def get_scripts_list() -> object:
        return {tab: [owned.of.title.lower() for owned in (*service.hooks.scripts(tab), *service.hooks.parts(tab))] + [*BUILTIN] for tab in TABS}

    @router.get("/script-info", response_model=list[ScriptInfo])
    def get_script_info() -> object:
        return [info for tab in TABS for info in _infos(service, tab)]


def called(service: GenerationService, tab: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What a body asks of extensions, for fields.to_request. Raises WebUIError in A1111's words for what there is not, with what there is."""
    hooks, found = service.hooks, {}
    if name := parameters["script_name"]:
        owned = hooks.script(str(name), tab)
        found["script"] = ScriptCall(title=owned.of.title, values=_values(service, owned, parameters["script_args"] or [], tab))
    parts = {}
    for name, given in (parameters["alwayson_scripts"] or {}).items():
        if name.lower() in BUILTIN:
            log.info("alwayson_scripts: what is said for %s does nothing, as in A1111: the request has fields for it", name)
            continue
        owned = hooks.part(name, tab)
        parts[owned.of.title] = _values(service, owned, _args(name, given), tab)
    return found | ({"parts": parts} if parts else {})


def _args(name: str, given: Any) -> Any:
    """Of {"args": […]}; nothing = the defaults. A dict in the place of the list names the controls by key, which A1111 cannot."""
    args = given.get("args", []) if isinstance(given, dict) else given
    if not isinstance(args, list | dict):
        raise WebUIError(f'alwayson_scripts: {name} needs {{"args": […]}}.')
    return args


def _values(service: GenerationService, owned: Owned[Script] | Owned[Part], args: list[Any] | dict[str, Any], tab: str) -> dict[str, Any]:
    hooks, settings, catalog = service.hooks, service.settings.current, service.catalog
    controls = hooks.controls(owned, tab, catalog, settings)
    if isinstance(args, dict):
        if unknown := args.keys() - {control.key for control in controls}:
            raise WebUIError(f"{owned.of.title} has no control {min(unknown)!r}. Known: {', '.join(control.key for control in controls)}.")
        by_key = {control.key: control for control in controls}
        return hooks.values(owned, {key: _picture(by_key[key], value, service) for key, value in args.items()}, tab, catalog, settings)
    given = [_picture(control, value, service) for control, value in zip(places(controls), args, strict=False)]
    return hooks.positional(owned, given, tab, catalog, settings)


def _picture(control: Control, value: Any, service: GenerationService) -> Any:
    if control.kind != "image" or value is None or isinstance(value, Image.Image):
        return value
    return decoded(str(value), service.settings.current)


def _infos(service: GenerationService, tab: str) -> Iterator[dict[str, Any]]:
    """Those whose controls cannot be told are left out; they are named on the page."""
    for owned, always_on in (*((one, False) for one in service.hooks.scripts(tab)), *((one, True) for one in service.hooks.parts(tab))):
        try:
            controls = service.hooks.controls(owned, tab, service.catalog, service.settings.current)
            args = [_arg(control, service) for control in places(controls)]
        except WebUIError:
            continue
        yield {"name": owned.of.title.lower(), "is_alwayson": always_on, "is_img2img": tab == "img2img", "args": args}
    for name, builtin in BUILTIN.items():
        yield {"name": name, "is_alwayson": True, "is_img2img": tab == "img2img", "args": [_arg(control, service) for control in builtin]}


def _arg(control: Control, service: GenerationService) -> dict[str, Any]:
    if control.kind == "text":
        return {"label": "", "value": control.label}
    known = list(choices(control, service.catalog)) if control.kind in ("dropdown", "radio", "checkboxgroup") else None
    return {
        "label": control.label,
        "value": list(control.default) if isinstance(control.default, tuple) else control.default,
        "minimum": control.minimum,
        "maximum": control.maximum,
        "step": control.step,
        "choices": known,
    }

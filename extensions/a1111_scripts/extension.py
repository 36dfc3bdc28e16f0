"""Scripts and extensions made for A1111, as far as a thin adapter carries them; see docs/a1111-scripts.md. Nothing is looked at unless the setting is on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from backend.flags import Flags
from backend.hooks import hookimpl
from backend.paths import Paths
from backend.request import GenerationRequest
from backend.scripts import PageTab, Part, Script, Session
from backend.settings import Setting, Settings
from extensions.a1111_scripts import adapt, declared, pages, routes
from extensions.a1111_scripts.host import Failed, Host


class Adapter:
    """The hooks; without a host there is nothing to carry."""

    def __init__(self) -> None:
        self._host: Host | None = None

    @hookimpl
    def begin(self, paths: Paths, flags: Flags, settings: Settings, failed: Failed) -> None:
        self._host = Host(paths, flags, settings, failed).load() if settings["a1111_scripts"] else None

    @hookimpl
    def scripts(self) -> Sequence[Script]:
        host = self._host
        return [adapt.A1111Script(host, *one) for one in adapt.titled(host, always_on=False)] if host else []

    @hookimpl
    def parts(self) -> Sequence[Part]:
        host = self._host
        return [adapt.A1111Part(host, *one) for one in adapt.titled(host, always_on=True)] if host else []

    @hookimpl
    def draw(self, request: GenerationRequest, session: Session, save: bool, show: bool, grid: bool) -> Any:
        return adapt.draw(self._host, request, session, save=save, show=show, grid=grid) if self._host else None

    @hookimpl
    def settings(self) -> Sequence[Setting]:
        return list(declared.settings(self._host.options.data_labels)) if self._host else []

    @hookimpl
    def tabs(self, service: Any) -> Sequence[PageTab]:
        host = self._host
        if host is None:
            return []
        host.serve(service)
        return list(pages.tabs(host))

    @hookimpl
    def api_routes(self, service: Any) -> APIRouter | None:
        host = self._host
        if host is None:
            return None
        host.serve(service)
        return routes.routes(host.callbacks, host.usable)

    @hookimpl
    def page_files(self) -> Sequence[Path]:
        return self._host.page_files() if self._host else ()


_ADAPTER = Adapter()
begin, scripts, parts, draw = _ADAPTER.begin, _ADAPTER.scripts, _ADAPTER.parts, _ADAPTER.draw
settings, tabs, api_routes, page_files = _ADAPTER.settings, _ADAPTER.tabs, _ADAPTER.api_routes, _ADAPTER.page_files

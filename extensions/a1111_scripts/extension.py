"""Scripts and extensions made for A1111, as far as a thin adapter carries them; see docs/a1111-scripts.md. Nothing is looked at unless the setting is on."""

from collections.abc import Sequence
from typing import Any

from backend.flags import Flags
from backend.hooks import hookimpl
from backend.paths import Paths
from backend.request import GenerationRequest
from backend.scripts import Part, Script, Session
from backend.settings import Settings
from extensions.a1111_scripts import adapt
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


_ADAPTER = Adapter()
begin, scripts, parts, draw = _ADAPTER.begin, _ADAPTER.scripts, _ADAPTER.parts, _ADAPTER.draw

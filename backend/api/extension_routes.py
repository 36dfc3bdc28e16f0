"""Addresses of extensions: for programs behind the logins of the API, for the page behind its own."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI, params

from backend.api.router import api_login
from backend.flags import Flags
from backend.service import GenerationService


def add_extension_routes(app: FastAPI, service: GenerationService, flags: Flags) -> None:
    """After all of the program's own, which go before."""
    _add(app, service, "api_routes", api_login(flags))


def add_extension_page_routes(app: FastAPI, service: GenerationService, login: Sequence[params.Depends]) -> None:
    """Likewise. login: of the page; none = everyone who reaches it."""
    _add(app, service, "page_routes", login)


def _add(app: FastAPI, service: GenerationService, hook: str, login: Sequence[params.Depends]) -> None:
    for extension, router in service.hooks.call(hook, service=service):
        with service.hooks.watched(extension, hook):
            if not isinstance(router, APIRouter):
                raise TypeError(f"it gave {type(router).__name__} instead of a fastapi.APIRouter")
            app.include_router(router, dependencies=list(login), tags=[extension])

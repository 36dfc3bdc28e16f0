"""Addresses of extensions, behind the logins of the API."""

from fastapi import APIRouter, FastAPI

from backend.api.router import api_login
from backend.flags import Flags
from backend.service import GenerationService


def add_extension_routes(app: FastAPI, service: GenerationService, flags: Flags) -> None:
    """After all of the program's own, which go before."""
    for extension, router in service.hooks.call("api_routes", service=service):
        with service.hooks.watched(extension, "api_routes"):
            if not isinstance(router, APIRouter):
                raise TypeError(f"it gave {type(router).__name__} instead of a fastapi.APIRouter")
            app.include_router(router, dependencies=api_login(flags), tags=[extension])

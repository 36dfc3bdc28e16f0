"""All routes of /sdapi/v1, and the one that says that the program runs."""

from fastapi import APIRouter, Depends, params

from backend.api.access import accounts, login, page_accounts
from backend.api.elsewhere import add_elsewhere
from backend.api.extras import add_extras
from backend.api.generation import add_generation
from backend.api.internal import add_internal
from backend.api.listings import add_listings
from backend.api.options import add_options
from backend.api.pictures import add_pictures
from backend.api.progress import add_progress
from backend.api.scripts import add_scripts
from backend.api.server import Stop, add_server, add_sysinfo
from backend.api.strict_json import StrictRoute
from backend.flags import Flags
from backend.service import GenerationService


def build_router(service: GenerationService, flags: Flags, stop: Stop) -> APIRouter:
    """stop: ends the program, for --api-server-stop."""
    router = APIRouter(prefix="/sdapi/v1", dependencies=api_login(flags), route_class=StrictRoute)
    add_generation(router, service)
    add_progress(router, service)
    add_listings(router, service)
    add_scripts(router, service, flags)
    add_options(router, service, flags)
    add_extras(router, service)
    add_pictures(router, service)
    add_elsewhere(router)
    if flags.api_server_stop:
        add_server(router, stop)
    return router


def build_internal_router(service: GenerationService, flags: Flags) -> APIRouter:
    """A1111's own page asks these; so do programs that watch a task by its id."""
    router = APIRouter(dependencies=api_login(flags), route_class=StrictRoute)
    add_internal(router, service)
    add_sysinfo(router, service, flags)
    return router


def api_login(flags: Flags) -> list[params.Depends]:
    """--api-auth asks for a name and a password; without it --gradio-auth does: who locks the page does not mean to leave the API open."""
    known = accounts(flags.api_auth) or page_accounts(flags)
    return [Depends(login(known))] if known else []


def build_ping() -> APIRouter:
    router = APIRouter()

    @router.get("/internal/ping")
    async def ping() -> dict[str, object]:
        return {}

    return router

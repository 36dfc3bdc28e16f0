"""All routes of /sdapi/v1, and the one that says that the program runs."""

from fastapi import APIRouter, Depends

from backend.api.access import accounts, login, page_accounts
from backend.api.generation import add_generation
from backend.api.listings import add_listings
from backend.api.options import add_options
from backend.api.progress import add_progress
from backend.flags import Flags
from backend.service import GenerationService


def build_router(service: GenerationService, flags: Flags) -> APIRouter:
    """--api-auth asks for a name and a password; without it --gradio-auth does: who locks the page does not mean to leave the API open."""
    known = accounts(flags.api_auth) or page_accounts(flags)
    router = APIRouter(prefix="/sdapi/v1", dependencies=[Depends(login(known))] if known else [])
    add_generation(router, service)
    add_progress(router, service)
    add_listings(router, service)
    add_options(router, service, flags)
    return router


def build_ping() -> APIRouter:
    router = APIRouter()

    @router.get("/internal/ping")
    async def ping() -> dict[str, object]:
        return {}

    return router

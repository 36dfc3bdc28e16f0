"""JSON and files for the page's own JavaScript, under /internal. Names, prompts and metadata leave as JSON; the page shows them as text."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse, JSONResponse
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import BaseModel

from backend.extension_store import ExtensionStore
from backend.preview_job import PreviewJob
from backend.service import GenerationService
from backend.tasks import Task
from ui import gallery_routes, history_routes, page_routes, progress, prompt_routes, quicksettings, settings_routes
from ui.compare_routes import add_compare_routes
from ui.extension_routes import add_extension_routes
from ui.extras_routes import add_extras_routes
from ui.job_routes import add_job_routes
from ui.library_routes import NO_STORE, add_library_routes
from ui.network_routes import add_network_routes
from ui.preview_routes import add_preview_routes
from ui.tool_routes import add_tool_routes
from ui.upload_routes import add_upload_routes

A_DAY: Mapping[str, str] = {"Cache-Control": "private, max-age=86400"}


class Client(BaseModel):
    """A JSON body, so that another site cannot send it without being asked by the browser first."""

    client: str
    tab: str = ""  # "": whichever


def build_routes(service: GenerationService, extensions: ExtensionStore | None = None, restart: Callable[[], None] = lambda: None) -> APIRouter:
    """To be included before Gradio is mounted at /, which takes every address that comes after it. restart: of the program."""
    router = APIRouter(prefix="/internal", include_in_schema=False)
    _progress_routes(router, service)
    _file_routes(router, service)
    _listing_routes(router, service)
    add_library_routes(router, service)
    prompt_routes.add_routes(router, service)
    settings_routes.add_routes(router, service)
    page_routes.add_routes(router, service)
    add_upload_routes(router, service)
    history_routes.add_routes(router, service)
    gallery_routes.add_routes(router, service)
    add_network_routes(router, service)
    add_job_routes(router, service)
    if extensions is not None:
        add_extension_routes(router, service, extensions, restart)
    add_tool_routes(router, service)
    add_compare_routes(router, service)
    add_extras_routes(router, service)
    add_preview_routes(router, PreviewJob(service))
    return router


def _progress_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/progress")
    async def read_progress(client: str = "", rev: str = "") -> Response:
        state = progress.snapshot(service, client)
        return Response(status_code=204, headers=NO_STORE) if state["rev"] == rev else JSONResponse(state, headers=NO_STORE)

    @router.get("/task/{task_id}")
    async def read_pictures(task_id: str, start: int = 0) -> Response:
        return JSONResponse({"pictures": progress.pictures(_found(service, task_id), max(start, 0))}, headers=NO_STORE)

    @router.post("/interrupt")
    async def interrupt(body: Client) -> dict[str, bool]:
        return _tell(service, body, service.interrupt)

    @router.post("/skip")
    async def skip(body: Client) -> dict[str, bool]:
        return _tell(service, body, service.skip)


def _file_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/preview/{task_id}")
    async def read_preview(task_id: str) -> Response:
        data = _found(service, task_id).preview
        if not data:
            raise HTTPException(404, "No preview yet")
        return Response(data, media_type="image/png" if data.startswith(b"\x89PNG") else "image/jpeg", headers=NO_STORE)

    @router.get("/image/{task_id}/{index}/{name}")
    async def read_image(task_id: str, index: int, name: str) -> Response:
        task = _found(service, task_id)
        there = 0 <= index < len(task.images) and progress.file_name(task, index) == name
        image = task.images[index] if there else task.taken_back.get((index, name))
        if image is not None and image.path is None and image.pixels is not None:
            return Response(_png(image.pixels, image.infotext), media_type="image/png", headers=A_DAY)
        return _file(image.path if image is not None else None)


def _listing_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/examples")
    def read_examples(checkpoint: str = "") -> dict[str, object]:
        return {"examples": quicksettings.examples(service.catalog.find("checkpoint", checkpoint)) if checkpoint else []}


def _file(path: Path | None) -> Response:
    media_type = progress.MEDIA_TYPES.get(path.suffix.lower()) if path else None
    if path is None or media_type is None or not path.is_file():
        raise HTTPException(404, "This picture is not there any more")
    return FileResponse(path, media_type=media_type, headers=A_DAY)


def _png(pixels: Image.Image, infotext: str) -> bytes:
    info, data = PngInfo(), io.BytesIO()
    info.add_text("parameters", infotext)
    pixels.save(data, "png", pnginfo=info)
    return data.getvalue()


def _found(service: GenerationService, task_id: str) -> Task:
    task = next((task for task in service.tasks() if task.id == task_id), None)
    if task is None:
        raise HTTPException(404, "This task is not known any more")
    return task


def _tell(service: GenerationService, client: Client, what: Callable[[str], object]) -> dict[str, bool]:
    task = progress.active_task(service, client.client, client.tab)
    if task is not None:
        what(task.id)
    return {"found": task is not None}

"""JSON and files for the page's own JavaScript, under /internal. Names, prompts and metadata leave as JSON; the page shows them as text."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse, JSONResponse
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import BaseModel

from backend.errors import WebUIError
from backend.library import Library, Query
from backend.model_folders import KINDS, Kind
from backend.service import GenerationService
from backend.sidecar import read_sidecar
from backend.tasks import Task
from backend.thumbnails import picture_version, thumbnail
from ui import progress, quicksettings

NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store"}
A_YEAR: Mapping[str, str] = {"Cache-Control": "private, max-age=31536000, immutable"}
A_DAY: Mapping[str, str] = {"Cache-Control": "private, max-age=86400"}


class Client(BaseModel):
    """A JSON body, so that another site cannot send it without being asked by the browser first."""

    client: str


def build_routes(service: GenerationService) -> APIRouter:
    """To be included before Gradio is mounted at /, which takes every address that comes after it."""
    router = APIRouter(prefix="/internal", include_in_schema=False)
    _progress_routes(router, service)
    _file_routes(router, service)
    _listing_routes(router, service)
    _library_routes(router, service)
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
        return _tell(service, body.client, service.interrupt)

    @router.post("/skip")
    async def skip(body: Client) -> dict[str, bool]:
        return _tell(service, body.client, service.skip)


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
        if not (0 <= index < len(task.images) and progress.file_name(task, index) == name):
            raise HTTPException(404, "No such picture")
        image = task.images[index]
        if image.path is None and image.pixels is not None:
            return Response(_png(image.pixels, image.infotext), media_type="image/png", headers=A_DAY)
        media_type = progress.MEDIA_TYPES.get(image.path.suffix.lower()) if image.path else None
        if media_type is None or not image.path or not image.path.is_file():
            raise HTTPException(404, "This picture is not there any more")
        return FileResponse(image.path, media_type=media_type, headers=A_DAY)


def _listing_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/loras")
    def read_loras() -> dict[str, object]:
        return {"loras": [{"name": entry.stem, **_notes(entry.path)} for entry in service.catalog.entries("lora")]}

    @router.get("/examples")
    def read_examples(checkpoint: str = "") -> dict[str, object]:
        return {"examples": quicksettings.examples(service.catalog.find("checkpoint", checkpoint)) if checkpoint else []}


def _library_routes(router: APIRouter, service: GenerationService) -> None:
    library = Library(service.catalog)

    @router.get("/library/{kind}")
    def read_library(kind: str, search: str = "", folder: str = "", sort: str = "path", descending: bool = False, start: int = 0, count: int = 100) -> Response:
        query = Query(search=search, folder=folder, sort=sort, descending=descending, start=start, count=count)
        try:
            return JSONResponse(library.page(_kind(kind), query), headers=NO_STORE)
        except WebUIError as error:
            raise HTTPException(400, str(error)) from error

    @router.get("/thumbnail/{kind}/{name:path}")
    def read_thumbnail(kind: str, name: str, v: str = "") -> Response:
        """v: picture_version, with which the address is good for ever."""
        entry = service.catalog.find(_kind(kind), name)
        if entry is None or entry.name != name:
            raise HTTPException(404, "No such model")
        version = picture_version(entry.path)
        path = thumbnail(entry.path, entry.metadata, service.paths.cache / "thumbnails")
        headers = A_YEAR if v and v == version else NO_STORE
        return FileResponse(path, media_type="image/webp", headers=headers) if path else Response("No picture", 404, headers)


def _kind(text: str) -> Kind:
    for kind in KINDS:
        if kind == text:
            return kind
    raise HTTPException(404, f"Unknown kind {text!r}. Known: {', '.join(KINDS)}.")


def _notes(path: Path) -> dict[str, object]:
    """What a click on a LoRA puts into the prompts, by the file's own notes."""
    sidecar = read_sidecar(path)
    weight = sidecar.get("preferred weight")
    return {
        "text": str(sidecar.get("activation text") or ""),
        "negative": str(sidecar.get("negative text") or ""),
        "weight": float(weight) if isinstance(weight, int | float) and weight else 1.0,
        "description": str(sidecar.get("description") or ""),
    }


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


def _tell(service: GenerationService, client: str, what: Callable[[str], object]) -> dict[str, bool]:
    task = progress.active_task(service, client)
    if task is not None:
        what(task.id)
    return {"found": task is not None}

"""Model files from the browser, as raw bodies, straight to the disk: PUT /internal/upload/{kind}/{filename}; GET asks first whether it would be taken."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from backend.errors import WebUIError
from backend.service import GenerationService
from backend.upload import GB, Upload, check_name, check_room
from ui.library_routes import Explained, answer, known_kind

_PIECE = 1 << 20  # bytes that are written at once
_HEARD_OUT = 32 << 20  # bytes of a refused body that are still taken: a browser that is cut short does not show the answer


def add_upload_routes(router: APIRouter, service: GenerationService) -> None:
    def allowed(kind: str, filename: str) -> tuple[Path, int]:
        """Where it would lie, and how many bytes it may have."""
        service.exposure.check("upload models")
        check_name(filename)
        most = service.settings.current["upload_limit"]
        return service.catalog.folders.place(known_kind(kind), filename), int(most * GB)

    @router.get("/upload/{kind}/{filename:path}")
    def ask(kind: str, filename: str, size: int = 0) -> Response:
        """size: bytes."""
        with Explained():
            target, most = allowed(kind, filename)
            check_room(target, size, most)
            return answer({"name": target.name})

    @router.put("/upload/{kind}/{filename:path}")
    async def upload(kind: str, filename: str, request: Request) -> Response:
        """Answers with the file as a page of the library has it."""
        with Explained():
            try:
                target, most = allowed(kind, filename)
                path = await _receive(request, target, most)
            except WebUIError:
                await _hear_out(request)
                raise
            except ClientDisconnect:
                return Response(status_code=400)  # nobody hears it
            return answer(await run_in_threadpool(_listed, service, kind, path))


async def _receive(request: Request, target: Path, most: int) -> Path:
    size = request.headers.get("content-length", "")
    upload = await run_in_threadpool(Upload, target, size=int(size) if size.isdecimal() else None, most=most)
    with upload:
        piece = b""
        async for data in request.stream():
            piece += data
            if len(piece) >= _PIECE:
                await run_in_threadpool(upload.write, piece)
                piece = b""
        await run_in_threadpool(upload.write, piece)
        return await run_in_threadpool(upload.finish)


async def _hear_out(request: Request) -> None:
    try:
        left = _HEARD_OUT
        async for data in request.stream():
            left -= len(data)
            if left < 0:
                return
    except (ClientDisconnect, RuntimeError):  # gone, or heard out already
        return


def _listed(service: GenerationService, kind: str, path: Path) -> dict[str, object]:
    service.catalog.look_at([path])
    return service.library.entry(known_kind(kind), path.name, service.settings.current["sd_model_checkpoint"])

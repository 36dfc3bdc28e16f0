"""The body of a request, piece by piece → a model file in its folder, listed at once. The same for page and API."""

from pathlib import Path

from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from backend.errors import NotFound, WebUIError
from backend.model_folders import KINDS, Kind
from backend.service import GenerationService
from backend.upload import GB, Upload, check_name

_PIECE = 1 << 20  # bytes that are written at once
_HEARD_OUT = 32 << 20  # bytes of a refused body that are still taken: a client that is cut short does not show the answer


def allowed(service: GenerationService, kind: str, filename: str) -> tuple[Path, int]:
    """Where it would lie, and how many bytes it may have. Raises WebUIError."""
    service.exposure.check("upload models")
    check_name(filename)
    most = service.settings.current["upload_limit"]
    return service.catalog.folders.place(_kind(kind), filename), int(most * GB)


async def upload(service: GenerationService, kind: str, filename: str, request: Request) -> dict[str, object]:
    """The file as a page of the library has it. Raises WebUIError, and ClientDisconnect where the client went away; then nothing is left of it."""
    try:
        target, most = allowed(service, kind, filename)
        path = await _receive(request, target, most)
    except WebUIError:
        await _hear_out(request)
        raise
    return await run_in_threadpool(_listed, service, _kind(kind), path)


def _kind(text: str) -> Kind:
    for kind in KINDS:
        if kind == text:
            return kind
    raise NotFound(f"Unknown kind {text!r}. Known: {', '.join(KINDS)}.")


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


def _listed(service: GenerationService, kind: Kind, path: Path) -> dict[str, object]:
    service.catalog.look_at([path])
    return service.library.entry(kind, path.name, service.settings.current["sd_model_checkpoint"])

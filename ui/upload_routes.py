"""Model files from the browser, as raw bodies, straight to the disk: PUT /internal/upload/{kind}/{filename}; GET asks first whether it would be taken."""

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from backend import uploading
from backend.service import GenerationService
from backend.upload import check_room
from ui.library_routes import Explained, answer


def add_upload_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/upload/{kind}/{filename:path}")
    def ask(kind: str, filename: str, size: int = 0) -> Response:
        """size: bytes."""
        with Explained():
            target, most = uploading.allowed(service, kind, filename)
            check_room(target, size, most)
            return answer({"name": target.name})

    @router.put("/upload/{kind}/{filename:path}")
    async def upload(kind: str, filename: str, request: Request) -> Response:
        """Answers with the file as a page of the library has it."""
        with Explained():
            try:
                return answer(await uploading.upload(service, kind, filename, request))
            except ClientDisconnect:
                return Response(status_code=400)  # nobody hears it

"""A picture drawn again and compared, under /internal/compare: the file comes in as the body, what is known of it goes out."""

from typing import Literal

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from backend.comparisons import Comparisons, png, told
from backend.errors import WebUIError
from backend.service import GenerationService
from ui import progress
from ui.library_routes import NO_STORE, Explained, answer

LARGEST_PICTURE = 64 << 20
TAB = "compare"


def add_compare_routes(router: APIRouter, service: GenerationService) -> None:
    comparisons = Comparisons(service)

    @router.post("/compare")
    async def begin(request: Request, client: str = "") -> Response:
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > LARGEST_PICTURE:
                raise HTTPException(413, "This picture is larger than 64 MB.")
        with Explained():
            if not progress.CLIENT.fullmatch(client):
                raise WebUIError("This page has lost its id. Reload it.")
            return answer(told(await run_in_threadpool(comparisons.begin, bytes(data), progress.new_task_id(client, TAB))))

    @router.get("/compare/{id}")
    def look(id: str) -> Response:
        with Explained():
            return answer(told(comparisons.get(id)))

    @router.get("/compare/{id}/{which}.png")
    def read_picture(id: str, which: Literal["before", "after", "difference"]) -> Response:
        with Explained():
            return Response(png(comparisons.get(id).picture(which)), media_type="image/png", headers=NO_STORE)

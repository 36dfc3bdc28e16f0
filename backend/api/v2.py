"""/api/v2: what A1111's API cannot say. Jobs that nobody waits for, what happens to them, the library with what fits, uploads."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from backend import library
from backend.api.base64_image import file_of
from backend.api.generation import asked
from backend.api.job_events import events, job_state
from backend.api.router import api_login
from backend.api.strict_json import StrictRoute
from backend.api.v2_schemas import EVENTS, JobState, LoraPage, LoraQuery, NewJob, Submitted
from backend.api.waiting import ended
from backend.comparisons import Comparisons, told
from backend.errors import NotFound
from backend.flags import Flags
from backend.service import GenerationService
from backend.tasks import Task
from backend.uploading import upload

_PICTURES: Mapping[str, Any] = {"content": {f"image/{format}": {} for format in ("png", "jpeg", "webp", "avif")}}
_BODY: Mapping[str, Any] = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


def build_v2_router(service: GenerationService, flags: Flags) -> APIRouter:
    router = APIRouter(prefix="/api/v2", dependencies=api_login(flags), route_class=StrictRoute, tags=["v2"])
    _add_jobs(router, service)
    _add_pictures(router, service)
    _add_comparison(router, service)
    _add_files(router, service)
    return router


def _add_jobs(router: APIRouter, service: GenerationService) -> None:
    @router.get("/jobs", response_model=list[JobState])
    async def list_jobs() -> object:
        """All that wait and run, of whoever asked for them, and the last ones that ended; oldest first."""
        return [job_state(service, task) for task in service.tasks()]

    @router.post("/jobs", response_model=Submitted, status_code=202)
    async def submit_job(body: NewJob) -> object:
        """Answers at once. The pictures are saved, unless save_images is false; a job that saves outlives a restart of the program, see docs/page.md."""
        given = body.txt2img or body.img2img
        request, parameters = await asked(service, given)  # type: ignore[arg-type]
        save = parameters["save_images"] or "save_images" not in given.model_fields_set  # type: ignore[union-attr]
        id = parameters["force_task_id"] or ""
        task = await asyncio.to_thread(service.submit, request, id_task=id, save_samples=save, save_grid=save, kept=bool(save))
        return {"id": task.id, "position": service.queue_position(task)}

    @router.get("/jobs/{id}", response_model=JobState)
    async def read_job(id: str) -> object:
        return job_state(service, _found(service, id))

    @router.delete("/jobs/{id}", response_model=JobState)
    async def cancel_job(id: str) -> object:
        """One that waits leaves the queue; one that runs ends within a step; one that has ended stays as it is."""
        task = _found(service, id)
        service.interrupt(task.id)
        return job_state(service, task)

    @router.get("/jobs/{id}/events", responses={200: {"content": {"text/event-stream": {"example": EVENTS}}}}, response_class=StreamingResponse)
    async def follow_job(id: str, previews: bool = True) -> Response:
        """Server-sent events: queued, status, step, preview, picture, and done, failed or interrupted, with which the stream ends.

        It begins with the pictures that are there already, so that a client that was cut off loses none.
        """
        stream = events(service, _found(service, id), previews=previews)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def _add_pictures(router: APIRouter, service: GenerationService) -> None:
    @router.get("/jobs/{id}/images/{index}", responses={200: dict(_PICTURES)}, response_class=Response)
    async def read_image(id: str, index: int) -> Response:
        """As it was saved; one that was not, in the format of the settings. Its parameters are in it."""
        task = _found(service, id)
        if not 0 <= index < len(task.images):
            raise NotFound(f"The job has {len(task.images)} pictures so far, counted from 0.")
        media_type, data = await asyncio.to_thread(file_of, task.images[index], task.settings)
        return Response(data, media_type=media_type)


def _add_comparison(router: APIRouter, service: GenerationService) -> None:
    comparisons = Comparisons(service)

    @router.post("/compare", openapi_extra=dict(_BODY))
    async def compare(request: Request) -> object:
        """A picture, as the raw body, is drawn again from its parameters. Answers with the files it needs, and whether both are identical, or how far apart.

        The new picture is that of the job `task`.
        """
        comparison = await asyncio.to_thread(comparisons.begin, await request.body())
        if comparison.task is not None:
            await ended(comparison.task)
        return await asyncio.to_thread(told, comparison)


def _add_files(router: APIRouter, service: GenerationService) -> None:
    @router.get("/loras", response_model=LoraPage)
    def read_loras(query: Annotated[LoraQuery, Query()]) -> object:
        """The library of Loras, each with what it is and how much of it fits the chosen checkpoint."""
        checkpoint = service.settings.current["sd_model_checkpoint"]
        return service.library.page("lora", library.Query(**query.model_dump(), checkpoint=checkpoint))

    @router.put("/upload/{kind}/{filename}", openapi_extra=dict(_BODY))
    async def upload_file(kind: str, filename: str, request: Request) -> object:
        """A .safetensors file as the raw body, checked as it comes in. kind: lora, checkpoint, vae, embedding, …"""
        try:
            return await upload(service, kind, filename, request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it


def _found(service: GenerationService, id: str) -> Task:
    """A page's task goes by the id that the list tells, where visitors may change things."""
    told = (task for task in service.tasks() if task.told_id == id and service.exposure.changes)
    task = service.task(id) or next(told, None)
    if task is None:
        raise NotFound(f"There is no job {id!r}, or it ended too long ago.")
    return task

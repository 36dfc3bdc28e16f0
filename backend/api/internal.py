"""A1111's /internal routes that other programs use: the progress of a task by its id, and what waits."""

import base64

from fastapi import APIRouter
from pydantic import BaseModel

from backend.api.progress import live_image
from backend.service import GenerationService


class ProgressRequest(BaseModel):
    id_task: str | None = None
    id_live_preview: int = -1  # the one that the asker has already
    live_preview: bool = True


class InternalProgress(BaseModel):
    active: bool
    queued: bool
    completed: bool
    progress: float | None = None
    eta: float | None = None
    live_preview: str | None = None
    id_live_preview: int | None = None
    textinfo: str | None = None


class PendingTasks(BaseModel):
    size: int
    tasks: list[str]


class QuicksettingsHint(BaseModel):
    name: str
    label: str


def add_internal(router: APIRouter, service: GenerationService) -> None:
    @router.post("/internal/progress", response_model=InternalProgress)
    async def progress_of(body: ProgressRequest) -> object:
        return _progress(service, body)

    @router.get("/internal/pending-tasks", response_model=PendingTasks)
    async def pending_tasks() -> object:
        waiting = [task.told_id for task in service.tasks() if task.state == "queued"]
        return PendingTasks(size=len(waiting), tasks=waiting)

    @router.get("/internal/quicksettings-hint", response_model=list[QuicksettingsHint])
    async def quicksettings_hint() -> object:
        return [{"name": setting.key, "label": setting.label} for setting in service.settings.current.declared.values()]


def _progress(service: GenerationService, asked: ProgressRequest) -> InternalProgress:
    task = service.task(asked.id_task) if asked.id_task else service.current()
    if task is None or task.ended:
        return InternalProgress(active=False, queued=False, completed=task is not None, id_live_preview=-1, textinfo=None if task else "Waiting...")
    if task.state == "queued":
        place = service.queue_position(task)
        return InternalProgress(active=False, queued=True, completed=False, id_live_preview=-1, textinfo=f"In queue: {place}")
    preview = live_image(task) if asked.live_preview and task.preview_revision != asked.id_live_preview else None
    return InternalProgress(
        active=True,
        queued=False,
        completed=False,
        progress=task.progress,
        eta=task.eta,
        live_preview=f"data:{preview[0]};base64,{base64.b64encode(preview[1]).decode()}" if preview else None,
        id_live_preview=task.preview_revision if preview else asked.id_live_preview,
        textinfo=task.status or None,
    )

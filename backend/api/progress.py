"""How far it is, and how to stop it. Everything here answers at once."""

import base64
from datetime import datetime

from fastapi import APIRouter

from backend.api.schemas import ProgressResponse
from backend.service import GenerationService
from backend.tasks import Task

JOB = "scripts_txt2img"  # A1111's name for a job without a task id


def add_progress(router: APIRouter, service: GenerationService) -> None:
    @router.get("/progress", response_model=ProgressResponse)
    async def get_progress(skip_current_image: bool = False) -> object:
        task = service.current()
        if task is None:
            return ProgressResponse(progress=0.0, eta_relative=0.0, state=idle_state(service.tasks()))
        image = None if skip_current_image or task.preview is None else base64.b64encode(task.preview).decode()
        progress = max(task.progress, 0.01)  # A1111's least; 0 says that nothing runs
        return ProgressResponse(progress=progress, eta_relative=task.eta or 0.0, state=state(task), current_image=image, textinfo=task.status or None)

    @router.post("/interrupt")
    async def interrupt() -> dict[str, object]:
        service.interrupt()
        return {}

    @router.post("/skip")
    async def skip() -> None:
        service.skip()


def live_image(task: Task) -> tuple[str, bytes] | None:
    """Media type and bytes of the live preview, in the format that the settings name."""
    return None if task.preview is None else (f"image/{task.settings['live_previews_image_format']}", task.preview)


def state(task: Task) -> dict[str, object]:
    """A1111's shared.state of a running task."""
    return {
        "skipped": task.cancel.skipped,
        "interrupted": task.interrupted,
        "stopping_generation": False,
        "job": f"Batch {task.batch + 1} out of {task.batches}" if task.batches > 1 else task.id or JOB,
        "job_count": task.batches,
        "job_timestamp": timestamp(task.started),
        "job_no": task.batch,
        "sampling_step": task.step,
        "sampling_steps": task.steps,
    }


def idle_state(tasks: tuple[Task, ...]) -> dict[str, object]:
    """The last task's, with nothing to do."""
    last = next((task for task in reversed(tasks) if task.ended and task.started), None)
    left = {**state(last), "job_no": last.batches} if last else {"interrupted": False, "skipped": False, "stopping_generation": False, "sampling_steps": 0}
    return {"job_timestamp": "0", "job_no": 0, **left, "job": "", "job_count": 0, "sampling_step": 0}


def timestamp(moment: datetime | None) -> str:
    return moment.strftime("%Y%m%d%H%M%S") if moment else "0"

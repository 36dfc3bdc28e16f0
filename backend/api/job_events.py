"""A job as it is, and what happens to it as server-sent events."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

from backend.api.progress import live_image
from backend.api.v2_schemas import JobState, Picture
from backend.extras import ExtrasTask
from backend.service import GenerationService
from backend.tasks import SavedImage, Task

INTERVAL = 0.1  # seconds between two looks: what comes faster is told together
HEARTBEAT = 15.0  # seconds of silence, after which a comment keeps the connection open


def job_state(service: GenerationService, task: Task) -> JobState:
    return JobState(
        id=task.told_id,
        kind="extras" if isinstance(task, ExtrasTask) else "img2img" if task.request.init is not None else "txt2img",
        state=task.state,
        position=service.queue_position(task),
        progress=task.progress,
        eta=task.eta,
        batch=task.batch,
        batches=task.batches,
        step=task.step,
        steps=task.steps,
        status=task.status,
        error=task.error,
        comments=list(task.comments),
        created=task.created,
        started=task.started,
        finished=task.finished,
        images=[_picture(task, index, image) for index, image in enumerate(task.images)],
    )


async def events(service: GenerationService, task: Task, *, previews: bool) -> AsyncIterator[str]:
    """All pictures so far, then whatever is new, at last the state that the job ended in, with all of it."""
    teller = _Teller(service, task, previews)
    end, heard = asyncio.wrap_future(task.end), time.monotonic()
    while True:
        ended = task.ended  # asked first, so that the last look misses nothing
        for event in teller.news():
            heard = time.monotonic()
            yield event
        if ended:
            yield _event(task.state, job_state(service, task).model_dump(mode="json"))
            return
        if time.monotonic() - heard > HEARTBEAT:
            heard = time.monotonic()
            yield ":\n\n"
        await asyncio.wait([end], timeout=INTERVAL)


class _Teller:
    """Remembers what its listener knows."""

    def __init__(self, service: GenerationService, task: Task, previews: bool) -> None:
        self._service, self._task, self._previews = service, task, previews
        self._revision, self._position, self._status, self._step, self._preview, self._pictures = -1, -1, "", (0, 0), 0, 0

    def news(self) -> Iterator[str]:
        task = self._task
        if task.state == "queued" and (position := self._service.queue_position(task)) != self._position:
            self._position = position
            yield _event("queued", {"position": position})
        if task.revision == self._revision:
            return
        self._revision = task.revision
        if task.status and task.status != self._status:
            yield _event("status", {"text": task.status})
        self._status = task.status
        yield from self._steps()
        yield from self._shown()
        for index in range(self._pictures, len(task.images)):
            yield _event("picture", _picture(task, index, task.images[index]).model_dump())
            self._pictures = index + 1

    def _steps(self) -> Iterator[str]:
        task, step = self._task, (self._task.batch, self._task.step)
        if step != self._step and task.step:
            facts = {"step": task.step, "steps": task.steps, "batch": task.batch, "batches": task.batches}
            yield _event("step", {**facts, "progress": task.progress, "eta": task.eta})
        self._step = step

    def _shown(self) -> Iterator[str]:
        revision, live = self._task.preview_revision, live_image(self._task)
        if self._previews and live is not None and revision != self._preview:
            self._preview = revision
            yield _event("preview", {"media_type": live[0], "image": base64.b64encode(live[1]).decode()})


def _picture(task: Task, index: int, image: SavedImage) -> Picture:
    return Picture(
        index=index,
        url=f"jobs/{quote(task.told_id, safe='()')}/images/{index}",
        seed=image.seed,
        infotext=image.infotext,
        grid=image.grid,
        complete=image.complete,
        saved=image.path is not None,
    )


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"

"""The list of jobs for the page, under /internal/jobs: what waits and runs, and whose it is; cancel, move, and what was left over from the last run.

A task's id tells its page's id, with which one could stop and look into everything of that page. So a job goes by a key that tells nothing.
"""

import hashlib
import re
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from backend.errors import NotFound
from backend.extras import ExtrasTask
from backend.service import GenerationService
from backend.tasks import Task
from backend.tool_task import ToolTask
from ui import drafts, progress
from ui.library_routes import Explained, answer

LONGEST = 200  # characters of a prompt
_PAGE = re.compile(r"[0-9a-f]{32}-")


class Asker(BaseModel):
    """A JSON body, so that another site cannot send it without being asked by the browser first."""

    client: str


class Wish(Asker):
    to: Literal["up", "down", "first", "last"] | int


class Decision(Asker):
    take_up: bool


def add_job_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/jobs")
    async def read_jobs(client: str = "") -> Response:
        return answer(listed(service, client))

    @router.post("/jobs/left")
    def decide(body: Decision) -> Response:
        """Those that were offered to this page wait again, or are forgotten. Those of another page become its own; programs ask for theirs by the old id."""
        with Explained():
            for task in progress.left_for(service, body.client):
                if body.take_up:
                    adopted = owner(task, body.client) == "page"
                    service.take_up(task, id_task=progress.new_task_id(body.client, progress.tab_of(task)) if adopted else task.id)
                else:
                    service.discard(task)
            return answer(listed(service, body.client))

    @router.post("/jobs/{key}/cancel")
    def cancel(key: str, body: Asker) -> Response:
        with Explained():
            service.interrupt(_allowed(service, key, body.client, "cancel").id)
            return answer(listed(service, body.client))

    @router.post("/jobs/{key}/move")
    def move(key: str, body: Wish) -> Response:
        with Explained():
            task = _allowed(service, key, body.client, "move")
            service.move(task.id, body.to, lambda other: not drafts.is_draft(other) and _may(service, other, body.client))
            return answer(listed(service, body.client))


def listed(service: GenerationService, client: str) -> dict[str, object]:
    """In the order of their turn."""
    tasks = _unfinished(service)
    turns = [task for task in tasks if task.state == "queued" and _may(service, task, client)]
    return {"jobs": [_job(service, task, client, turns) for task in tasks]}


def owner(task: Task, client: str) -> Literal["own", "page", "api"]:
    """Whose it is: of this page, of another page, or of a program."""
    whole = task.id.removeprefix(drafts.PREFIX)
    if progress.CLIENT.fullmatch(client) and whole.startswith(f"{client}-"):
        return "own"
    return "page" if _PAGE.match(whole) else "api"


def _unfinished(service: GenerationService) -> list[Task]:
    """Without live drafts, which come and go with each move of a slider."""
    return [task for task in service.tasks() if task.state not in progress.FINISHED and not drafts.is_draft(task)]


def _may(service: GenerationService, task: Task, client: str) -> bool:
    """Whether this page may cancel and move it."""
    return owner(task, client) == "own" or service.exposure.changes


def _allowed(service: GenerationService, key: str, client: str, what: str) -> Task:
    task = next((task for task in _unfinished(service) if _key(task) == key), None)
    if task is None:
        raise NotFound("This job has ended already.")
    if owner(task, client) != "own":
        service.exposure.check(f"{what} jobs of others")
    return task


def _job(service: GenerationService, task: Task, client: str, turns: list[Task]) -> dict[str, object]:
    """turns: the waiting ones that this page may move."""
    request, whose = task.request, owner(task, client)
    extras, tool = isinstance(task, ExtrasTask), isinstance(task, ToolTask)
    at = turns.index(task) if task in turns else -1
    return {
        "key": _key(task),
        "state": task.state,
        "kind": _kind(task),
        "owner": whose,
        "prompt": None if service.exposure.open and whose != "own" else (request.prompts or (request.prompt,))[0][:LONGEST],
        "size": None if extras or tool else [request.size.width, request.size.height],
        "steps": None if extras or tool else request.sampling.steps,
        "pictures": task.batches if extras else request.batch_size * request.n_iter,
        "position": service.queue_position(task) if task.state == "queued" else 0,
        "progress": round(task.progress, 4),
        "eta": None if task.eta is None else round(task.eta, 1),
        "may": _may(service, task, client),
        "up": at > 0,
        "down": 0 <= at < len(turns) - 1,
    }


def _kind(task: Task) -> str:
    """For the person."""
    match task:
        case ExtrasTask():
            return "Extras"
        case ToolTask():
            return task.words
    return "img2img" if task.request.init else "txt2img"


def _key(task: Task) -> str:
    return hashlib.blake2b(task.id.encode(), digest_size=12).hexdigest()

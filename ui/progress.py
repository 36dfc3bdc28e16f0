"""What a page needs to know about its own tasks, small enough to be asked for twice a second."""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from urllib.parse import quote

from pydantic import BaseModel

from backend import infotext
from backend.errors import NotFound
from backend.service import GenerationService
from backend.tasks import SavedImage, Task
from ui import drafts

CLIENT = re.compile(r"[0-9a-f]{32}")
RECENT = 3  # finished tasks that a page still hears of
FINISHED = ("done", "failed", "interrupted")
MEDIA_TYPES: Mapping[str, str] = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".avif": "image/avif"}


def new_task_id(client: str, tab: str = "txt2img") -> str:
    """A page's tasks carry its client id and tab, so that it finds them again after a reload, and no other page does."""
    return f"{client}-{tab}-{secrets.token_hex(8)}"


def tab_of(task: Task) -> str:
    """Where its pictures are shown."""
    parts = task.id.split("-")
    return parts[1] if len(parts) == 3 else "txt2img"


def own_tasks(service: GenerationService, client: str) -> list[Task]:
    """Oldest first: what waits or runs, and the last few that ended."""
    if not CLIENT.fullmatch(client):
        return []
    own = [task for task in service.tasks() if task.id.startswith(f"{client}-")]
    finished = [task for task in own if task.state in FINISHED][-RECENT:]
    return [task for task in own if task.state not in FINISHED or task in finished]


def left_for(service: GenerationService, client: str) -> list[Task]:
    """What waited when the program ended and is offered to this page: its own; if there is none of it, everyone's, as far as visitors may change things."""
    if not CLIENT.fullmatch(client):
        return []
    own = [task for task in service.left() if task.id.startswith(f"{client}-")]
    return own or (list(service.left()) if service.exposure.changes else [])


def active_task(service: GenerationService, client: str, tab: str = "") -> Task | None:
    """The one that Interrupt and Skip mean: the oldest that has not ended (of this tab)."""
    return next((task for task in own_tasks(service, client) if task.state not in FINISHED and tab in ("", tab_of(task))), None)


def snapshot(service: GenerationService, client: str) -> dict[str, object]:
    """`rev` changes whenever anything else in it does."""
    tasks = service.tasks()
    state: dict[str, object] = {
        "engine": service.engine_status(),
        "catalog": service.catalog.revision,
        "checkpoints": len(service.catalog.entries("checkpoint")),
        "unfinished": sum(task.state not in FINISHED and not drafts.is_draft(task) for task in tasks),
        "left": len(left_for(service, client)),
        "tasks": [_task(service, task) for task in own_tasks(service, client)],
    }
    text = json.dumps(state, sort_keys=True)
    return state | {"rev": hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}


def pictures(task: Task, start: int = 0) -> list[dict[str, object]]:
    """The pictures of a task from number `start` on. `url` serves the file on disk as it is, under its own name."""
    return [_picture(task, index) for index in range(start, len(task.images))]


def file_name(task: Task, index: int) -> str:
    """As on disk, or of the same form."""
    return task.images[index].name_at(index)


class NamedPicture(BaseModel):
    """name: that the page knows it by, so that a number that has moved on is not taken for another picture."""

    task: str
    index: int
    name: str


def find_picture(service: GenerationService, picture: NamedPicture) -> SavedImage:
    """Raises NotFound."""
    task = service.task(picture.task)
    if task is None or not 0 <= picture.index < len(task.images) or file_name(task, picture.index) != picture.name:
        raise NotFound("This picture is not there any more.")
    return task.images[picture.index]


def seeds(image: SavedImage) -> dict[str, int]:
    """Of its infotext, by field name."""
    return _values(infotext.read(image.infotext))


def _task(service: GenerationService, task: Task) -> dict[str, object]:
    return {
        "id": task.id,
        "tab": tab_of(task),
        "state": task.state,
        "progress": round(task.progress, 4),
        "eta": None if task.eta is None else round(task.eta, 1),
        "step": task.step,
        "steps": task.steps,
        "status": task.status,
        "position": service.queue_position(task) if task.state == "queued" else 0,
        "preview": task.preview_revision,
        "images": len(task.images),
        "hidden": task.hidden,
        "pictures": sum(not (image.grid or image.beside) for image in task.images) + task.hidden,
        "batch_size": task.request.batch_size if task.request.script is None else 1,  # a script counts its pictures
        "batch": task.batch,
        "batches": task.batches,
        "seconds": (task.finished - task.started).total_seconds() if task.finished and task.started else None,
        "error": task.error,
        "comments": list(task.comments),
    }


def _picture(task: Task, index: int) -> dict[str, object]:
    image, name = task.images[index], file_name(task, index)
    return {
        "url": f"internal/image/{quote(task.id)}/{index}/{quote(name, safe='')}",
        "name": name,
        "infotext": image.infotext,
        "grid": image.grid,
        "beside": image.beside,
        "front": image.front,
        "values": _values(infotext.read(image.infotext)),
    }


def _values(labels: Mapping[str, str]) -> dict[str, int]:
    """What ♻️ puts back."""
    wanted = {"seed": "Seed", "subseed": "Variation seed"}
    return {name: int(labels[label]) for name, label in wanted.items() if labels.get(label, "").lstrip("-").isdigit()}

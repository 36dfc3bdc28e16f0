"""What the Extras tab sends, under /internal/extras: pictures one by one, each a file of its own until their task has ended; then what to do with them."""

import re
import shutil
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from backend.errors import WebUIError
from backend.picture_folder import PICTURES
from backend.service import GenerationService
from ui import extras, progress
from ui.library_routes import Explained

MOST_PICTURES = 1000  # of one task
MOST_BYTES = 4 << 30  # of all that were sent and not worked off
ROOM = 256 << 20  # bytes that must stay free on the disk
LONGEST_NAME = 150
_BATCH = re.compile(r"[0-9a-f]{32}")


class Asked(BaseModel):
    """values: of the page's controls, by name (see ui.extras). batch: under which the pictures were sent."""

    client: str
    mode: Literal["single", "batch", "folder"]
    batch: str = ""
    values: dict[str, Any] = {}


def add_extras_routes(router: APIRouter, service: GenerationService) -> None:
    inbox = Inbox(service.paths.cache / "extras")

    @router.put("/extras/{batch}/{index}/{name}")
    async def take(batch: str, index: int, name: str, request: Request) -> dict[str, bool]:
        with Explained():
            path = inbox.place(batch, index, name)
            try:
                with path.open("xb") as file:
                    async for part in request.stream():
                        file.write(part)
            except OSError as error:
                raise WebUIError(f"{name} could not be taken in: {error.strerror}.") from error
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return {"taken": True}

    @router.post("/extras")
    def submit(body: Asked) -> dict[str, bool]:
        with Explained():
            if not progress.CLIENT.fullmatch(body.client):
                raise WebUIError("This page has lost its id. Reload it.")
            files = () if body.mode == "folder" else inbox.files(body.batch)
            if body.mode == "folder":
                service.exposure.check("read and write folders of the server")
            if body.mode == "folder" and not body.values.get("input_folder"):
                raise WebUIError("Name the input directory.")
            asked = extras.request(body.values, files, folder=body.mode == "folder", steps=service.hooks.extras_steps)
            task = service.submit_extras(asked, id_task=progress.new_task_id(body.client, extras.TAB))
        if files:
            task.end.add_done_callback(lambda _: inbox.clear(body.batch))
        return {"submitted": True}


class Inbox:
    """Pictures on their way into a task: folder/batch/00001/name.png. What the last run of the program left there is deleted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)

    def place(self, batch: str, index: int, name: str) -> Path:
        """Where the next one goes. Raises WebUIError for what is no name of a picture, or too much."""
        plain = Path(name).name == name and "\\" not in name and name.isprintable() and not name.startswith(".")
        if not plain or len(name.encode()) > LONGEST_NAME or Path(name).suffix.lower() not in PICTURES:
            raise WebUIError(f"{name!r} is no name of a picture.")
        if not 0 <= index < MOST_PICTURES:
            raise WebUIError(f"A task takes {MOST_PICTURES} pictures at most. Batch from Directory has no such limit.")
        folder = self._of(batch) / f"{index:05}"
        folder.mkdir(parents=True, exist_ok=True)
        if sum(file.stat().st_size for file in self._folder.rglob("*") if file.is_file()) > MOST_BYTES or shutil.disk_usage(folder).free < ROOM:
            raise WebUIError("There is no room for more pictures until those that wait are done.")
        return folder / name

    def files(self, batch: str) -> tuple[Path, ...]:
        """In the order of their numbers."""
        return tuple(sorted(self._of(batch).glob("*/*"))) if batch else ()

    def clear(self, batch: str) -> None:
        shutil.rmtree(self._of(batch), ignore_errors=True)

    def _of(self, batch: str) -> Path:
        if not _BATCH.fullmatch(batch):
            raise WebUIError("This page has lost its id. Reload it.")
        return self._folder / batch

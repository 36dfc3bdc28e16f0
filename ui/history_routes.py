"""Past pictures for the page, under /internal/history: a page of them, what one says, the file, a small one; deleting. Names are the history's only."""

import time
from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as Parameter
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field

from backend.history import History
from backend.picture_facts import Facts
from backend.picture_search import Picture, Query
from backend.service import GenerationService
from ui.library_routes import A_YEAR, NO_STORE, Explained, answer
from ui.progress import MEDIA_TYPES

LONGEST = 300  # characters of a prompt in a page of pictures
NOTHING = Facts()


class Asked(BaseModel):
    """As in backend.picture_search.Query; start, count: of what is found."""

    search: str = Field("", max_length=1000)
    lora: str = ""
    model: str = ""
    day: str = ""
    folder: str = ""
    start: int = Field(0, ge=0)
    count: int = Field(100, ge=0, le=500)


def add_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/history")
    def read_page(asked: Annotated[Asked, Parameter()]) -> Response:
        """groups: the days of what is found with their numbers, newest first. loras, models, days, folders: what could be chosen, likewise."""
        history = service.history
        if asked.start == 0:
            history.look()
        found = history.find(Query(**asked.model_dump(exclude={"start", "count"})))
        shown = found.pictures[asked.start : asked.start + asked.count]
        counts = {f"{facet}s": values for facet, values in found.counts.items()}
        pictures = [_entry(picture) for picture in shown]
        return answer({**_state(history), "found": len(found.pictures), "groups": found.groups, **counts, "pictures": pictures})

    @router.get("/history/state")
    def read_state(revision: int = -1) -> Response:
        """Nothing, if it is still this revision."""
        service.history.look()
        return Response(status_code=204, headers=NO_STORE) if service.history.revision == revision else answer(_state(service.history))

    @router.get("/history/about/{name:path}")
    def read_about(name: str) -> Response:
        with Explained():
            infotext, loras = service.history.about(name)
            return answer({**_entry(service.history.picture(name)), "infotext": infotext, "hashes": dict(loras)})

    @router.get("/history/thumbnail/{name:path}")
    def read_thumbnail(name: str, v: str = "") -> Response:
        """v: the picture's version, with which the address is good for ever."""
        with Explained():
            path = service.history.thumbnail(name)
            headers = A_YEAR if v and v == _version(service.history.picture(name)) else NO_STORE
            return FileResponse(path, media_type="image/webp", headers=headers) if path else Response("No picture", 404, headers)

    @router.get("/history/picture/{name:path}")
    def read_picture(name: str, v: str = "") -> Response:
        with Explained():
            path = service.history.file(name)
            headers = A_YEAR if v and v == _version(service.history.picture(name)) else NO_STORE
            return FileResponse(path, media_type=MEDIA_TYPES[path.suffix.lower()], headers=headers)

    @router.delete("/history/picture/{name:path}")
    def delete_picture(name: str) -> Response:
        with Explained():
            service.exposure.check("delete pictures")
            service.history.remove(name)
            return answer(_state(service.history))


def _state(history: History) -> dict[str, int]:
    return {"revision": history.revision, "total": history.total, "unread": history.unread}


def _entry(picture: Picture) -> dict[str, object]:
    """read: whether it has said yet what it is."""
    facts = picture.facts or NOTHING
    return {
        "name": picture.name,
        "file": picture.name.rpartition("/")[2],
        "folder": picture.folder,
        "day": picture.day,
        "time": time.strftime("%H:%M", time.localtime(picture.stamp.mtime_ns / 1e9)),
        "bytes": picture.stamp.size,
        "version": _version(picture),
        "read": picture.facts is not None,
        "width": facts.width,
        "height": facts.height,
        "prompt": facts.prompt[:LONGEST],
        "model": facts.model,
        "seed": facts.seed,
        "loras": picture.loras,
    }


def _version(picture: Picture) -> str:
    return f"{picture.stamp.mtime_ns:x}-{picture.stamp.size:x}"

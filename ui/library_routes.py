"""The library of model files for the page, under /internal/library: a page of it, and one file's notes, facts and favourite. Names are the catalog's only."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException
from fastapi import Query as Parameter
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel

from backend.about import about
from backend.catalog import Entry
from backend.errors import NotFound, WebUIError
from backend.images.metadata import Encoding, encode
from backend.library import Query
from backend.model_folders import KINDS, Kind
from backend.notes import read_notes, write_notes
from backend.service import GenerationService
from backend.sidecar import write_preview
from backend.thumbnails import picture_version, thumbnail

NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store"}
A_YEAR: Mapping[str, str] = {"Cache-Control": "private, max-age=31536000, immutable"}


class Page(BaseModel):
    """What the page asks for, as in backend.library.Query."""

    search: str = ""
    folder: str = ""
    sort: str = "path"
    descending: bool = False
    start: int = 0
    count: int = 100
    family: str = ""
    fits: str = ""
    favourites: bool = False
    checkpoint: str = ""  # that the page shows; "" = that of the settings


class Favourite(BaseModel):
    favourite: bool


class Picture(BaseModel):
    """Of a task."""

    task: str
    index: int


def add_library_routes(router: APIRouter, service: GenerationService) -> None:
    def chosen() -> str:
        return service.settings.current["sd_model_checkpoint"]

    @router.get("/library/{kind}")
    def read_library(kind: str, asked: Annotated[Page, Parameter()]) -> Response:
        with Explained():
            return answer(service.library.page(known_kind(kind), Query(**{**asked.model_dump(), "checkpoint": asked.checkpoint or chosen()})))

    @router.get("/library/{kind}/about/{name:path}")
    def read_about(kind: str, name: str) -> Response:
        with Explained():
            return answer(about(service.library, _entry(service, kind, name), chosen()))

    @router.get("/library/{kind}/notes/{name:path}")
    def read_file_notes(kind: str, name: str) -> Response:
        with Explained():
            return answer(read_notes(_entry(service, kind, name).path))

    @router.put("/library/{kind}/notes/{name:path}")
    def write_file_notes(kind: str, name: str, changes: Annotated[dict[str, object], Body()]) -> Response:
        """Answers with the file as a page has it."""
        with Explained():
            service.exposure.check("write notes")
            entry = _entry(service, kind, name)
            with service.library.writing:
                write_notes(entry.path, changes)
            service.catalog.look_at([entry.path.with_suffix(".json")])
            return answer(service.library.entry(entry.kind, entry.name, chosen()))

    @router.post("/library/{kind}/favourite/{name:path}")
    def set_favourite(kind: str, name: str, body: Favourite) -> Response:
        with Explained():
            entry = _entry(service, kind, name)
            service.library.marks.set_favourite(entry.kind, entry.name, entry.hash, body.favourite)
            return answer({"favourite": body.favourite})

    @router.post("/library/{kind}/preview/{name:path}")
    def set_preview(kind: str, name: str, body: Picture) -> Response:
        """The task's picture becomes the file's; answers as PUT notes does."""
        with Explained():
            service.exposure.check("set previews")
            entry = _entry(service, kind, name)
            data = _png(service, body)
            with service.library.writing:
                preview = write_preview(entry.path, data)
            service.catalog.look_at([preview])
            return answer(service.library.entry(entry.kind, entry.name, chosen()))

    @router.get("/thumbnail/{kind}/{name:path}")
    def read_thumbnail(kind: str, name: str, v: str = "") -> Response:
        """v: picture_version, with which the address is good for ever."""
        entry = service.catalog.find(known_kind(kind), name)
        if entry is None or entry.name != name:
            raise HTTPException(404, "No such model")
        version = picture_version(entry.path)
        path = thumbnail(entry.path, entry.metadata, service.paths.cache / "thumbnails")
        headers = A_YEAR if v and v == version else NO_STORE
        if path is None:
            return Response(status_code=204, headers=headers)  # and not 404, which a browser reports as an error
        return FileResponse(path, media_type="image/webp", headers=headers)


class Explained:
    """What goes wrong becomes an answer with its sentence."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WebUIError):
            raise HTTPException(error.status, str(error)) from error


def known_kind(text: str) -> Kind:
    for kind in KINDS:
        if kind == text:
            return kind
    raise HTTPException(404, f"Unknown kind {text!r}. Known: {', '.join(KINDS)}.")


def _entry(service: GenerationService, kind: str, name: str) -> Entry:
    return service.catalog.exactly(known_kind(kind), name)


def _png(service: GenerationService, wanted: Picture) -> bytes:
    """With its parameters. Raises NotFound."""
    task = next((task for task in service.tasks() if task.id == wanted.task), None)
    if task is None or not 0 <= wanted.index < len(task.images):
        raise NotFound("This picture is not known any more.")
    picture = task.images[wanted.index]
    try:
        return encode(picture.image, picture.infotext, Encoding(format="png"))
    except OSError as error:
        raise NotFound("This picture is not there any more.") from error


def answer(content: object) -> Response:
    return JSONResponse(content, headers=NO_STORE)

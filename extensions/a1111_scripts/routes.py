"""Addresses that scripts add by on_app_started, and the files of their extensions under A1111's file=."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.responses import FileResponse

from backend.errors import WebUIError
from extensions.a1111_scripts.callbacks import Callbacks
from extensions.a1111_scripts.found import OWN, Found


class StandIn(FastAPI):
    """What on_app_started gets for the app: takes routes, and nothing that would change those of others."""

    def __init__(self) -> None:
        super().__init__(docs_url=None, redoc_url=None, openapi_url=None)

    def add_middleware(self, *arguments: Any, **named: Any) -> None:
        raise WebUIError("Middleware would work on all addresses of the program, which is not a script's to do. Routes can be added.")

    def mount(self, *arguments: Any, **named: Any) -> None:
        raise WebUIError("app.mount is not carried. Routes can be added.")

    def middleware(self, *arguments: Any, **named: Any) -> Any:
        self.add_middleware()


def routes(callbacks: Callbacks, found: Iterable[Found]) -> APIRouter:
    """The page (demo) is None, as in A1111 where only the API is served."""
    app = StandIn()
    callbacks.call("app_started", None, app)
    router = APIRouter()
    router.routes.extend(app.router.routes)
    roots = tuple(one.folder.resolve() for one in found if one.name != OWN)

    @router.get("/file={path:path}", include_in_schema=False)
    def read_file(path: str) -> FileResponse:
        """Of the folders of these extensions alone; relative to the folder of the data."""
        file = served(path, roots)
        if file is None:
            raise HTTPException(404, "No such file in an extension made for A1111")
        return FileResponse(file)

    return router


def served(path: str, roots: Iterable[Path]) -> Path | None:
    """None for what lies elsewhere, links followed, for hidden files, and for code."""
    for root in roots:
        given = Path(path)
        file = (given if given.is_absolute() else root.parent.parent / given).resolve()
        if file.is_relative_to(root) and file.is_file() and file.suffix != ".py" and not any(part.startswith(".") for part in file.relative_to(root).parts):
            return file
    return None

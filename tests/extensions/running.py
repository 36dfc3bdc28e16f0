"""A script that ships, run by the service as a request names it: everything is real but the drawing."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from PIL import Image

from backend.plugins import Hooks
from backend.request import GenerationRequest, ScriptCall
from backend.service import GenerationService
from backend.tasks import SavedImage, Task
from backend.workers.worker import Worker
from tests.backend.stage import open_service
from tests.backend.test_service import PATIENCE
from ui.blocks import build, mount, page_head
from ui.routes import build_routes


@contextmanager
def running(folder: Path, name: str, worker: Worker | None = None, **settings: Any) -> Iterator[tuple[GenerationService, Hooks]]:
    """The service with the extension of this name alone."""
    hooks = Hooks((), {name: importlib.import_module(f"extensions.{name}.extension")})
    service = open_service(folder, worker, hooks, **settings)
    try:
        yield service, hooks
    finally:
        service.close()


def page_with_extensions(service: GenerationService) -> FastAPI:
    """The page with what the service's extensions add to it: their addresses, JavaScript and CSS."""
    app = FastAPI()
    app.include_router(build_routes(service))
    for _, router in service.hooks.call("page_routes", service=service):
        app.include_router(router)
    return mount(app, build(service), head=page_head(hooks=service.hooks))


def run(service: GenerationService, title: str, request: GenerationRequest, **values: Any) -> Task:
    """To its end."""
    return submit(service, title, request, **values).wait(PATIENCE)


def submit(service: GenerationService, title: str, request: GenerationRequest, **values: Any) -> Task:
    return service.submit(replace(request, script=ScriptCall(title=title, values=values)))


def grids(task: Task) -> list[SavedImage]:
    return [image for image in task.images if image.grid]


def pictures(task: Task) -> list[SavedImage]:
    return [image for image in task.images if not image.grid]


def corner(image: Image.Image, columns: int, rows: int, size: tuple[int, int], *, column: int, row: int, margin: int = 0) -> tuple[int, ...]:
    """The colour of one cell of a table, whose pictures stand at its lower right."""
    left = image.width - columns * size[0] - (columns - 1) * margin
    top = image.height - rows * size[1] - (rows - 1) * margin
    pixel = image.getpixel((left + column * (size[0] + margin) + size[0] // 2, top + row * (size[1] + margin) + size[1] // 2))
    assert isinstance(pixel, tuple)
    return pixel


def table(image: Image.Image, columns: int, rows: int, size: tuple[int, int], margin: int = 0) -> list[list[tuple[int, ...]]]:
    return [[corner(image, columns, rows, size, column=column, row=row, margin=margin) for column in range(columns)] for row in range(rows)]

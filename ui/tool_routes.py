"""What the tabs Checkpoint Merger and LoRA tools ask, under /internal/tools. How far a tool is goes with the page's other tasks: its tab is the tool's name."""

import json
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from backend.errors import WebUIError
from backend.model_tools import BakeRequest, BlockMapRequest, ExtractRequest, MergeRequest, ToolRequest
from backend.plan_tools import copied_metadata, models_of, result_name
from backend.service import GenerationService
from backend.tool_task import ToolTask
from ui import progress
from ui.library_routes import Explained, answer


class Merge(BaseModel):
    client: str
    asked: MergeRequest


class Bake(BaseModel):
    client: str
    tool: Literal["bake", "resize"] = "bake"
    asked: BakeRequest


class Extract(BaseModel):
    client: str
    asked: ExtractRequest


def add_tool_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/tools/files")
    def read_files() -> Response:
        """What can be chosen. Names mean one file each."""
        catalog = service.catalog
        return answer(
            {
                "checkpoints": [{"name": entry.name, "title": catalog.title(entry)} for entry in catalog.entries("checkpoint")],
                "vaes": [{"name": entry.name, "title": entry.name} for entry in catalog.entries("vae")],
                "loras": [catalog.path_name(entry) for entry in catalog.entries("lora")],
            }
        )

    @router.post("/tools/merge")
    def merge(body: Merge) -> Response:
        return _submitted(service, body.client, "merge", body.asked)

    @router.post("/tools/bake")
    def bake(body: Bake) -> Response:
        return _submitted(service, body.client, body.tool, body.asked)

    @router.post("/tools/extract")
    def extract(body: Extract) -> Response:
        return _submitted(service, body.client, "extract", body.asked)

    @router.post("/tools/name")
    def read_name(body: Merge) -> Response:
        """Of the file that a merge would make, and whether there is one already; "" while a model is not chosen."""
        with Explained():
            try:
                name = result_name(body.asked, models_of(body.asked, service.catalog))
                return answer({"name": name, "there": service.catalog.folders.place("checkpoint", name).exists()})
            except WebUIError:
                return answer({"name": "", "there": False})

    @router.post("/tools/metadata")
    def read_metadata(body: Merge) -> Response:
        """Of the chosen checkpoints, as a merge copies it: JSON in a text."""
        with Explained():
            return answer({"metadata": json.dumps(copied_metadata(models_of(body.asked, service.catalog)), indent=4, ensure_ascii=False)})

    @router.get("/tools/blocks/{name:path}")
    def read_blocks(name: str) -> Response:
        """Waits its turn, so that it may take as long as the pictures before it."""
        with Explained():
            task = service.submit_tool(BlockMapRequest(lora=name))
            task.wait()
            service.forget(task.id)
            return answer(_numbers(task))


def _submitted(service: GenerationService, client: str, tool: str, asked: ToolRequest) -> Response:
    with Explained():
        service.exposure.check("make model files")
        if not progress.CLIENT.fullmatch(client):
            raise WebUIError("This page has lost its id. Reload it.")
        return answer({"task": service.submit_tool(asked, id_task=progress.new_task_id(client, tool)).id})


def _numbers(task: ToolTask) -> dict[str, object]:
    if task.failure:
        raise task.failure
    if task.interrupted:
        raise WebUIError("It was cancelled.")
    return dict(task.numbers)

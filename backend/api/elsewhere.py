"""Routes of A1111's API for what this program does not do: lists that are empty, and refusals that say so."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from backend.api.schemas import HypernetworkItem
from backend.errors import NotFound


class InterrogateRequest(BaseModel):
    image: str = Field("", description="Base64 of a picture.")
    model: str = Field("clip", description="clip or deepdanbooru.")


def add_elsewhere(router: APIRouter) -> None:
    @router.post("/interrogate")
    async def interrogate(body: InterrogateRequest) -> None:
        if not body.image:
            raise NotFound("Image not found")  # A1111's words
        raise NotFound(f"There is no captioning: the model {body.model!r} is not part of this program.")

    @router.get("/hypernetworks", response_model=list[HypernetworkItem])
    async def get_hypernetworks() -> object:
        return []

    _refuse(router, "/create/embedding", "/create/hypernetwork", "/train/embedding", "/train/hypernetwork")


def _refuse(router: APIRouter, *paths: str) -> None:
    def add(path: str) -> None:
        @router.post(path, name=path[1:].replace("/", "_"))
        async def refuse(args: dict[str, Any]) -> None:
            raise NotFound("This program draws and does not train: use a trainer, and put its file into models/Lora or embeddings.")

    for path in paths:
        add(path)

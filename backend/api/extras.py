"""POST extra-single-image and extra-batch-images; GET what they may use."""

import asyncio
import base64
import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from backend.api.pictures import decoded
from backend.api.waiting import ended
from backend.catalog import Entry
from backend.extras import ExtrasTask, encoded, encoding_of
from backend.extras_request import ExtrasImage, ExtrasRequest
from backend.face_files import CODEFORMER, GFPGAN
from backend.job import NamedUpscaler
from backend.plan_upscalers import A1111_NAMES, NONE, upscalers
from backend.service import GenerationService

USUAL_SCALE = 4.0
_SCALE = re.compile(r"(\d)x|x(\d)", re.IGNORECASE)


class _Body(BaseModel):
    """A1111's fields, ranges and defaults."""

    resize_mode: Literal[0, 1] = 0
    show_extras_results: bool = True
    gfpgan_visibility: float = Field(0, ge=0, le=1)
    codeformer_visibility: float = Field(0, ge=0, le=1)
    codeformer_weight: float = Field(0, ge=0, le=1)
    upscaling_resize: float = Field(2, gt=0)
    upscaling_resize_w: int = Field(512, ge=1)
    upscaling_resize_h: int = Field(512, ge=1)
    upscaling_crop: bool = True
    upscaler_1: str = NONE
    upscaler_2: str = NONE
    extras_upscaler_2_visibility: float = Field(0, ge=0, le=1)
    upscale_first: bool = False


class FileData(BaseModel):
    data: str
    name: str


class ExtrasSingleImageRequest(_Body):
    image: str = ""


class ExtrasBatchImagesRequest(_Body):
    imageList: list[FileData]


class ExtrasSingleImageResponse(BaseModel):
    html_info: str
    image: str | None = None


class ExtrasBatchImagesResponse(BaseModel):
    html_info: str
    images: list[str]


class UpscalerItem(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    name: str
    model_name: str | None
    model_path: str | None
    model_url: str | None
    scale: float | None


class RealesrganItem(BaseModel):
    name: str
    path: str | None
    scale: int | None


class FaceRestorerItem(BaseModel):
    name: str
    cmd_dir: str | None


def add_extras(router: APIRouter, service: GenerationService) -> None:
    @router.post("/extra-single-image", response_model=ExtrasSingleImageResponse)
    async def extras_single_image_api(body: ExtrasSingleImageRequest) -> object:
        html_info, images = await _run(service, body, [FileData(data=body.image, name="")])
        return {"html_info": html_info, "image": images[0]}

    @router.post("/extra-batch-images", response_model=ExtrasBatchImagesResponse)
    async def extras_batch_images_api(body: ExtrasBatchImagesRequest) -> object:
        html_info, images = await _run(service, body, body.imageList)
        return {"html_info": html_info, "images": images}

    @router.get("/upscalers", response_model=list[UpscalerItem])
    async def get_upscalers() -> object:
        return [_upscaler(name, entry) for name, entry in upscalers(service.catalog).items()]

    @router.get("/realesrgan-models", response_model=list[RealesrganItem])
    async def get_realesrgan_models() -> object:
        """Those of A1111's that are here: nothing is ever downloaded."""
        found = upscalers(service.catalog)
        names = (name for name in A1111_NAMES.values() if name.startswith("R-ESRGAN"))
        return [{"name": name, "path": entry.file, "scale": int(_scale(name))} for name in names if isinstance(entry := found.get(name), Entry)]

    @router.get("/face-restorers", response_model=list[FaceRestorerItem])
    async def get_face_restorers() -> object:
        """Those whose files lie in their folders."""
        return [{"name": name, "cmd_dir": None} for name in service.catalog.faces.usable()]


async def _run(service: GenerationService, body: _Body, files: Sequence[FileData]) -> tuple[str, list[str]]:
    images = await asyncio.to_thread(lambda: tuple(ExtrasImage(image=decoded(file.data, service.settings.current), name=file.name) for file in files))
    task = service.submit_extras(ExtrasRequest(images=images, steps=_steps(body)), save_samples=False)
    await ended(task)
    if task.failure is not None:
        raise task.failure
    if len(task.images) < len(images):
        raise HTTPException(503, "Interrupted.")
    answer = await asyncio.to_thread(_pictures, task)
    task.forget_pixels(unsaved=True)  # the client has them
    return _html(task.infotext), answer


def _steps(body: _Body) -> Mapping[str, Mapping[str, Any]]:
    """What would change nothing is left out. As in A1111, upscale_first changes nothing: faces come last, whatever it says."""
    faces: dict[str, Mapping[str, Any]] = {}
    if body.gfpgan_visibility > 0:
        faces[GFPGAN] = {"gfpgan_visibility": body.gfpgan_visibility}
    if body.codeformer_visibility > 0:
        faces[CODEFORMER] = {"codeformer_visibility": body.codeformer_visibility, "codeformer_weight": body.codeformer_weight}
    return {"Upscale": _upscale(body), **faces}


def _upscale(body: _Body) -> Mapping[str, Any]:
    return {
        "upscale_mode": body.resize_mode,
        "upscale_by": body.upscaling_resize,
        "upscale_to_width": body.upscaling_resize_w,
        "upscale_to_height": body.upscaling_resize_h,
        "upscale_crop": body.upscaling_crop,
        "upscaler_1_name": body.upscaler_1,
        "upscaler_2_name": body.upscaler_2,
        "upscaler_2_visibility": body.extras_upscaler_2_visibility,
    }


def _pictures(task: ExtrasTask) -> list[str]:
    encoding = encoding_of(task.settings)
    return [base64.b64encode(encoded(image.image, texts, encoding)).decode() for image, texts in zip(task.images, task.texts, strict=True)]


def _html(text: str) -> str:
    lines = "<br>\n".join(html.escape(line) for line in text.split("\n"))
    return f"<p>{lines}</p>"


def _upscaler(name: str, found: Entry | NamedUpscaler | None) -> dict[str, object]:
    entry = found if isinstance(found, Entry) else None
    scale = float(found.scale) if isinstance(found, NamedUpscaler) else _scale(name)
    return {"name": name, "model_name": entry.stem if entry else None, "model_path": entry.file if entry else None, "model_url": None, "scale": scale}


def _scale(name: str) -> float:
    """As the name tells, which is all that A1111 goes by."""
    match = _SCALE.search(name)
    return float(match[1] or match[2]) if match and int(match[1] or match[2]) else USUAL_SCALE

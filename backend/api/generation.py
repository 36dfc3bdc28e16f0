"""POST txt2img and img2img: body → the same GenerationRequest as the page's → task → A1111's answer."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from backend.api.base64_image import encode
from backend.api.pictures import decoded
from backend.api.progress import timestamp
from backend.api.schemas import ImageToImageResponse, Img2ImgBody, TextToImageResponse, Txt2ImgBody
from backend.api.scripts import called
from backend.api.waiting import ended
from backend.catalog import Catalog
from backend.fields import BY_KEY, to_request
from backend.hashes import SHORT
from backend.infotext import VERSION
from backend.paste import paste
from backend.plan import Plan
from backend.request import GenerationRequest
from backend.service import GenerationService
from backend.settings import Settings
from backend.tasks import SavedImage, Task

log = logging.getLogger(__name__)

FIRST_PHASE: Mapping[str, str] = {"width": "firstphase_width", "height": "firstphase_height"}  # the first pass's size by its old name


def add_generation(router: APIRouter, service: GenerationService) -> None:
    @router.post("/txt2img", response_model=TextToImageResponse)
    async def txt2img(body: Txt2ImgBody, http: Request) -> object:  # type: ignore[valid-type]
        return await _drawn(service, http, *await asked(service, body))

    @router.post("/img2img", response_model=ImageToImageResponse)
    async def img2img(body: Img2ImgBody, http: Request) -> object:  # type: ignore[valid-type]
        return await _drawn(service, http, *await asked(service, body))


async def asked(service: GenerationService, body: BaseModel) -> tuple[GenerationRequest, dict[str, Any]]:
    """The request of either body, and its values by A1111's keys, as an answer repeats them. Raises WebUIError and HTTPException."""
    parameters = _parameters(body, service.settings.current, service.catalog)
    tab = "img2img" if "init_images" in parameters else "txt2img"
    scripts = await asyncio.to_thread(called, service, tab, parameters)
    if tab == "txt2img":
        values = _asked(parameters) | scripts | await asyncio.to_thread(_first_pass, parameters, service.settings.current)
        return to_request(values), {**parameters, "firstpass_image": None}
    if not parameters["init_images"]:
        raise HTTPException(404, "Init image not found")
    parameters["firstpass_image"] = None  # A1111 has the field here, too, and does not read it
    values = _asked(parameters) | scripts | await asyncio.to_thread(_pictures, parameters, service.settings.current)
    told = parameters if parameters["include_init_images"] else {**parameters, "init_images": None, "mask": None}
    return to_request(values), told


async def _drawn(service: GenerationService, http: Request, request: GenerationRequest, parameters: dict[str, Any]) -> JSONResponse:
    save = bool(parameters["save_images"])
    task = service.submit(request, id_task=parameters["force_task_id"] or "", save_samples=save, save_grid=save)
    await ended(task)
    if not save and await http.is_disconnected():
        await asyncio.to_thread(service.rescue, task, "has lost its client")
    if task.failure is not None:
        await asyncio.to_thread(service.rescue, task, "failed on the way")
        raise task.failure
    if task.plan is None:
        raise HTTPException(503, "Interrupted while it was waiting.")
    answer = await asyncio.to_thread(_answer, task, task.plan, parameters)
    task.forget_pixels(unsaved=True)  # the client has them
    return answer


def _first_pass(parameters: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Its size by an old name, and the picture that takes its place. Raises WebUIError."""
    picture = parameters["firstpass_image"]
    sizes = {side: parameters[old] for side, old in FIRST_PHASE.items() if parameters[old]}
    return {**sizes, "firstpass_image": decoded(picture, settings) if picture else None}


def _pictures(parameters: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Raises WebUIError."""
    mask = parameters["mask"]
    return {"init_images": [decoded(text, settings) for text in parameters["init_images"]], "mask": decoded(mask, settings) if mask else None}


def _parameters(body: BaseModel, settings: Settings, catalog: Catalog) -> dict[str, Any]:
    """The whole request by A1111's keys: what the body says, then what its infotext says, then the defaults."""
    if body.model_extra:
        log.info("ignored what is no field of A1111's: %s", ", ".join(body.model_extra))
    values = {key: getattr(body, key) for key in type(body).model_fields}
    said = {key: values[key] for key in body.model_fields_set & values.keys()}
    if values["infotext"]:
        values |= _of_infotext(values["infotext"], said, settings, catalog)
    return values


def _asked(parameters: dict[str, Any]) -> dict[str, Any]:
    """What to_request reads: null is the API's default, sampler_index the old name of sampler_name."""
    values = {key: value for key, value in parameters.items() if key in BY_KEY}
    values["sampler_name"] = values["sampler_name"] or parameters["sampler_index"]
    return {key: BY_KEY[key].api_default if value is None and key in BY_KEY else value for key, value in values.items()}


def _of_infotext(text: str, said: dict[str, Any], settings: Settings, catalog: Catalog) -> dict[str, Any]:
    told = paste(text, settings, catalog)
    overrides = {**told.get("override_settings", {}), **(said.get("override_settings") or {})}
    return {**told, **said, **({"override_settings": overrides} if overrides else {})}


def _answer(task: Task, plan: Plan, parameters: dict[str, Any]) -> JSONResponse:
    shown = sorted(task.images, key=lambda image: not (image.grid or image.front))  # the grid first, as in A1111
    images = [encode(image, plan.settings) for image in shown] if parameters["send_images"] is not False else []
    return JSONResponse({"images": images, "parameters": parameters, "info": json.dumps(_info(task, plan, shown))})


def _info(task: Task, plan: Plan, shown: list[SavedImage]) -> dict[str, Any]:
    """A1111's Processed, key by key; and the comments, if there are any."""
    request, first, faces = plan.request, plan.images[0], plan.jobs[0].faces
    return {
        "prompt": first.prompt,
        "all_prompts": [image.prompt for image in task.planned],
        "negative_prompt": first.negative_prompt,
        "all_negative_prompts": [image.negative_prompt for image in task.planned],
        "seed": first.seed,
        "all_seeds": [image.seed for image in task.planned],
        "subseed": first.subseed,
        "all_subseeds": [image.subseed for image in task.planned],
        "subseed_strength": request.seed.subseed_strength,
        "width": plan.size.width,
        "height": plan.size.height,
        "sampler_name": plan.sampler.label,
        "cfg_scale": request.sampling.cfg_scale,
        "steps": request.sampling.steps,
        "batch_size": request.batch_size,
        "restore_faces": faces is not None,
        "face_restoration_model": faces.model if faces else None,
        "sd_model_name": plan.checkpoint.stem,
        "sd_model_hash": plan.checkpoint.hash[:SHORT],
        "sd_vae_name": plan.vae.path.name if plan.vae else None,
        "sd_vae_hash": plan.vae.hash[:SHORT] if plan.vae else None,
        "seed_resize_from_w": request.seed.resize_from_w,
        "seed_resize_from_h": request.seed.resize_from_h,
        "denoising_strength": request.denoising_strength if request.init or request.hires else None,
        "extra_generation_params": {**_of_init(plan), **task.extra},
        "index_of_first_image": sum(image.grid for image in shown),
        "infotexts": [image.infotext for image in shown if not image.beside],
        "styles": list(request.styles),
        "job_timestamp": timestamp(task.started),
        "clip_skip": plan.settings["CLIP_stop_at_last_layers"],
        "is_using_inpainting_conditioning": "Conditional mask weight" in task.extra,
        "version": VERSION,
        **({"comments": list(task.comments)} if task.comments else {}),
    }


def _of_init(plan: Plan) -> dict[str, Any]:
    if plan.request.init is None:
        return {}
    return {"Denoising strength": plan.request.denoising_strength} | {label: value for label, value in plan.init_labels.items() if value is not None}

"""POST png-info, and pictures in base64 as the API gets them."""

import base64
import binascii
from collections.abc import Mapping
from types import MappingProxyType

from fastapi import APIRouter
from PIL import Image
from pydantic import BaseModel, Field

from backend.api.remote_picture import fetch
from backend.errors import WebUIError
from backend.images.metadata import infotext_of, open_image, other_items
from backend.infotext import read
from backend.prompts.attention import BREAK, parse_attention
from backend.service import GenerationService
from backend.settings import Settings

# What A1111 adds where an infotext says nothing about it.
_UNSAID: Mapping[str, object] = MappingProxyType(
    {
        "Clip skip": "1",
        "Hires resize-1": 0,
        "Hires resize-2": 0,
        "Hires sampler": "Use same sampler",
        "Hires schedule type": "Use same scheduler",
        "Hires checkpoint": "Use same checkpoint",
        "Hires prompt": "",
        "Hires negative prompt": "",
        "Mask mode": "Inpaint masked",
        "Masked content": "original",
        "Inpaint area": "Whole picture",
        "Masked area padding": 32,
        "RNG": "GPU",
        "Schedule type": "Automatic",
        "Schedule max sigma": 0,
        "Schedule min sigma": 0,
        "Schedule rho": 0,
        "VAE Encoder": "Full",
        "VAE Decoder": "Full",
        "FP8 weight": "Disable",
        "Refiner switch by sampling steps": False,
    }
)


class PNGInfoRequest(BaseModel):
    image: str = Field(title="Image", description="The base64 encoded picture: PNG, JPEG, WebP, AVIF")


class PNGInfoResponse(BaseModel):
    info: str
    items: dict[str, str]
    parameters: dict[str, object]


def add_pictures(router: APIRouter, service: GenerationService) -> None:
    @router.post("/png-info", response_model=PNGInfoResponse)
    def png_info(body: PNGInfoRequest) -> object:
        image = decoded(body.image, service.settings.current)
        info = infotext_of(image)
        return {"info": info, "items": other_items(image), "parameters": parameters(info)}


def parameters(infotext: str) -> dict[str, object]:
    """Every label of the infotext, and A1111's values for those that it leaves out."""
    labels = read(infotext)
    emphasis = {"Emphasis": "Original"} if any(_has_emphasis(labels[name]) for name in ("Prompt", "Negative prompt")) else {}
    return {**_UNSAID, **emphasis, **labels}


def decoded(text: str, settings: Settings) -> Image.Image:
    """A data URL, bare base64, or, where the settings allow it, an address in the internet. May take seconds. Raises WebUIError."""
    if text.lstrip()[:8].lower().startswith(("http://", "https://")):
        if not settings["api_enable_requests"]:
            raise WebUIError("Requests not allowed: a picture is fetched from an address only with the setting api_enable_requests.")
        return open_image(fetch(text, settings["api_useragent"]))
    try:
        data = base64.b64decode(text.strip().partition(";base64,")[2] if text.lstrip().startswith("data:") else text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise WebUIError("Invalid encoded image: this is not base64.") from error
    if not data:
        raise WebUIError("Invalid encoded image: there is none.")
    return open_image(data)


def _has_emphasis(prompt: str) -> bool:
    return any(weight != 1 and (text, weight) != BREAK for text, weight in parse_attention(prompt))

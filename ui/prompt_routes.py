"""What the prompt boxes ask for: parameters of a picture as values of the form, styles, the number of tokens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from PIL import Image
from pydantic import BaseModel

from backend import infotext
from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.fields import FIELDS, from_labels
from backend.images.metadata import read_infotext
from backend.paste import with_names_of_now
from backend.prompts.counter import count
from backend.prompts.styles import Style
from backend.prompts.tokenizer import Tokenizer
from backend.safetensors_header import read_header
from backend.service import GenerationService
from backend.settings import Settings
from ui import overrides
from ui.library_routes import Explained
from ui.scripts import pasted

CHECKPOINTS = ("hr_checkpoint_name", "refiner_checkpoint")
LARGEST_PICTURE = 64 * 1024 * 1024  # bytes


class Infotext(BaseModel):
    text: str


class StyleText(BaseModel):
    name: str
    prompt: str = ""
    negative_prompt: str = ""


class StyleName(BaseModel):
    name: str


class Prompts(BaseModel):
    prompt: str = ""
    negative_prompt: str = ""
    styles: list[str] = []
    steps: int = 20


@dataclass(frozen=True, kw_only=True)
class Known:
    """A textual inversion, as the counter needs it."""

    name: str
    vectors: int


def add_routes(router: APIRouter, service: GenerationService) -> None:
    """Those under /internal: infotext, png-info, styles, tokens."""
    _infotext_routes(router, service)
    _style_routes(router, service)

    @router.post("/tokens")
    def count_tokens(body: Prompts) -> dict[str, tuple[int, int]]:
        """(tokens, room) of both prompts, styles included."""
        texts = service.styles.table.apply(body.prompt, body.negative_prompt, body.styles)
        backtrack, steps = service.settings.current["comma_padding_backtrack"], min(max(body.steps, 1), 150)
        known = tuple(_embeddings(service.catalog))
        names = ("prompt", "negative_prompt")
        return {
            name: count(text, _tokenizer(), steps=steps, negative=name == "negative_prompt", embeddings=known, comma_backtrack=backtrack)
            for name, text in zip(names, texts, strict=True)
        }


def page_values(text: str, settings: Settings, catalog: Catalog) -> dict[str, Any]:
    """{"values": by field name, as the page's components take them; "infotext": the text itself}."""
    labels = with_names_of_now(infotext.read(text), catalog)
    values = from_labels(labels, settings)
    chips = overrides.chips(values.get("override_settings", {}))
    extra = "subseed_strength" in values or "seed_resize_from_w" in values
    return {"values": values | _passes(values, catalog) | {"override_settings": chips, "extra": extra}, "infotext": text}


def _passes(values: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Hires. fix and refiner as a whole: what the text does not name is as in the first pass, and checkpoints go by the names of the drop-downs."""
    start = {field.key: field.default for field in FIELDS if field.path.startswith("hires.") and field.kind is not Image.Image}
    named = {key: found.name for key in CHECKPOINTS if (found := catalog.find("checkpoint", values.get(key) or "")) is not None}
    enabled = {"enable_hr": values.get("enable_hr", False), "enable_refiner": bool(values.get("refiner_checkpoint"))}
    return ({**start, **{key: values[key] for key in start if key in values}} if enabled["enable_hr"] else {}) | named | enabled


def _infotext_routes(router: APIRouter, service: GenerationService) -> None:
    @router.post("/infotext")
    def read_text(body: Infotext) -> dict[str, Any]:
        return _answer(body.text, service)

    @router.post("/png-info")
    async def read_picture(request: Request) -> dict[str, Any]:
        """The body is the picture's file."""
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > LARGEST_PICTURE:
                raise HTTPException(413, "This picture is larger than 64 MB.")
        with Explained():
            text = read_infotext(bytes(data))
        return _answer(text, service)


def _answer(text: str, service: GenerationService) -> dict[str, Any]:
    with Explained():
        found = page_values(text, service.settings.current, service.catalog)
        found["values"] |= pasted(service.hooks, infotext.read(text))
        return found


def _style_routes(router: APIRouter, service: GenerationService) -> None:
    @router.get("/styles")
    def read_styles() -> dict[str, Any]:
        return {"styles": [{"name": s.name, "prompt": s.prompt, "negative_prompt": s.negative_prompt} for s in service.styles.table.styles.values()]}

    @router.put("/styles")
    def save_style(body: StyleText) -> dict[str, bool]:
        with Explained():
            service.exposure.check("change styles")
            service.styles.save(Style(name=body.name, prompt=body.prompt, negative_prompt=body.negative_prompt))
        return {"saved": True}

    @router.delete("/styles")
    def delete_style(body: StyleName) -> dict[str, bool]:
        with Explained():
            service.exposure.check("change styles")
            service.styles.delete(body.name)
        return {"deleted": True}

    @router.post("/styles/apply")
    def apply_styles(body: Prompts) -> dict[str, str]:
        prompt, negative = service.styles.table.apply(body.prompt, body.negative_prompt, body.styles)
        return {"prompt": prompt, "negative_prompt": negative}


def _embeddings(catalog: Catalog) -> Iterator[Known]:
    for entry in catalog.entries("embedding"):
        yield Known(name=entry.stem, vectors=_vectors(entry.path))


@lru_cache(maxsize=4096)
def _vectors(path: Path) -> int:
    """Of a .safetensors by its header; other files count as one."""
    if path.suffix.lower() != ".safetensors":
        return 1
    try:
        return max((info.shape[0] for info in read_header(path).tensors.values() if len(info.shape) == 2), default=1)
    except (WebUIError, OSError):
        return 1


@cache
def _tokenizer() -> Tokenizer:
    """Read at the first text that is counted."""
    return Tokenizer()

"""Bodies of /api/v2, with the examples that /docs shows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backend.api.schemas import Img2ImgBody, Txt2ImgBody
from backend.tasks import State

PICTURE: Mapping[str, Any] = {
    "index": 0,
    "url": "jobs/task(9f0c…)/images/0",
    "seed": 7,
    "infotext": "a cat\nSteps: 20, Sampler: Euler a, …",
    "grid": False,
    "complete": True,
    "saved": True,
}
JOB: Mapping[str, Any] = {
    "id": "task(9f0c1d2e3f4a5b6)",
    "kind": "txt2img",
    "state": "running",
    "position": 0,
    "progress": 0.35,
    "eta": 12.5,
    "batch": 0,
    "batches": 1,
    "step": 7,
    "steps": 20,
    "status": "",
    "error": None,
    "comments": [],
    "created": "2026-01-31T12:00:00",
    "started": "2026-01-31T12:00:01",
    "finished": None,
    "images": [],
}
EVENTS = """event: queued
data: {"position": 2}

event: status
data: {"text": "Loading checkpoint …"}

event: step
data: {"step": 7, "steps": 20, "batch": 0, "batches": 1, "progress": 0.35, "eta": 12.5}

event: preview
data: {"media_type": "image/png", "image": "iVBORw0KGgo…"}

event: picture
data: {"index": 0, "url": "jobs/task(9f0c…)/images/0", "seed": 7, "infotext": "a cat …", "grid": false, "complete": true, "saved": true}

event: done
data: {"id": "task(9f0c…)", "state": "done", "images": […], …}

"""


class NewJob(BaseModel):
    """One of the two, with the body of /sdapi/v1/txt2img or img2img."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"txt2img": {"prompt": "a cat", "steps": 20, "width": 512, "height": 512}}]})

    txt2img: Txt2ImgBody | None = None  # type: ignore[valid-type]
    img2img: Img2ImgBody | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _one(self) -> "NewJob":
        if (self.txt2img is None) == (self.img2img is None):
            raise ValueError('give one of "txt2img" and "img2img"')
        return self


class Submitted(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "task(9f0c1d2e3f4a5b6)", "position": 2}]})

    id: str
    position: int = Field(description="How many jobs come before it.")


class Picture(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [dict(PICTURE)]})

    index: int
    url: str = Field(description="Relative to /api/v2/.")
    seed: int
    infotext: str
    grid: bool
    complete: bool = Field(description="false: interrupted on the way.")
    saved: bool = Field(description="Whether it lies in a file of the server.")


class JobState(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [dict(JOB)]})

    id: str
    kind: str = Field(description="txt2img, img2img or extras.")
    state: State
    position: int = Field(description="How many jobs come before it; 0: it runs, or has ended.")
    progress: float = Field(description="0 to 1, over all batches.")
    eta: float | None = Field(description="Seconds to go; null: it cannot be told.")
    batch: int
    batches: int
    step: int
    steps: int
    status: str = Field(description="What takes the time where it is not sampling.")
    error: str | None
    comments: list[str]
    created: datetime
    started: datetime | None
    finished: datetime | None
    images: list[Picture]


class LoraQuery(BaseModel):
    """Which Loras, and in what order."""

    search: str = Field("", description="Words that all occur in name, notes or training tags; or a hash.")
    folder: str = Field("", description="Its subfolders count.")
    sort: str = Field("path", description="path, name, date, size, used or uses.")
    descending: bool = False
    start: int = 0
    count: int = Field(100, description="At most 500.")
    family: str = Field("", description="SD1, SD2, SDXL …; several with commas.")
    fits: str = Field("", description="all, part, none or damaged, for the checkpoint of the settings; several with commas.")
    favourites: bool = False


class LoraPage(BaseModel):
    total: int
    found: int
    revision: int
    checkpoint: dict[str, Any] | None = Field(description="The one that fits are told for.")
    folders: dict[str, int] = Field(description="Each with how many files are in it and below it.")
    families: dict[str, int]
    entries: list[dict[str, Any]] = Field(
        examples=[[{"name": "styles/ink", "tag": "ink", "family": "SD1", "fits": "all", "fits_text": "all 192 layers", "weight": 1.0, "tags": ["ink"]}]]
    )
    refused: list[dict[str, str]] = Field(description="Files that are not offered, each with its reason.")

"""Bodies of /sdapi/v1, named as in A1111's openapi.json, so that generated clients keep their names."""

from collections.abc import Mapping
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, create_model

from backend.fields import FIELDS, Tab

# Of A1111's request, what is no field of a picture, or belongs to what is not there yet. key: (type, default)
_BESIDE_FIELDS: Mapping[str, tuple[Any, Any]] = {
    "do_not_save_samples": (bool, False),  # save_images decides, as in A1111
    "do_not_save_grid": (bool, False),
    "override_settings_restore_afterwards": (bool, True),  # overrides are never written to the settings here
    "comments": (dict, None),
    "force_task_id": (str, None),
    "sampler_index": (str, "Euler"),  # the old name of sampler_name
    "script_name": (str, None),
    "script_args": (list, []),
    "send_images": (bool, True),
    "save_images": (bool, False),
    "alwayson_scripts": (dict, {}),
    "infotext": (str, None),
}
_OF_TAB: Mapping[str, Mapping[str, tuple[Any, Any]]] = {
    "txt2img": {"firstphase_width": (int, 0), "firstphase_height": (int, 0)},
    "img2img": {"firstpass_image": (str, None), "latent_mask": (str, None), "include_init_images": (bool, False)},
}
# Null in A1111's schema: "nothing said", which is not the same as the value that then holds.
_UNSAID = frozenset({"sampler_name", "scheduler", "styles", "override_settings"})
_AS_IN_A1111: Mapping[str, Any] = {"inpainting_mask_invert": int, "init_images": list[str]}
_JSON: Mapping[type, Any] = {tuple: list[str], dict: dict[str, Any], list: list[Any], Image.Image: str}


def _body(name: str, tab: Tab, unsaid: frozenset[str] = _UNSAID) -> type[BaseModel]:
    """Null is allowed everywhere, as in A1111, and means the default."""
    rows = {field.key: (field.kind, None if field.key in unsaid else field.api_default) for field in FIELDS if field.tab in ("", tab)}
    fields = {
        key: (_AS_IN_A1111.get(key, _JSON.get(kind, kind)) | None, default) for key, (kind, default) in {**rows, **_BESIDE_FIELDS, **_OF_TAB[tab]}.items()
    }
    return create_model(name, __config__=ConfigDict(extra="allow"), **fields)  # type: ignore[call-overload]


Txt2ImgBody = _body("StableDiffusionProcessingTxt2Img", "txt2img", _UNSAID | {"denoising_strength"})
Img2ImgBody = _body("StableDiffusionProcessingImg2Img", "img2img", _UNSAID | {"image_cfg_scale"})


class TextToImageResponse(BaseModel):
    images: list[str]
    parameters: dict[str, Any]
    info: str


class ImageToImageResponse(BaseModel):
    images: list[str]
    parameters: dict[str, Any]
    info: str


class ProgressResponse(BaseModel):
    progress: float
    eta_relative: float
    state: dict[str, Any]
    current_image: str | None = None
    textinfo: str | None = None


class SDModelItem(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    title: str
    model_name: str
    hash: str | None
    sha256: str | None
    filename: str
    config: str | None


class SDVaeItem(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    filename: str


class SamplerItem(BaseModel):
    name: str
    aliases: list[str]
    options: dict[str, str]


class SchedulerItem(BaseModel):
    name: str
    label: str
    aliases: list[str] | None
    default_rho: float | None
    need_inner_model: bool | None


class LatentUpscalerModeItem(BaseModel):
    name: str


class PromptStyleItem(BaseModel):
    name: str
    prompt: str | None
    negative_prompt: str | None


class HypernetworkItem(BaseModel):
    name: str
    path: str | None = None


class ScriptsList(BaseModel):
    txt2img: list[str]
    img2img: list[str]


class ScriptArg(BaseModel):
    label: str | None = None
    value: Any = None
    minimum: Any = None
    maximum: Any = None
    step: Any = None
    choices: list[str] | None = None


class ScriptInfo(BaseModel):
    name: str | None = None
    is_alwayson: bool | None = None
    is_img2img: bool | None = None
    args: list[ScriptArg]


class ExtensionItem(BaseModel):
    name: str
    remote: str
    branch: str
    commit_hash: str
    version: str
    commit_date: int
    enabled: bool


class EmbeddingItem(BaseModel):
    step: int | None = None
    sd_checkpoint: str | None = None
    sd_checkpoint_name: str | None = None
    shape: int
    vectors: int


class EmbeddingsResponse(BaseModel):
    loaded: dict[str, EmbeddingItem]
    skipped: dict[str, EmbeddingItem]


class MemoryResponse(BaseModel):
    ram: dict[str, Any]
    cuda: dict[str, Any]

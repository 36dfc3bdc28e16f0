"""A1111's processing objects: what a script reads and changes, and how it becomes a request and comes from one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from PIL import Image

from backend.errors import WebUIError
from backend.fields import BY_KEY, from_request, to_request
from backend.request import GenerationRequest, Seed

# Fields of a request that go by another name, or by none, on these objects.
_OF_REQUEST = frozenset(BY_KEY) - {"mask", "override_settings", "styles"}
# What else A1111's objects have from the start. Anything more may be set.
_MORE: Mapping[str, Any] = MappingProxyType(
    {
        "outpath_samples": None,
        "outpath_grids": None,
        "do_not_save_samples": False,
        "do_not_save_grid": False,
        "restore_faces": False,
        "seed_enable_extras": True,
        "sampler_index": None,
        "token_merging_ratio": 0.0,
        "do_not_reload_embeddings": False,
        "override_settings_restore_afterwards": True,
        "is_api": False,
        "user": None,
        "iteration": 0,
        "batch_index": 0,
        "is_hr_pass": False,
        "main_prompt": None,
        "main_negative_prompt": None,
        "prompts": None,
        "negative_prompts": None,
        "seeds": None,
        "subseeds": None,
        "all_prompts": None,
        "all_negative_prompts": None,
        "all_hr_prompts": None,
        "all_hr_negative_prompts": None,
        "all_seeds": None,
        "all_subseeds": None,
        "color_corrections": None,
        "paste_to": None,
        "cached_c": None,
        "cached_uc": None,
        "sampler": None,
        "latent_mask": None,
        "image_mask": None,
    }
)
OF_TXT2IMG, OF_IMG2IMG = (tuple(key for key, field in BY_KEY.items() if field.tab == tab) for tab in ("txt2img", "img2img"))


def plain(value: Any) -> bool:
    """Whether it can go to another process as it is."""
    if isinstance(value, list | tuple):
        return all(map(plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(inner) for key, inner in value.items())
    return value is None or type(value) in (str, int, float, bool)


class Bound:
    """What every processing object reaches of the adapter; set on the classes that scripts see."""

    comment: Callable[..., None]
    model: Callable[[], Any]
    outpaths: Callable[[str], tuple[str, str]]
    run: Callable[[Any], Any]
    infotext: Callable[..., str]


class StableDiffusionProcessing:
    """What was asked, as mutable attributes with A1111's names."""

    bound: Bound
    fields_of_tab: tuple[str, ...] = ()
    tab = "txt2img"

    def __init__(self, sd_model: Any = None, **given: Any) -> None:
        defaults = {key: BY_KEY[key].default for key in _OF_REQUEST if not BY_KEY[key].tab or key in self.fields_of_tab}
        self.__dict__.update(defaults, enable_hr=False, styles=[], override_settings={}, extra_generation_params={}, overlay_images=[], comments={})
        self.__dict__.update(_MORE)
        self._scripts: Any = None
        self._script_args: Any = None
        for name, value in given.items():
            setattr(self, name, value)
        self.override_settings = dict(self.override_settings or {})
        self.styles = list(self.styles or [])
        self.image_mask, self.mask = self.__dict__.pop("mask", None) or self.image_mask, None
        self.init_images = list(self.__dict__.get("init_images") or [])
        if self.outpath_samples is None:
            self.outpath_samples = self.bound.outpaths(self.tab)[0]
        if self.outpath_grids is None:
            self.outpath_grids = self.bound.outpaths(self.tab)[1]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a processing object has no {name!r} here")

    # ---- scripts: `setup` is called as soon as both are known

    @property
    def scripts(self) -> Any:
        return self._scripts

    @scripts.setter
    def scripts(self, value: Any) -> None:
        self._scripts = value
        self._set_up()

    @property
    def script_args(self) -> Any:
        return self._script_args

    @script_args.setter
    def script_args(self, value: Any) -> None:
        self._script_args = value
        self._set_up()

    def _set_up(self) -> None:
        if self._scripts is not None and self._script_args is not None and not self.__dict__.get("scripts_setup_complete"):
            self.scripts_setup_complete = True
            self._scripts.setup(self)

    # ---- what scripts ask of it

    @property
    def sd_model(self) -> Any:
        return self.bound.model()

    @property
    def sd_model_name(self) -> str:
        return self.bound.model().sd_checkpoint_info.name_for_extra

    @property
    def sd_model_hash(self) -> str:
        return self.bound.model().sd_checkpoint_info.shorthash

    def comment(self, text: str) -> None:
        self.comments[text] = 1
        self.bound.comment(text)

    def close(self) -> None:
        self.sampler = None

    def get_token_merging_ratio(self, for_hr: bool = False) -> float:
        return self.token_merging_ratio

    def get_conds(self) -> Any:
        raise WebUIError("Conditioning is computed in the engine: p.get_conds is not there for scripts.")

    sample = setup_conds = txt2img_image_conditioning = img2img_image_conditioning = get_conds

    # ---- to and from a request

    @classmethod
    def of(cls, request: GenerationRequest) -> StableDiffusionProcessing:
        values = {key: value for key, value in from_request(request).items() if key in _OF_REQUEST and (not BY_KEY[key].tab or key in cls.fields_of_tab)}
        values |= {"styles": list(request.styles), "override_settings": dict(request.override_settings), "init_images": []}
        if request.init is not None:
            values["init_images"] = list(request.init.images)
            values["mask"] = request.init.inpaint.mask if request.init.inpaint else None
        p = cls(**values)
        if request.prompts:
            p.__dict__["prompt"] = list(request.prompts)
        if request.negative_prompts:
            p.__dict__["negative_prompt"] = list(request.negative_prompts)
        return p

    def request(self) -> GenerationRequest:
        """Without styles, scripts and parts; prompts and seeds are those of the first picture. Raises WebUIError for what cannot be asked."""
        values = {key: self.__dict__[key] for key in _OF_REQUEST if self.__dict__.get(key) is not None}
        values |= {"prompt": _first(self.prompt), "negative_prompt": _first(self.negative_prompt), "seed": _first(self.seed), "subseed": _first(self.subseed)}
        values["seed"], values["subseed"] = (-1 if values[key] in (None, "") else int(values[key]) for key in ("seed", "subseed"))
        values |= {key: round(values[key]) for key in ("width", "height", "steps", "batch_size", "n_iter") if key in values}
        values["init_images"] = [image for image in self.init_images if isinstance(image, Image.Image)]
        values["override_settings"] = {**self.override_settings, **({"outdir_samples": str(self.outpath_samples)} if self._elsewhere() else {})}
        if self.image_mask is not None:
            values["mask"] = self.image_mask
        if self.tab == "txt2img":
            values.pop("init_images")
        return to_request(values)

    def _elsewhere(self) -> bool:
        return bool(self.outpath_samples) and self.outpath_samples != self.bound.outpaths(self.tab)[0]


class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
    fields_of_tab = OF_TXT2IMG
    tab = "txt2img"


class StableDiffusionProcessingImg2Img(StableDiffusionProcessing):
    fields_of_tab = OF_IMG2IMG
    tab = "img2img"


class Processed:
    """What came of it."""

    def __init__(
        self,
        p: StableDiffusionProcessing,
        images_list: list[Any],
        seed: int = -1,
        info: str = "",
        subseed: int | None = None,
        all_prompts: Any = None,
        all_negative_prompts: Any = None,
        all_seeds: Any = None,
        all_subseeds: Any = None,
        index_of_first_image: int = 0,
        infotexts: Any = None,
        comments: str = "",
    ) -> None:
        self.images, self.extra_images = images_list, []
        self.info = info
        self.prompt, self.negative_prompt = _first(p.prompt), _first(p.negative_prompt)
        self.all_prompts = all_prompts or p.all_prompts or [self.prompt]
        self.all_negative_prompts = all_negative_prompts or p.all_negative_prompts or [self.negative_prompt]
        self.seed = int(_first(p.seed) if seed == -1 else seed)
        self.subseed = _first(p.subseed) if subseed is None else subseed
        self.all_seeds = all_seeds or p.all_seeds or [self.seed]
        self.all_subseeds = all_subseeds or p.all_subseeds or [self.subseed]
        self.index_of_first_image = index_of_first_image
        self.infotexts = infotexts or [info] * len(images_list)
        self.comments = comments or "".join(f"{text}\n" for text in p.comments)
        self.extra_generation_params = p.extra_generation_params
        for name in ("width", "height", "sampler_name", "cfg_scale", "steps", "batch_size", "restore_faces", "denoising_strength", "styles"):
            setattr(self, name, getattr(p, name, None))
        for name in ("subseed_strength", "seed_resize_from_w", "seed_resize_from_h", "sd_model_name", "sd_model_hash"):
            setattr(self, name, getattr(p, name, None))
        self._p = p

    def infotext(self, p: Any, index: int) -> str:
        return self.infotexts[index]

    def js(self) -> str:
        return json.dumps({key: value for key, value in vars(self).items() if key not in ("images", "extra_images", "_p")}, default=str)

    def get_token_merging_ratio(self, for_hr: bool = False) -> float:
        return 0.0


def chunks(p: Any, first: int, last: int, prompts: Sequence[str], negatives: Sequence[str]) -> Iterator[GenerationRequest]:
    """Requests for the pictures `first` … `last` - 1: as many together as count up their seeds, which are in one batch then."""
    base = replace(p.request(), styles=(), n_iter=1)
    step = 1 if not base.seed.subseed_strength else 0
    start = first
    for index in range(first + 1, last + 1):
        offset = index - start
        counted = index < last and p.all_seeds[index] == p.all_seeds[start] + offset * step and p.all_subseeds[index] == p.all_subseeds[start] + offset
        if counted and _hires(p, index) == _hires(p, start):
            continue
        yield _chunk(p, base, start, index, tuple(prompts[start - first : index - first]), tuple(negatives[start - first : index - first]))
        start = index


def _chunk(p: Any, base: GenerationRequest, start: int, end: int, prompts: tuple[str, ...], negatives: tuple[str, ...]) -> GenerationRequest:
    seed: Seed = replace(base.seed, seed=int(p.all_seeds[start]), subseed=int(p.all_subseeds[start]))
    request = replace(base, prompts=prompts, negative_prompts=negatives, batch_size=end - start, seed=seed)
    if base.hires is not None:
        prompt, negative = _hires(p, start)
        request = replace(request, hires=replace(base.hires, prompt=prompt, negative_prompt=negative))
    if base.init is not None and len(base.init.images) > 1:
        images = tuple(base.init.images[index % len(base.init.images)] for index in range(start - p.iteration * p.batch_size, end - p.iteration * p.batch_size))
        request = replace(request, init=replace(base.init, images=images))
    return request


def _hires(p: Any, index: int) -> tuple[str, str]:
    """Prompts of the hires pass where they are others; "" = the picture's own."""
    if not p.enable_hr:
        return "", ""
    own = (p.all_hr_prompts[index], p.all_hr_negative_prompts[index])
    first = (p.all_prompts[index], p.all_negative_prompts[index])
    asked = tuple(
        "" if mine == other and not _first(given) else mine for mine, other, given in zip(own, first, (p.hr_prompt, p.hr_negative_prompt), strict=True)
    )
    return asked[0], asked[1]


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else value

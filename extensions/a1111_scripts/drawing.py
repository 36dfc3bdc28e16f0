"""process_images: A1111's walk from a processing object to saved pictures, with its scripts called at each station, over Session.draw."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import uuid4

from PIL import Image

from backend.errors import Interrupted
from backend.images.grid import image_grid, row_count
from backend.infotext import read, with_labels
from backend.infotext import write as write_infotext
from backend.plan import plan
from backend.prompts.extra_networks import map_tags, parse
from backend.prompts.style_file import StyleFiles
from backend.prompts.styles import StyleTable
from backend.scripts import Session
from backend.settings import Settings
from backend.tasks import SavedImage
from extensions.a1111_scripts.processing import Processed, chunks, plain
from extensions.a1111_scripts.scripting import Pixels, PostprocessBatchListArgs, PostprocessImageArgs, PostProcessMaskOverlayArgs, title_of

# What is settled before `process`: a picture's own texts and seeds, and those of the job.
LISTS = ("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds", "main_prompt", "main_negative_prompt", "seed", "subseed")


class Callbacks(Protocol):
    def call(self, name: str, *arguments: Any) -> Any: ...


@dataclass(frozen=True)
class Drawn:
    """A picture as the engine gave it."""

    picture: SavedImage
    asked: tuple[str, str]  # prompt and negative prompt
    beside: list[SavedImage]  # masks, and what was drawn anew alone


@dataclass(frozen=True, kw_only=True)
class Walk:
    """One run of process_images. shown: each picture goes to the gallery as it is ready; of the job itself, not of those within it."""

    p: Any
    session: Session
    callbacks: Callbacks
    before_saving: Callable[..., Any]  # (image, p, filename, pnginfo) → what the callbacks take and change
    native_parts: Mapping[str, Mapping[str, Any]]
    settings: Settings
    notes: dict[str, Any]  # for the engine: what the job is made of, as values
    changed: Callable[[], Mapping[str, Any]]  # settings that scripts have set
    shown: bool
    saved: bool
    grid: bool

    def run(self) -> tuple[Processed, tuple[SavedImage, ...]]:
        """Raises WebUIError for what cannot be drawn. An interruption keeps what is there."""
        p, kept, texts = self.p, [], []
        self._note_processing()
        self._call("before_process")
        _set_up_prompts(p, self.session)
        self.notes["lists"] = {name: list(value) if isinstance(value := getattr(p, name), list) else value for name in LISTS}
        self._call("process")
        try:
            for batch in range(int(p.n_iter)):
                p.iteration = batch
                if self.session.interrupted or not self._batch(batch, kept, texts):
                    break
        except Interrupted:
            pass
        p.is_hr_pass = False
        images = [one.image for one in kept]
        grid = self._grid(images, texts, kept)
        processed = Processed(
            p,
            [*grid, *images],
            p.all_seeds[0],
            texts[0] if texts else "",
            subseed=p.all_subseeds[0],
            index_of_first_image=len(grid),
            infotexts=[*(texts[:1] * len(grid)), *texts],
        )
        before = {id(image) for image in processed.images}
        self._call("postprocess", processed)
        for index, image in enumerate(processed.images):
            if self.shown and isinstance(image, Image.Image) and id(image) not in before:
                self.session.add(image, processed.infotexts[index] if index < len(processed.infotexts) else processed.info, save=False)
        return processed, tuple(kept)

    # ---- one batch

    def _batch(self, batch: int, kept: list[SavedImage], texts: list[str]) -> bool:
        """False: a script emptied the list of prompts, which ends the job."""
        p, first = self.p, batch * int(self.p.batch_size)
        last = first + int(p.batch_size)
        self.notes["batch"] = batch
        take(p, first, last)
        named = {"batch_number": batch, "prompts": p.prompts, "seeds": p.seeds, "subseeds": p.subseeds}
        self._call("before_process_batch", **named)
        if not p.prompts:
            return False
        texts_of_batch, tags = [parse(prompt)[0] for prompt in p.prompts], [_tags(prompt) for prompt in p.prompts]
        p.prompts = texts_of_batch
        self._call("process_batch", **{**named, "prompts": p.prompts})
        if p.enable_hr:
            p.is_hr_pass = False
            self._call("before_hr")
        prompts = [text + tag for text, tag in zip(p.prompts, tags, strict=False)]
        drawn = self._draw(first, prompts, p.negative_prompts)
        self._call("postprocess_batch", images=[Pixels(index) for index in range(len(drawn))], batch_number=batch)
        take(p, first, first + len(drawn))
        listed = PostprocessBatchListArgs([Pixels(index) for index in range(len(drawn))])
        self._call("postprocess_batch_list", listed, batch_number=batch)
        for place, pixels in enumerate(listed.images):
            p.batch_index = place
            one = self._finish(drawn[pixels._index], place)
            kept.append(one)
            texts.append(one.infotext)
            for beside in drawn[pixels._index].beside if self.shown else ():
                self.session.keep(beside, beside.image, beside.infotext, save=False)
        if any(not one.picture.complete for one in drawn) and self.session.interrupted:
            raise Interrupted
        return True

    def _draw(self, first: int, prompts: Sequence[str], negatives: Sequence[str]) -> list[Drawn]:
        """What comes beside a picture is saved with it, as the settings say; the picture itself is not finished yet."""
        drawn: list[Drawn] = []
        save = self.saved and not self.p.do_not_save_samples
        count = min(len(prompts), len(self.p.all_seeds) - first)
        for request in chunks(self.p, first, first + count, prompts[:count], negatives[:count]):
            overrides = {**self.changed(), **request.override_settings}
            try:
                pictures = self.session.draw(replace(request, parts=self.native_parts, override_settings=overrides), save=save, show=False, finished=False)
            except Interrupted as stopped:
                pictures = stopped.pictures
            asked = zip(request.prompts, request.negative_prompts, strict=True)
            for one in pictures:
                if one.beside:
                    drawn[-1].beside.append(one)
                else:
                    drawn.append(Drawn(one, next(asked), []))
            if self.session.interrupted:
                break
        return drawn

    def _finish(self, drawn: Drawn, place: int) -> SavedImage:
        """One picture through the scripts, its parameters, and to the disk."""
        p, picture = self.p, drawn.picture
        own = PostprocessImageArgs(picture.image, place)
        self._call("postprocess_image", own)
        self._call("postprocess_maskoverlay", PostProcessMaskOverlayArgs(place))
        self._call("postprocess_image_after_composite", own)
        text = self._infotext(drawn, place)
        params = self.before_saving(own.image, p, "", {"parameters": text})
        save = self.saved and not p.do_not_save_samples
        if save:
            self.callbacks.call("before_image_saved", params)
        text = str(params.pnginfo.get("parameters") or text)
        one = self.session.keep(picture, params.image, text, save=save, show=self.shown)
        if one.path is not None:
            params.filename = str(one.path)
            self.callbacks.call("image_saved", params)
        return one

    def _infotext(self, drawn: Drawn, place: int) -> str:
        """With the prompts of the whole lists, where others were drawn."""
        p, picture = self.p, drawn.picture
        prompt = p.prompts[place] if place < len(p.prompts) else p.prompts[-1]
        negative = p.negative_prompts[place] if place < len(p.negative_prompts) else p.negative_prompts[-1]
        index = p.iteration * int(p.batch_size) + place
        told = picture.infotext if (prompt, negative) == drawn.asked else _told_as(picture, prompt, negative)
        return with_extra(told, p, index=index, place=place)

    # ---- all of them

    def _grid(self, images: list[Image.Image], texts: list[str], kept: list[SavedImage]) -> list[Image.Image]:
        """[] where the settings, or the script, want none."""
        p, settings = self.p, self.settings
        wanted = self.grid and not p.do_not_save_grid and (settings["return_grid"] or settings["grid_save"])
        if not wanted or len(images) < (2 if settings["grid_only_if_multiple"] else 1):
            return []
        rows = row_count(len(images), n_rows=settings["n_rows"], batch_size=int(p.batch_size), prevent_empty_spots=settings["grid_prevent_empty_spots"])
        grid = image_grid(images, rows, settings["grid_background_color"])
        if self.shown and settings["return_grid"]:
            self.session.add(grid, texts[0], grid=True, save=settings["grid_save"] and self.saved)
        return [grid] if settings["return_grid"] else []

    def _note_processing(self) -> None:
        """As it is before scripts have changed it."""
        p, runner = self.p, self.p.scripts
        args = {} if runner is None else {title_of(script): runner.args(script, p) for script in runner.alwayson_scripts}
        self.notes["id"] = uuid4().hex
        self.notes["p"] = {name: value for name, value in vars(p).items() if not name.startswith("_") and plain(value)}
        self.notes["args"] = {title: [value if plain(value) else None for value in given] for title, given in args.items()}

    def _call(self, stage: str, *arguments: Any, **named: Any) -> None:
        if self.p.scripts is not None:
            self.p.scripts.each(stage, self.p, *arguments, **named)


def get_fixed_seed(seed: Any) -> int:
    """A drawn one for -1, None and "". The randomness of seeds is nobody's to repeat."""
    if seed in (None, "", -1, "-1"):
        return random.randrange(2**32)
    return int(seed)


def create_infotext(p: Any, session: Session, prompts: Any, negatives: Any, seeds: Any, subseeds: Any, index: int) -> str:
    """The parameters that a picture would have if it were drawn now. Raises WebUIError for what cannot be drawn."""
    base = replace(p.request(), styles=(), batch_size=1, n_iter=1)
    base = replace(base, prompt=prompts[index], negative_prompt=negatives[index], seed=replace(base.seed, seed=seeds[index], subseed=subseeds[index]))
    decided = plan(base, session.settings, session.catalog, StyleTable(), draw=random.Random(0), vae_file=session.paths.vae_file)
    return with_extra(write_infotext(decided, 0, {}), p, index=index, place=index)


def with_extra(text: str, p: Any, *, index: int, place: int) -> str:
    """A1111's extra_generation_params behind the parameters: a text, one of a list for each picture of the job, what a function gives, or nothing."""
    known, labels = read(text), {}
    context = {"p": p, "all_prompts": p.prompts, "all_negative_prompts": p.negative_prompts, "all_seeds": p.seeds, "all_subseeds": p.subseeds}
    context |= {"comments": None, "iteration": p.iteration, "position_in_batch": place, "use_main_prompt": False, "index": index, "generation_params": known}
    for label, value in p.extra_generation_params.items():
        if isinstance(value, list):
            value = value[index] if index < len(value) else None
        elif callable(value):
            value = value(**context)
        if value is not None and label not in known:
            labels[str(label)] = str(value)
    return with_labels(text, labels)


def _set_up_prompts(p: Any, session: Session) -> None:
    """One prompt, negative prompt, seed and subseed for each picture; styles are in them from here on."""
    count = int(p.batch_size) * int(p.n_iter)
    styles = StyleFiles(session.paths.styles_files).table if p.styles else StyleTable()
    prompts, negatives = _each(p.prompt, count), _each(p.negative_prompt, count)
    p.all_prompts, p.all_negative_prompts = _styled(styles, prompts, negatives, p.styles)
    p.all_hr_prompts = p.all_hr_negative_prompts = None
    if p.enable_hr:
        hires = _each(_own(p, "hr_prompt", p.prompt), count), _each(_own(p, "hr_negative_prompt", p.negative_prompt), count)
        p.all_hr_prompts, p.all_hr_negative_prompts = _styled(styles, *hires, p.styles)
    p.main_prompt, p.main_negative_prompt = p.all_prompts[0], p.all_negative_prompts[0]
    p.seed, p.subseed = (value if isinstance(value, list) else get_fixed_seed(value) for value in (p.seed, p.subseed))
    step = 1 if not p.subseed_strength else 0
    p.all_seeds = list(p.seed) if isinstance(p.seed, list) else [p.seed + step * index for index in range(count)]
    p.all_subseeds = list(p.subseed) if isinstance(p.subseed, list) else [p.subseed + index for index in range(count)]


def _own(p: Any, name: str, usual: Any) -> Any:
    return getattr(p, name, None) or usual


def _each(value: Any, count: int) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list | tuple) else [str(value or "")] * count


def _styled(styles: StyleTable, prompts: Sequence[str], negatives: Sequence[str], names: Sequence[str]) -> tuple[list[str], list[str]]:
    pairs = [styles.apply(prompt, negative, names) for prompt, negative in zip(prompts, negatives, strict=False)]
    return [prompt for prompt, _ in pairs], [negative for _, negative in pairs]


def take(p: Any, first: int, last: int) -> None:
    """What of the whole lists belongs to this batch."""
    for name in ("prompts", "negative_prompts", "seeds", "subseeds"):
        setattr(p, name, list(getattr(p, f"all_{name}")[first:last]))


def _tags(prompt: str) -> str:
    """The tags of a prompt alone, as they are written."""
    found: list[str] = []
    map_tags(prompt, lambda tag: found.append(str(tag)))
    return "".join(found)


def _told_as(picture: SavedImage, prompt: str, negative: str) -> str:
    """Its parameters with these prompts in them, which a script may have changed for the drawing alone."""
    if picture.plan is None:
        return picture.infotext
    planned = picture.plan.images[picture.index]
    head, rest = f"{planned.prompt}{_negative(planned.negative_prompt)}\n", picture.infotext
    if not rest.startswith(head.lstrip()):
        return rest
    return f"{prompt}{_negative(negative)}\n{rest[len(head.lstrip()) :]}".lstrip()


def _negative(text: str) -> str:
    return f"\nNegative prompt: {text}" if text else ""

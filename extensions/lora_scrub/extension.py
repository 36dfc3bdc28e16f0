"""LoRA scrub strip: one picture at weights from -1 to 2 of a LoRA, side by side. What was drawn once is not drawn again."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from backend.catalog import Catalog, Entry
from backend.controls import Control
from backend.errors import Interrupted, NotFound, WebUIError
from backend.flags import Flags
from backend.hooks import hookimpl
from backend.images.legend import Colors, Label, table
from backend.paths import Paths
from backend.plan_networks import KINDS
from backend.prompts.extra_networks import Tag, map_tags, parse
from backend.request import GenerationRequest
from backend.scripts import Script, Session
from backend.settings import Settings
from backend.sidecar import read_sidecar
from backend.tasks import SavedImage
from extensions.lora_scrub.kept import Kept, key_of

log = logging.getLogger(__name__)

ABOUT = "Empty = the first one in the prompt. Prompt, seed and settings stay; a picture that was drawn before comes from a cache."


class ScrubStrip:
    title = "LoRA scrub strip"
    tabs = ("txt2img",)

    def __init__(self) -> None:
        self.start = ""  # how the program was started

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="lora", kind="dropdown", label="LoRA", default="", choices=("",), choices_of="lora", any_choice=True, info=ABOUT),
            Control(key="first", kind="number", label="From weight", default=-1.0, minimum=-10, maximum=10, step=0.05, row="weights"),
            Control(key="last", kind="number", label="To weight", default=2.0, minimum=-10, maximum=10, step=0.05, row="weights"),
            Control(key="count", kind="slider", label="Pictures", default=7, minimum=2, maximum=31, step=1),
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        request = replace(session.fixed(request), batch_size=1, n_iter=1, prompts=(), negative_prompts=())
        request = with_lora(request, values["lora"], session.catalog, session.settings)
        entry = chosen(request, values["lora"], session.catalog)
        weights = spread(float(values["first"]), float(values["last"]), int(values["count"]))
        kept, drawn, session_pictures = Kept(session.paths.cache / "lora_scrub"), 0, []
        session.expect(len(weights))
        for weight in weights:
            try:
                picture, fresh = self._picture(weighed(request, entry, weight, session.catalog), kept, session)
            except Interrupted:
                break
            session_pictures.append(picture)
            drawn += fresh
        if session_pictures:
            _show(session_pictures, weights[: len(session_pictures)], session)
            session.comment(f"{len(session_pictures) - drawn} of {len(session_pictures)} pictures came from the cache.")

    def _picture(self, request: GenerationRequest, kept: Kept, session: Session) -> tuple[SavedImage, bool]:
        """And whether it had to be drawn. Raises Interrupted."""
        key = key_of(session.decide(request), session.catalog, request.parts, self.start)
        if session.interrupted:
            raise Interrupted
        if (known := kept.get(key)) is not None:
            image, infotext = known
            session.add(image, infotext, save=False)
            return SavedImage(pixels=image, path=None, infotext=infotext, seed=request.seed.seed), False
        (picture,) = session.draw(request)[:1]
        if picture.complete:
            try:
                kept.put(key, picture.image, picture.infotext)
            except OSError as error:
                log.warning("A picture of the strip was not kept: %s", error.strerror)
        return picture, True


def spread(first: float, last: float, count: int) -> tuple[float, ...]:
    """Evenly, both ends among them."""
    return tuple(round(first + (last - first) * number / (count - 1), 4) + 0.0 for number in range(count))


def chosen(request: GenerationRequest, name: str, catalog: Catalog) -> Entry:
    """By its name, else the first one in the prompt. Raises WebUIError."""
    named = name.strip() or next((tag.positional[0] for tag in parse(request.prompt)[1] if tag.kind in KINDS and tag.positional), "")
    if not named:
        raise WebUIError("Choose a LoRA, or put one into the prompt.")
    entry = catalog.find("lora", named)
    if entry is None:
        raise NotFound(catalog.why_refused("lora", named) or f"There is no LoRA {named!r}.")
    return entry


def with_lora(request: GenerationRequest, name: str, catalog: Catalog, settings: Settings) -> GenerationRequest:
    """With its tag and activation text at the end of the prompt, if it is not in it. Raises WebUIError."""
    entry = chosen(request, name, catalog)
    if any(_is(tag, entry, catalog) for tag in parse(request.prompt)[1]):
        return request
    activation = str(read_sidecar(entry.path).get("activation text") or "").strip()
    added = " ".join(filter(None, (f"<lora:{catalog.path_name(entry)}:1>", activation)))
    return replace(request, prompt=f"{request.prompt.rstrip()}{settings['extra_networks_add_text_separator']}{added}")


def weighed(request: GenerationRequest, entry: Entry, weight: float, catalog: Catalog) -> GenerationRequest:
    """The LoRA at this weight, wherever it stands; blocks and steps of its tag stay."""

    def change(tag: Tag) -> Tag:
        if not _is(tag, entry, catalog):
            return tag
        named = {key: value for key, value in tag.named.items() if key not in ("te", "unet")}
        return Tag(kind=tag.kind, positional=(tag.positional[0], f"{weight:g}"), named=named)

    request = replace(request, prompt=map_tags(request.prompt, change))
    hires = request.hires
    return replace(request, hires=replace(hires, prompt=map_tags(hires.prompt, change))) if hires and hires.prompt else request


def _is(tag: Tag, entry: Entry, catalog: Catalog) -> bool:
    return bool(tag.kind in KINDS and tag.positional and (found := catalog.find("lora", tag.positional[0])) and found.file == entry.file)


def _show(pictures: Sequence[SavedImage], weights: Sequence[float], session: Session) -> None:
    settings = session.settings
    colors = Colors(background=settings["grid_background_color"], active=settings["grid_text_active_color"], inactive=settings["grid_text_inactive_color"])
    strip = table([[picture.image for picture in pictures]], [[Label(text=f"{weight:g}")] for weight in weights], colors=colors)
    session.add(strip, session.infotext(pictures, {}), grid=True, front=True)


STRIP = ScrubStrip()


@hookimpl
def begin(paths: Paths, flags: Flags, settings: Settings, failed: Callable[[str, str, BaseException], str]) -> None:
    STRIP.start = repr(flags)


@hookimpl
def scripts() -> Sequence[Script]:
    return [STRIP]

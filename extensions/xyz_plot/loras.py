"""Axes that change <lora:…> tags: which LoRA, and with which weights. Nothing but prompts is changed, so that each picture's parameters tell it all."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Literal, NamedTuple

from backend.catalog import Catalog, Entry
from backend.errors import NotFound, WebUIError
from backend.networks.blocks import PRESETS, read_blocks
from backend.plan_networks import KINDS
from backend.prompts.extra_networks import Tag, map_tags, parse
from backend.request import GenerationRequest
from backend.settings import Settings
from backend.sidecar import read_sidecar

NONE = "None"
Which = Literal["both", "te", "unet"]


class Weights(NamedTuple):
    """As they are written."""

    te: str
    unet: str


def is_none(name: str) -> bool:
    return name.strip().lower() in (NONE.lower(), "")


def choose(request: GenerationRequest, name: str, among: tuple[str, ...], catalog: Catalog, settings: Settings) -> GenerationRequest:
    """The prompt with this LoRA and none of the others that are to be compared: what its card would put in comes at the end.

    Raises NotFound for one that is not there.
    """
    entries = {entry.file for other in among if not is_none(other) and (entry := catalog.find("lora", other))}

    def others(tag: Tag) -> Tag | None:
        entry = catalog.find("lora", _name(tag)) if tag.kind in KINDS else None
        return None if entry is not None and entry.file in entries else tag

    request = _with_prompts(request, lambda prompt: map_tags(prompt, others))
    if is_none(name):
        return request
    entry = catalog.find("lora", name)
    if entry is None:
        raise NotFound(catalog.why_refused("lora", name) or f"There is no LoRA {name!r}.")
    return _put_in(request, name, entry, settings)


def _put_in(request: GenerationRequest, name: str, entry: Entry, settings: Settings) -> GenerationRequest:
    notes = read_sidecar(entry.path)
    weight = notes.get("preferred weight") or settings["extra_networks_default_multiplier"]
    activation, negative = (str(notes.get(key) or "").strip() for key in ("activation text", "negative text"))
    added = " ".join(filter(None, (f"<lora:{name}:{weight}>", activation)))
    request = _with_prompts(request, lambda prompt: f"{prompt.rstrip()}{settings['extra_networks_add_text_separator']}{added}")
    return replace(request, negative_prompt=", ".join(filter(None, (request.negative_prompt, negative)))) if negative else request


def weigh(request: GenerationRequest, which: Which, weight: float, among: tuple[str, ...], catalog: Catalog) -> GenerationRequest:
    """Of the LoRA that was chosen among these or, where there is no such axis, of every one in the prompt."""
    text = f"{round(weight, 8):g}"

    def change(tag: Tag) -> Tag:
        old = _weights(tag)
        return _weighted(tag, Weights(te=old.te if which == "unet" else text, unet=old.unet if which == "te" else text))

    return _each(request, change, among, catalog, f"with which to change the weight {text}")


def weigh_blocks(request: GenerationRequest, blocks: str, among: tuple[str, ...], catalog: Catalog, settings: Settings) -> GenerationRequest:
    """A preset or numbers, as in lbw=; "None": without. Raises WebUIError for what is none of these."""
    if not is_none(blocks):
        read_blocks(blocks, settings["lora_block_presets"])

    def change(tag: Tag) -> Tag:
        named = {name: value for name, value in tag.named.items() if name != "lbw"}
        return replace(tag, named=MappingProxyType(named if is_none(blocks) else {**named, "lbw": blocks}))

    return _each(request, change, among, catalog, "whose blocks to weigh")


def presets(settings: Settings) -> tuple[str, ...]:
    """Without block weights, those that are built in, and the person's own."""
    own = (line.partition(":")[0].strip() for line in settings["lora_block_presets"].splitlines() if ":" in line)
    return tuple(dict.fromkeys((NONE, *PRESETS, *filter(None, own))))


def _each(request: GenerationRequest, change: Callable[[Tag], Tag], among: tuple[str, ...], catalog: Catalog, what_for: str) -> GenerationRequest:
    """Raises WebUIError where there is none at all; a plot's cell without its LoRA stays as it is."""
    entries = {entry.file for other in among if (entry := catalog.find("lora", other))}

    def meant(tag: Tag) -> bool:
        if tag.kind not in KINDS:
            return False
        return not among or ((entry := catalog.find("lora", _name(tag))) is not None and entry.file in entries)

    if not among and not any(map(meant, parse(request.prompt)[1])):
        raise WebUIError(f"The prompt has no <lora:…> {what_for}: put one in, or take the axis LoRA as well.")
    return _with_prompts(request, lambda prompt: map_tags(prompt, lambda tag: change(tag) if meant(tag) else tag))


def _with_prompts(request: GenerationRequest, change: Callable[[str], str]) -> GenerationRequest:
    """A hires prompt of its own has tags of its own."""
    if request.hires is not None and request.hires.prompt:
        request = replace(request, hires=replace(request.hires, prompt=change(request.hires.prompt)))
    return replace(request, prompt=change(request.prompt))


def _name(tag: Tag) -> str:
    return tag.positional[0] if tag.positional else ""


def _weights(tag: Tag) -> Weights:
    """What is not given: 1 for the text encoder, and the same for the U-Net."""
    given = {**dict(zip(("te", "unet"), tag.positional[1:3], strict=False)), **tag.named}
    te = given.get("te") or "1"
    return Weights(te=te, unet=given.get("unet") or te)


def _weighted(tag: Tag, weights: Weights) -> Tag:
    named = {name: value for name, value in tag.named.items() if name not in ("te", "unet")}
    rank = {"dyn": tag.positional[3]} if len(tag.positional) > 3 else {}
    positional = (_name(tag), weights.te) if weights.te == weights.unet else (_name(tag), *weights)
    return Tag(kind=tag.kind, positional=positional, named=MappingProxyType({**rank, **named}))

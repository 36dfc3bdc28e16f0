"""A request with one LoRA at one weight: its tag in the prompt, put in or changed."""

from dataclasses import replace

from backend.catalog import Catalog, Entry
from backend.errors import NotFound, WebUIError
from backend.plan_networks import KINDS
from backend.prompts.extra_networks import Tag, map_tags, parse
from backend.request import GenerationRequest
from backend.settings import Settings
from backend.sidecar import read_sidecar


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
    if any(is_of(tag, entry, catalog) for tag in parse(request.prompt)[1]):
        return request
    activation = str(read_sidecar(entry.path).get("activation text") or "").strip()
    added = " ".join(filter(None, (f"<lora:{catalog.path_name(entry)}:1>", activation)))
    return replace(request, prompt=f"{request.prompt.rstrip()}{settings['extra_networks_add_text_separator']}{added}")


def weighed(request: GenerationRequest, entry: Entry, weight: float, catalog: Catalog) -> GenerationRequest:
    """The LoRA at this weight, wherever it stands; blocks and steps of its tag stay."""

    def change(tag: Tag) -> Tag:
        if not is_of(tag, entry, catalog):
            return tag
        named = {key: value for key, value in tag.named.items() if key not in ("te", "unet")}
        return Tag(kind=tag.kind, positional=(tag.positional[0], f"{weight:g}"), named=named)

    request = replace(request, prompt=map_tags(request.prompt, change))
    hires = request.hires
    return replace(request, hires=replace(hires, prompt=map_tags(hires.prompt, change))) if hires and hires.prompt else request


def is_of(tag: Tag, entry: Entry, catalog: Catalog) -> bool:
    """Whether the tag means this file."""
    return bool(tag.kind in KINDS and tag.positional and (found := catalog.find("lora", tag.positional[0])) and found.file == entry.file)

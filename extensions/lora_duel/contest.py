"""What is asked for a duel → its contestants; and a contestant → the request that draws it."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from backend.catalog import Catalog, Entry
from backend.errors import NotFound, WebUIError
from backend.job import ModelOptions
from backend.prompts.extra_networks import Tag, map_tags
from backend.request import GenerationRequest
from backend.settings import Settings
from extensions.lora_duel.duels import Contestant
from extensions.lora_scrub.weights import is_of, weighed, with_lora
from extensions.xyz_plot.notation import numbers, split

MOST = 64


def contestants(loras: str, weights: str, without: bool, catalog: Catalog) -> tuple[Contestant, ...]:
    """loras: a name on each line; weights: as X/Y/Z plot has them. Raises WebUIError for what is no duel."""
    entries = {entry.file: entry for name in loras.splitlines() if name.strip() for entry in [_entry(name.strip(), catalog)]}
    if not entries:
        raise WebUIError("Choose a LoRA.")
    values = tuple(dict.fromkeys(round(weight, 4) + 0.0 for weight in numbers(split(weights))))
    if not values:
        raise WebUIError("Give a weight, or several: 0.4, 0.7, 1")
    found = [Contestant(lora=_tag(entry, catalog), file=entry.name, weight=weight) for entry in entries.values() for weight in values]
    found += [Contestant()] if without else []
    if not 1 < len(found) <= MOST:
        raise WebUIError(f"A duel is between 2 to {MOST} pictures, and these would be {len(found)}.")
    return tuple(found)


def shuffled(found: tuple[Contestant, ...], id: str) -> tuple[Contestant, ...]:
    """So that the order in which they come tells nothing."""
    return tuple(Random(id).sample(found, len(found)))


def request_of(one: Contestant, every: Iterable[Contestant], request: GenerationRequest, catalog: Catalog, settings: Settings) -> GenerationRequest:
    """The prompt with this LoRA at this weight, and with none of the others. Raises WebUIError."""
    files = {other.file for other in every if other.file and other.file != one.file}
    rivals = [entry for entry in catalog.entries("lora") if entry.name in files]

    def other(tag: Tag) -> Tag | None:
        return None if any(is_of(tag, entry, catalog) for entry in rivals) else tag

    def without(prompt: str) -> str:
        changed = map_tags(prompt, other)
        return prompt if changed == prompt else changed.rstrip()

    request = replace(request, prompt=without(request.prompt))
    if request.hires is not None and request.hires.prompt:
        request = replace(request, hires=replace(request.hires, prompt=without(request.hires.prompt)))
    if not one.lora:
        return request
    entry = catalog.exactly("lora", one.file)
    return weighed(with_lora(request, one.lora, catalog, settings), entry, one.weight, catalog)


def check_fit(one: Contestant, model: ModelOptions, catalog: Catalog) -> None:
    """Raises WebUIError for a LoRA with no layer that fits the checkpoint: its picture would be the one without."""
    checkpoint = catalog.find("checkpoint", model.checkpoint.name)
    if not one.lora or checkpoint is None:
        return
    entry = catalog.exactly("lora", one.file)
    if entry.structure and checkpoint.structure:
        fit = catalog.structures.fit(entry.structure, entry.path, checkpoint.structure, checkpoint.path)
        if fit is not None and not fit.fitting:
            raise WebUIError(f"It does not fit this checkpoint: {fit.text}.")


def _tag(entry: Entry, catalog: Catalog) -> str:
    """The shortest name that means this file."""
    return catalog.path_name(entry) if catalog.ambiguous("lora", entry.stem) else entry.stem


def _entry(name: str, catalog: Catalog) -> Entry:
    entry = catalog.find("lora", name)
    if entry is None:
        raise NotFound(catalog.why_refused("lora", name) or f"There is no LoRA {name!r}.")
    return entry

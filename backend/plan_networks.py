"""<lora:…> tags of a prompt → the networks of a plan, and what the person should know about them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import NamedTuple

from backend.catalog import Catalog, Entry
from backend.errors import ERROR, WebUIError
from backend.job import FileRef, NetworkRef
from backend.networks.blocks import Weights, read_blocks
from backend.prompts.extra_networks import Tag, parse
from backend.settings import Settings

KINDS = ("lora", "lyco")  # lyco: as the LyCORIS extension had it
ARGUMENTS = ("", "te", "unet", "dyn")  # by position: <lora:name:te:unet:dyn>
NAMED = frozenset({"te", "unet", "dyn", "lbw", "start", "stop", "step", "hr"})


class StepCounts(NamedTuple):
    """Steps of the first pass and of the hires pass, which start= and stop= count through: 0…1 is the first, 1…2 the second."""

    first: int
    hires: int = 0


@dataclass(frozen=True, kw_only=True)
class Networks:
    """text: the prompt without its tags. hashes: (name as written, hash) of each that is used."""

    text: str
    networks: tuple[NetworkRef, ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()
    comments: tuple[str, ...] = ()


def with_default_network(prompt: str, settings: Settings, catalog: Catalog) -> str:
    """The network of the setting "Add network to prompt" at the end, as A1111 writes it, unless the prompt names it already."""
    name = settings["sd_lora"]
    named = (_name(tag) for tag in parse(prompt)[1] if tag.kind in KINDS)
    if name in ("None", "") or name in named or catalog.find("lora", name) is None:
        return prompt
    return f"{prompt}<lora:{name}:{settings['extra_networks_default_multiplier']}>"


def find_networks(prompt: str, catalog: Catalog, counts: StepCounts, *, hires: bool = False, presets: str = "", apply: bool = True) -> Networks:
    """Tags are cut out in any case. One that cannot be used becomes a comment.

    hires: as the networks are in the hires pass. presets: the person's own, of block weights.
    """
    text, tags = parse(prompt)
    networks: list[NetworkRef] = []
    hashes: dict[str, str] = {}
    comments: list[str] = []
    for tag in tags if apply else ():
        try:
            entry, network = _resolve(tag, catalog)
            blocks, about_blocks = _blocks(tag, presets)
            network = _in_pass(replace(network, blocks=blocks), tag, counts, hires=hires)
        except WebUIError as error:
            comments.append(f"{ERROR}{error}")
            continue
        networks.append(network)
        comments += (*_ambiguous(network.label, catalog), *about_blocks, *_unknown_arguments(tag), *_idle(tag, counts))
        if short := catalog.short_hash(entry):
            hashes[network.label] = short
    return Networks(text=text, networks=tuple(networks), hashes=tuple(hashes.items()), comments=tuple(dict.fromkeys(comments)))


def hints(negative_prompt: str) -> list[str]:
    """A tag in the negative prompt is plain text, as in A1111; hardly what was meant."""
    tags = (tag for tag in parse(negative_prompt)[1] if tag.kind in KINDS)
    return [f"{tag} in the negative prompt is plain text: Loras belong into the prompt, with a negative weight if need be." for tag in tags]


def _resolve(tag: Tag, catalog: Catalog) -> tuple[Entry, NetworkRef]:
    if tag.kind not in KINDS:
        raise WebUIError(f"{tag} does nothing: {tag.kind!r} is no extra network that is known here.")
    name = _name(tag)
    entry = catalog.find("lora", name)
    if entry is None:
        raise WebUIError(catalog.why_refused("lora", name) or f"Networks not found: {name}{_similar(name, catalog.entries('lora'))}")
    te_weight = _number(tag, "te", 1.0)
    dyn = _number(tag, "dyn", 0)
    network = NetworkRef(
        file=FileRef(name=entry.name, hash=entry.hash),
        label=name,
        te_weight=te_weight,
        unet_weight=_number(tag, "unet", te_weight),
        dyn=int(dyn) if dyn >= 1 else None,
    )
    return entry, network


def _blocks(tag: Tag, presets: str) -> tuple[Weights, list[str]]:
    """() and a comment for what is none: the network is used without."""
    text = tag.named.get("lbw")
    if text is None:
        return (), []
    try:
        return read_blocks(text, presets), []
    except WebUIError as error:
        return (), [f"{ERROR}{tag} is used without block weights: {error}"]


def _in_pass(network: NetworkRef, tag: Tag, counts: StepCounts, *, hires: bool) -> NetworkRef:
    """hr= is the weight in all of the hires pass, whatever start= and stop= say."""
    weight = _number(tag, "hr", math.inf)
    if hires and math.isfinite(weight):
        return replace(network, te_weight=weight, unet_weight=weight)
    start, stop = _times(tag, counts)
    before, steps = (counts.first, counts.hires) if hires else (0, counts.first)
    start, stop = max(start - before, 0), max(stop - before, 0)
    return replace(network, start=min(start, steps), stop=stop if stop < steps else None)


def _idle(tag: Tag, counts: StepCounts) -> list[str]:
    start, stop = _times(tag, counts)
    return [f"{tag} changes no step: of {sum(counts)} it starts after {start} and stops after {stop}."] if start >= stop else []


def _times(tag: Tag, counts: StepCounts) -> tuple[int, int]:
    """How many steps of both passes are done when it starts, and when it stops."""
    start, _, stop = tag.named.get("step", "").partition("-")
    return _time(tag, tag.named.get("start") or start, counts, 0), _time(tag, tag.named.get("stop") or stop, counts, sum(counts))


def _time(tag: Tag, text: str, counts: StepCounts, default: int) -> int:
    """As in prompt editing: a number with a point is a fraction, one without is a step."""
    if not text:
        return default
    value = _read(tag, text)
    if value < 0:
        raise WebUIError(f"{tag} does nothing: {text!r} is no step.")
    if 0 < value < 1 or ("." in text and value <= 2):
        value = value * counts.first if value <= 1 else counts.first + (value - 1) * counts.hires
    return min(int(value), sum(counts))


def _unknown_arguments(tag: Tag) -> list[str]:
    return [f"{tag}: {name}= means nothing here. Known: {', '.join(sorted(NAMED))}." for name in tag.named if name not in NAMED]


def _ambiguous(name: str, catalog: Catalog) -> list[str]:
    same = catalog.ambiguous("lora", name)
    if not same:
        return []
    meant, *others = map(catalog.path_name, same)
    return [f"There are {len(same)} Loras named {name}: {meant} is used; for the other{'s' * (len(others) > 1)} write {' or '.join(others)}."]


def _name(tag: Tag) -> str:
    return tag.positional[0] if tag.positional else ""


def _number(tag: Tag, name: str, default: float) -> float:
    """By name, else by position."""
    position = ARGUMENTS.index(name) if name in ARGUMENTS else len(tag.positional)
    text = tag.named.get(name) or (tag.positional[position] if len(tag.positional) > position else None)
    return default if text is None else _read(tag, text)


def _read(tag: Tag, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise WebUIError(f"{tag} does nothing: {text!r} is no number.")
    return number


def _similar(name: str, entries: Iterable[Entry]) -> str:
    """A name that may have been meant; case counts, which is the usual mistake."""
    by_lower = {known.lower(): known for entry in entries for known in (entry.alias, entry.stem)}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.8)
    return f" (there is {by_lower[close[0]]})" if close else ""

"""<lora:…> tags of a prompt → the networks of a plan, and what the person should know about them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from backend.catalog import Catalog, Entry
from backend.errors import WebUIError
from backend.job import FileRef, NetworkRef
from backend.prompts.extra_networks import Tag, parse
from backend.settings import Settings

KINDS = ("lora", "lyco")  # lyco: as the LyCORIS extension had it
ARGUMENTS = ("", "te", "unet", "dyn")  # by position: <lora:name:te:unet:dyn>


@dataclass(frozen=True, kw_only=True)
class Networks:
    """text: the prompt without its tags. hashes: "name: hash, name: hash", as A1111 writes them."""

    text: str
    networks: tuple[NetworkRef, ...] = ()
    hashes: str = ""
    comments: tuple[str, ...] = ()


def with_default_network(prompt: str, settings: Settings, catalog: Catalog) -> str:
    """The network of the setting "Add network to prompt" at the end, as A1111 writes it, unless the prompt names it already."""
    name = settings["sd_lora"]
    named = (_name(tag) for tag in parse(prompt)[1] if tag.kind in KINDS)
    if name in ("None", "") or name in named or catalog.find("lora", name) is None:
        return prompt
    return f"{prompt}<lora:{name}:{settings['extra_networks_default_multiplier']}>"


def find_networks(prompt: str, catalog: Catalog, *, apply: bool = True) -> Networks:
    """Tags are cut out in any case. One that cannot be used becomes a comment."""
    text, tags = parse(prompt)
    networks: list[NetworkRef] = []
    hashes: dict[str, str] = {}
    comments: list[str] = []
    for tag in tags if apply else ():
        try:
            entry, network = _resolve(tag, catalog)
        except WebUIError as error:
            comments.append(str(error))
            continue
        networks.append(network)
        comments += _ambiguous(network.label, catalog)
        if short := catalog.short_hash(entry):
            hashes[network.label.replace(":", "").replace(",", "")] = short
    return Networks(
        text=text,
        networks=tuple(networks),
        hashes=", ".join(f"{name}: {short}" for name, short in hashes.items()),
        comments=tuple(dict.fromkeys(comments)),
    )


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
    position = ARGUMENTS.index(name)
    text = tag.named.get(name) or (tag.positional[position] if len(tag.positional) > position else None)
    try:
        number = default if text is None else float(text)
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

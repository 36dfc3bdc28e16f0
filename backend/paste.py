"""The parameters of a picture → values for a request: the one road of page and API. Files that were renamed since are found by their hashes."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from backend.catalog import Catalog
from backend.fields import from_labels
from backend.infotext import LORA_HASHES, network_name, read
from backend.plan_networks import KINDS
from backend.settings import Settings

_TAG = re.compile(rf"(<(?:{'|'.join(KINDS)}):)([^:>]+)(?=[:>])")
_PROMPTS = ("Prompt", "Hires prompt")


def paste(text: str, settings: Settings, catalog: Catalog) -> dict[str, Any]:
    """Values by key, for fields.to_request; only what the text names."""
    return from_labels(with_names_of_now(read(text), catalog), settings)


def with_names_of_now(labels: Mapping[str, str], catalog: Catalog) -> dict[str, str]:
    """Checkpoint, VAE and Loras go by the names that they have here. What is not here at all stays as it is."""
    hashes = {name: short for name, _, short in (pair.rpartition(": ") for pair in labels.get(LORA_HASHES, "").split(", "))}
    prompts = {label: _TAG.sub(partial(_tag_of_now, hashes, catalog), labels[label]) for label in _PROMPTS if label in labels}
    return {**labels, **prompts, **_checkpoint(labels, catalog), **_vae(labels, catalog)}


def _tag_of_now(hashes: Mapping[str, str], catalog: Catalog, tag: re.Match[str]) -> str:
    short = hashes.get(network_name(tag[2]))
    if not short or catalog.find("lora", tag[2]) or (found := catalog.find("lora", short)) is None:
        return tag[0]
    name = catalog.path_name(found)
    return tag[1] + (short if re.search("[:<>=]", name) else name)  # what no tag can say goes by its hash


def _checkpoint(labels: Mapping[str, str], catalog: Catalog) -> dict[str, str]:
    """It goes by its hash; by its name where the file is another one, or is not hashed yet."""
    hash, name = labels.get("Model hash", ""), labels.get("Model", "")
    found = catalog.find("checkpoint", name) if name and not (hash and catalog.find("checkpoint", hash)) else None
    return {"Model hash": found.name} if found else {}


def _vae(labels: Mapping[str, str], catalog: Catalog) -> dict[str, str]:
    hash, name = labels.get("VAE hash", ""), labels.get("VAE", "")
    found = catalog.find("vae", hash) if hash and catalog.find("vae", name) is None else None
    return {"VAE": found.path.name} if found else {}

"""Two checkpoints → a LoRA that makes the one of the other. A layer at a time, read from the mapped files."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from backend.checkpoints.loader import Draft, open_checkpoint
from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.networks.baked_file import Baked, file_hash
from backend.networks.decompose import Rank, lower_matrix
from backend.networks.kohya import by_family

_RELEASE_EVERY = 16  # layers, after which the pages that were read are given back


@torch.no_grad()
def extract(tuned: Path, base: Path, rank: int, conv_rank: int = 0, *, text: bool = True) -> Baked:
    """tuned − base, of linear layers and 1×1 kernels at rank, of wider kernels at conv_rank (0: left out).

    Norms, biases and embeddings have no place in a LoRA; what differs there is counted in the notes, as are layers that are left out.
    Raises WebUIError for checkpoints of different layouts.
    """
    drafts = [open_checkpoint(path, None, Placement(device=torch.device("cpu"))) for path in (tuned, base)]
    names = by_family(drafts[1].architecture.family)
    if names is None:
        raise WebUIError(f"{base.name} is of {drafts[1].architecture.family}: LoRAs can be extracted for SD1, SD2 and SDXL.")
    baked = Baked(version=names.family.version)
    baked.recipe = {
        "tool": "extract",
        "method": "svd",
        "inputs": [{"name": path.name, "sha256": file_hash(path), "role": role} for path, role in ((tuned, "tuned"), (base, "base"))],
        "rank": str(rank),
        "conv_rank": str(conv_rank),
    }
    left_out = 0
    for n, (path, own, other) in enumerate(_weights(drafts[0], drafts[1], tuned.name, base.name, text=text)):
        if n % _RELEASE_EVERY == 0:
            for draft in drafts:
                draft.file.release()
        component, _, place = path.partition(":")
        if torch.equal(own, other):
            continue
        wide = math.prod(own.shape[2:]) > 1
        if own.ndim < 2 or place.endswith("_embedding") or (wide and not conv_rank):
            left_out += 1
            continue
        layer = names.of(component, place)
        difference = (own.float() - other.float()).reshape(own.shape[0], -1)
        if not difference.isfinite().all():
            raise WebUIError(f"{layer} has NaN or infinity in {tuned.name} or {base.name}: get the file again.")
        lower = lower_matrix(difference, Rank(conv_rank if wide else rank))
        baked.add_product(layer, lower.up, lower.down, kernel=tuple(own.shape[2:]) if own.ndim > 2 else None)
        baked.count_error(layer, lower.rest, lower.whole)
    if left_out:
        why = "norms, biases, embeddings" + ("" if conv_rank else " and convolutions")
        baked.notes.append(f"{left_out} tensor{'s' if left_out > 1 else ''} that differ{'' if left_out > 1 else 's'} ({why}) could not be taken along.")
    return baked


def _weights(tuned: Draft, base: Draft, tuned_name: str, base_name: str, *, text: bool) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Every weight and bias as component:module, in both."""
    if tuned.parts.keys() != base.parts.keys():
        raise WebUIError(f"{tuned_name} is of {tuned.architecture.family} and {base_name} of {base.architecture.family}: they have to be of one kind.")
    for component, part in base.parts.items():
        if component != "unet" and not text:
            continue
        other = tuned.parts[component]
        own_shapes = {name: tuple(parameter.shape) for name, parameter in other.module.named_parameters()}
        shapes = {name: tuple(parameter.shape) for name, parameter in part.module.named_parameters()}
        if shapes != own_shapes:
            name = next(name for name in (*shapes, *own_shapes) if shapes.get(name) != own_shapes.get(name))
            raise WebUIError(f"{tuned_name} and {base_name} are of different layouts: {component}.{name} is {own_shapes.get(name)} and {shapes.get(name)}.")
        for name, parameter in part.module.named_parameters():
            module = name.rpartition(".")[0]
            yield f"{component}:{module}", other.loaded(name, parameter), part.loaded(name, parameter)

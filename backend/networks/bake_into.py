"""Loras at their weights → a checkpoint that has them in it: the weights that the patcher would make, in the checkpoint's own layout. Tensor by tensor."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from backend.checkpoints.loader import Draft, open_checkpoint
from backend.checkpoints.placement import Placement
from backend.checkpoints.sources import Source
from backend.checkpoints.tensor_stream import Form, write_stream
from backend.errors import Interrupted, WebUIError
from backend.job import BakeIntoJob, NetworkRef
from backend.networks.deltas import Delta, Deltas
from backend.networks.keys import ModuleIndex, Target
from backend.networks.network_file import NetworkFiles
from backend.networks.patch import Wanted
from backend.networks.sums import Scratch, Share, write_sum
from backend.progress import CancelToken, Event, Step

_RELEASE_AFTER = 128 << 20  # bytes of tensors, after which the pages that were read are given back


@dataclass
class _Change:
    """Of one tensor of the file: parameters that lie in it, each with what is added to it."""

    places: list[tuple[Source, tuple[int, ...], list[tuple[Share, Delta]]]] = field(default_factory=list)


@torch.no_grad()
def bake_into(
    job: BakeIntoJob, checkpoint: Path, networks: Sequence[tuple[NetworkRef, Path]], target: Path, on_event: Callable[[Event], None], cancel: CancelToken
) -> tuple[str, ...]:
    """Sentences: what had no place. Raises WebUIError if most of a Lora does not fit, Interrupted."""
    draft = open_checkpoint(checkpoint, None, Placement(device=torch.device("cpu")))
    changes, sentences = _changes(draft, networks)
    forms = {name: _form(draft, name, half=job.half) for name in draft.file.shapes}
    scratch = Scratch()

    read_bytes = 0  # since the last release

    def read(name: str) -> Tensor:
        nonlocal read_bytes
        read_bytes += forms[name].bytes
        tensor = draft.file.tensor(name)
        made = (_changed(tensor, changes[name], scratch) if name in changes else tensor).to(forms[name].dtype)
        if name in changes and not made.isfinite().all():
            raise WebUIError(f"{name} gets numbers that are too large, or NaN: choose lower weights, or do without float16.")
        return made

    def each(done: int) -> None:
        nonlocal read_bytes
        on_event(Step(step=done, steps=len(forms)))
        if read_bytes >= _RELEASE_AFTER and draft.file.mapped:
            read_bytes = 0
            draft.file.release()
        if cancel.cancelled:
            raise Interrupted

    said = {**draft.file.metadata, "format": "pt", "baked_loras": ", ".join(f"{ref.label}:{ref.te_weight:g}:{ref.unet_weight:g}" for ref, _ in networks)}
    write_stream(target, job.output.part, forms, said, read, replace=job.output.replace, each=each)
    return sentences


def _form(draft: Draft, name: str, *, half: bool) -> Form:
    dtype = draft.file.tensor(name).dtype
    return Form(torch.float16 if half and dtype in (torch.float32, torch.float64) else dtype, draft.file.shapes[name])


def _changes(draft: Draft, networks: Sequence[tuple[NetworkRef, Path]]) -> tuple[dict[str, _Change], tuple[str, ...]]:
    """By the names of the checkpoint's tensors."""
    parameters = {component: dict(part.module.named_parameters()) for component, part in draft.parts.items()}
    index = ModuleIndex({component: [name.removesuffix(".weight") for name in names if name.endswith(".weight")] for component, names in parameters.items()})
    steps: dict[tuple[str, str], list[tuple[Share, Delta]]] = defaultdict(list)  # by component and parameter
    sentences: list[str] = []
    files = NetworkFiles()
    for ref, path in networks:
        wanted = Wanted.of(ref, path, 0)
        file, placed, out = files.get(wanted.file), 0, 0
        for module, deltas in file.deltas.items():
            where = index.find(module)
            if where is None or deltas is None or module in file.damaged or not _fit(parameters[where.component], where, deltas):
                out += 1
                continue
            placed += 1
            if multiplier := wanted.multiplier(where):
                share = Share(wanted.file, module, multiplier, None)
                for leaf, delta in deltas.items():
                    steps[where.component, f"{where.path}.{leaf}"].append((share, delta))
        if placed <= out:
            raise WebUIError(f"{path.name} does not fit {draft.file.path.name}: {placed} of {placed + out} of its layers have a place there.")
        if out:
            sentences.append(f"{path.name}: {out} of {placed + out} layers have no place in {draft.file.path.name} and are left out.")
    changes: dict[str, _Change] = defaultdict(_Change)
    for (component, name), added in steps.items():
        source = draft.parts[component].sources[name]
        changes[source.key].places.append((source, tuple(parameters[component][name].shape), added))
    if not changes:
        raise WebUIError("Nothing would change: every weight is 0.")
    return changes, tuple(sentences)


def _fit(parameters: Mapping[str, Tensor], where: Target, deltas: Deltas) -> bool:
    return all((place := parameters.get(f"{where.path}.{leaf}")) is not None and delta.fits(tuple(place.shape)) for leaf, delta in deltas.items())


def _changed(tensor: Tensor, change: _Change, scratch: Scratch) -> Tensor:
    """In float32."""
    result = tensor.to(torch.float32, copy=True)
    for source, shape, added in change.places:
        weight = source.view(result, shape)
        whole = torch.empty(shape)
        write_sum(whole, weight, added, scratch)
        weight.copy_(whole)
    return result

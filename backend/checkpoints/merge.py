"""Checkpoints → a checkpoint, tensor by tensor from the mapped files. As in A1111 every tensor of A stays; those with "model" in their names are mixed."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from backend.checkpoints import sources
from backend.checkpoints.loader import open_vae
from backend.checkpoints.parts import Part
from backend.checkpoints.tensor_stream import Form, write_stream
from backend.checkpoints.weight_file import WeightFile, open_weights
from backend.errors import Interrupted, WebUIError
from backend.job import MergeJob
from backend.model_tools import ADD_DIFFERENCE, FIRST_INPUT, NORMAL_CHANNELS, WEIGHTED_SUM
from backend.progress import CancelToken, Event, Step

_MIXED, _INDEX = "model", "embeddings.position_ids"  # A1111 leaves A's table of positions alone
_VAE, _VAE_MIDDLE = "first_stage_model.", ".mid.attn_1."
_RELEASE_AFTER = 128 << 20  # bytes of tensors, after which the pages that were read are given back
_FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


class Tensors(NamedTuple):
    """What the new file has, and how each of it is made."""

    forms: dict[str, Form]
    make: dict[str, Callable[[], Tensor]]


@torch.no_grad()
def merge_checkpoints(job: MergeJob, models: list[Path], vae: Path | None, target: Path, on_event: Callable[[Event], None], cancel: CancelToken) -> None:
    """Raises WebUIError for models of different kinds, Interrupted."""
    files = [open_weights(path) for path in models]
    baked = open_vae(vae) if vae else None
    tensors = _planned(job, files, baked)
    opened: list[WeightFile] = [*files, *([baked.file] if baked else [])]

    made = 0  # bytes since the last release

    def each(done: int) -> None:
        nonlocal made
        on_event(Step(step=done, steps=len(tensors.forms)))
        if made >= _RELEASE_AFTER:
            made = 0
            for file in opened:
                if file.mapped:
                    file.release()
        if cancel.cancelled:
            raise Interrupted

    def read(name: str) -> Tensor:
        nonlocal made
        made += tensors.forms[name].bytes
        tensor = tensors.make[name]().to(tensors.forms[name].dtype)
        if tensor.is_floating_point() and tensor.dtype == torch.float16 and not tensor.isfinite().all():
            raise WebUIError(f"{name} would have NaN or infinity as float16: merge without Save as float16, or get the files again.")
        return tensor

    write_stream(target, job.output.part, tensors.forms, _metadata(job, files[0].shapes), read, replace=job.output.replace, each=each)


def _planned(job: MergeJob, files: list[WeightFile], vae: Part | None) -> Tensors:
    discard = re.compile(job.discard) if job.discard else None
    tensors = Tensors({}, {})
    for name in files[0].shapes:
        _add(tensors, name, *_mixed(job, name, files))
    if vae is not None:
        _bake_vae(tensors, vae)
    for name, form in list(tensors.forms.items()):
        if discard is not None and discard.search(name):
            del tensors.forms[name], tensors.make[name]
        elif job.half and form.dtype in (torch.float32, torch.float64):
            tensors.forms[name] = form._replace(dtype=torch.float16)
    if not tensors.forms:
        raise WebUIError("Nothing is left to write: every tensor is discarded.")
    return tensors


def _add(tensors: Tensors, name: str, form: Form, make: Callable[[], Tensor]) -> None:
    tensors.forms[name], tensors.make[name] = form, make


def _mixed(job: MergeJob, name: str, files: list[WeightFile]) -> tuple[Form, Callable[[], Tensor]]:
    first, *others = files
    own = first.tensor(name)
    form, alone = Form(own.dtype, tuple(own.shape)), partial(first.tensor, name)
    if not others or _MIXED not in name or name.endswith(_INDEX) or name not in others[0].shapes or not own.is_floating_point():
        return form, alone
    if job.method == ADD_DIFFERENCE and name not in others[1].shapes:
        return form, alone  # as A1111: what C lacks changes nothing
    dtypes = [file.tensor(name).dtype for file in files]
    common = form.shape
    for file in others:
        common = _common(name, common, file.shapes[name], first, file)
    return form._replace(dtype=_widest(dtypes)), partial(_mix, job, name, files, common)


def _common(name: str, own: tuple[int, ...], other: tuple[int, ...], first: WeightFile, file: WeightFile) -> tuple[int, ...]:
    """The part that both have: all, or of a 9-channel input the first 4. Raises WebUIError."""
    if own == other:
        return own
    if name == FIRST_INPUT and own[0] == other[0] and own[2:] == other[2:]:
        if other[1] == NORMAL_CHANNELS:
            return other
        if own[1] == NORMAL_CHANNELS and other == first.shapes[name]:
            return own  # B is none of the kind, A and C are
        if own[1] == NORMAL_CHANNELS:
            raise WebUIError(f"{file.path.name} is an inpainting model and {first.path.name} is none: the inpainting model has to be A.")
    raise WebUIError(
        f"{first.path.name} and {file.path.name} are of different kinds: {name} is {list(own)} and {list(other)}. Only models of one kind can be merged."
    )


def _mix(job: MergeJob, name: str, files: list[WeightFile], common: tuple[int, ...]) -> Tensor:
    """A with the part that all have mixed, in float32 (float64 where a file has that)."""
    whole = files[0].tensor(name)
    result = whole.to(torch.promote_types(torch.float32, _widest([whole.dtype])), copy=True)
    corner = tuple(slice(0, side) for side in common)
    a, *others = (file.tensor(name)[corner].to(result.dtype) for file in files)
    result[corner] = (1 - job.multiplier) * a + job.multiplier * others[0] if job.method == WEIGHTED_SUM else a + (others[0] - others[1]) * job.multiplier
    return result


def _widest(dtypes: list[torch.dtype]) -> torch.dtype:
    """torch's rule; 8-bit numbers, for which there is none, give way to any other."""
    wide = [dtype for dtype in dtypes if dtype not in _FLOAT8]
    result = wide[0] if wide else torch.float16 if len(dtypes) > 1 else dtypes[0]
    for dtype in wide[1:]:
        result = torch.promote_types(result, dtype)
    return result if result not in _FLOAT8 else torch.float16


def _bake_vae(tensors: Tensors, vae: Part) -> None:
    """In place of the checkpoint's own, under CompVis' names, in whichever layout the VAE's file is."""
    levels = len(vae.module.config.block_out_channels)  # type: ignore[union-attr]
    targets = sources.vae_sources(list(vae.sources), _VAE, levels)
    for name, source in vae.sources.items():
        tensor, key = vae.file.tensor(source.key), targets[name].key
        shape = tuple(tensor.shape)
        if _VAE_MIDDLE in key and len(shape) == 2:
            shape = (*shape, 1, 1)
        if key in tensors.forms and tensors.forms[key].shape != shape:
            raise WebUIError(f"{vae.file.path.name} is a VAE of another kind than the checkpoint's: {key} has another size.")
        _add(tensors, key, Form(tensor.dtype, shape), partial(_viewed, vae.file, source.key, shape))


def _viewed(file: WeightFile, key: str, shape: tuple[int, ...]) -> Tensor:
    return file.tensor(key).view(shape)


def _metadata(job: MergeJob, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    if job.recipe is None:
        return dict(job.metadata)
    inpainting = FIRST_INPUT in shapes and shapes[FIRST_INPUT][1] == 9
    recipe = {**job.recipe, "is_inpainting": inpainting, "is_instruct_pix2pix": FIRST_INPUT in shapes and shapes[FIRST_INPUT][1] == 8}
    return {**job.metadata, "sd_merge_recipe": json.dumps(recipe), "sd_merge_models": json.dumps(job.models_said)}

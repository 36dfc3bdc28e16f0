"""What was asked of a tool → a job, with everything found, named and checked that can be checked without reading weights."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from backend.catalog import Catalog, Entry
from backend.errors import NotFound, WebUIError
from backend.job import BakeIntoJob, BakeJob, BlockMapJob, ExtractJob, FileRef, MergeJob, NetworkRef, NewFile, RankOptions, ToolJob
from backend.model_folders import Kind
from backend.model_tools import (
    FIRST_INPUT,
    METHODS,
    MOST_RANK,
    NORMAL_CHANNELS,
    PRECISIONS,
    RULES,
    BakeRequest,
    BlockMapRequest,
    ExtractRequest,
    MergeRequest,
    ToolRequest,
    WeightedLora,
    merged_name,
)
from backend.safetensors_header import read_header
from backend.upload import SUFFIX, UNFINISHED, check_name

_MODEL_LETTERS = "ABC"


@dataclass(frozen=True, kw_only=True)
class ToolPlan:
    """target: the new file; None where a tool makes none. part: the file that is there until it is whole."""

    job: ToolJob
    target: Path | None = None
    part: Path | None = None


def plan_tool(request: ToolRequest, catalog: Catalog, *, hashed: bool = True) -> ToolPlan:
    """Raises WebUIError. hashed: the files are hashed for the job (a second per GB); without, the plan is good for seeing whether all is well."""
    plan = _Plan(catalog, hashed=hashed)
    match request:
        case MergeRequest():
            return plan.merge(request)
        case BakeRequest():
            return plan.bake(request)
        case ExtractRequest():
            return plan.extract(request)
        case BlockMapRequest():
            return ToolPlan(job=BlockMapJob(network=plan.ref(plan.entry("lora", request.lora, "Lora"))))


def models_of(request: MergeRequest, catalog: Catalog) -> tuple[Entry, ...]:
    """As many as the method takes. Raises WebUIError for one that is not chosen or not there."""
    if request.method not in METHODS:
        raise NotFound(f"Unknown interpolation method {request.method!r}. Known: {', '.join(METHODS)}.")
    plan = _Plan(catalog, hashed=False)
    names = (request.primary, request.secondary, request.tertiary)[: METHODS[request.method]]
    return tuple(plan.entry("checkpoint", name, f"model {letter}") for letter, name in zip(_MODEL_LETTERS, names, strict=False))


def result_name(request: MergeRequest, models: Sequence[Entry]) -> str:
    """With suffix, as A1111 names it; that it is an inpainting model is told of .safetensors files only."""
    own = request.name.strip().removesuffix(SUFFIX)
    inpainting = len(models) > 1 and _channels(models[0]) == 9 and _channels(models[1]) == NORMAL_CHANNELS
    if own:
        return own + (".inpainting" if inpainting else "") + SUFFIX
    return merged_name(request.method, tuple(model.model_name for model in models), request.multiplier, inpainting=inpainting) + SUFFIX


def copied_metadata(models: Sequence[Entry]) -> dict[str, str]:
    """Of A, then B, then C; a later one wins, as in A1111. What tells of one file's bytes alone is left out."""
    said = {key: value for model in models for key, value in _metadata(model).items()}
    return {key: value for key, value in said.items() if key not in ("sd_merge_recipe", "sd_merge_models", "modelspec.hash_sha256")}


class _Plan:
    def __init__(self, catalog: Catalog, *, hashed: bool) -> None:
        self._catalog, self._hashed = catalog, hashed

    def entry(self, kind: Kind, name: str, what: str) -> Entry:
        if not name:
            raise WebUIError(f"No {what} is chosen.")
        found = self._catalog.find(kind, name)
        if found is None:
            raise NotFound(self._catalog.why_refused(kind, name) or f"There is no {kind} {name!r}: refresh the list.")
        return found

    def ref(self, entry: Entry) -> FileRef:
        return self._catalog.ref(entry) if self._hashed else FileRef(name=entry.name)

    def merge(self, request: MergeRequest) -> ToolPlan:
        models = models_of(request, self._catalog)
        if not 0 <= request.multiplier <= 1:
            raise WebUIError(f"The multiplier {request.multiplier:g} is not between 0 and 1.")
        _check_expression(request.discard)
        given = _object(request.metadata)
        output, target = self._output("checkpoint", result_name(request, models), request.replace)
        vae = self.ref(self.entry("vae", request.vae, "VAE")) if request.vae else None
        copied = copied_metadata(models) if request.copy_metadata else {}
        recipe = request.save_metadata and request.add_recipe
        refs = tuple(map(self.ref, models))
        job = MergeJob(
            output=output,
            method=request.method,
            models=refs,
            multiplier=request.multiplier,
            half=request.half,
            vae=vae,
            discard=request.discard,
            metadata={"format": "pt", **copied, **given} if request.save_metadata else {},
            recipe=_recipe(request, refs, vae) if recipe else None,
            models_said=_said(models, refs) if recipe else {},
        )
        return _planned(job, output, target)

    def bake(self, request: BakeRequest) -> ToolPlan:
        if not request.loras:
            raise WebUIError("No Lora is chosen.")
        networks = tuple(map(self._network, request.loras))
        _check_one_of("precision", request.precision, PRECISIONS)
        if request.checkpoint:
            checkpoint = self.ref(self.entry("checkpoint", request.checkpoint, "checkpoint"))
            output, target = self._output("checkpoint", _with_suffix(request.name), request.replace)
            return _planned(BakeIntoJob(output=output, checkpoint=checkpoint, networks=networks, half=request.half), output, target)
        rank = _rank(request)
        if len(networks) == 1 and rank is None and networks[0].te_weight == networks[0].unet_weight == 1:
            raise WebUIError("One Lora at weight 1 would stay as it is: choose another one to merge it with, or a rank.")
        output, target = self._output("lora", _with_suffix(request.name), request.replace)
        conv_rank = RankOptions(most=_checked_rank(request.conv_rank), rule=request.rule, value=request.value) if request.conv_rank else None
        return _planned(BakeJob(output=output, networks=networks, rank=rank, conv_rank=conv_rank, precision=request.precision), output, target)

    def extract(self, request: ExtractRequest) -> ToolPlan:
        tuned, base = self.entry("checkpoint", request.tuned, "tuned checkpoint"), self.entry("checkpoint", request.base, "base checkpoint")
        if tuned == base:
            raise WebUIError("Both checkpoints are the same file: there is no difference to extract.")
        _check_one_of("precision", request.precision, PRECISIONS)
        output, target = self._output("lora", _with_suffix(request.name), request.replace)
        job = ExtractJob(
            output=output,
            tuned=self.ref(tuned),
            base=self.ref(base),
            rank=_checked_rank(request.rank),
            conv_rank=_checked_rank(request.conv_rank) if request.conv_rank else 0,
            text=request.text,
            precision=request.precision,
        )
        return _planned(job, output, target)

    def _network(self, lora: WeightedLora) -> NetworkRef:
        return NetworkRef(file=self.ref(self.entry("lora", lora.name, "Lora")), label=lora.name, te_weight=lora.te_weight, unet_weight=lora.unet_weight)

    def _output(self, kind: Literal["checkpoint", "lora"], name: str, replace: bool) -> tuple[NewFile, Path]:
        check_name(name)
        target = self._catalog.folders.place(kind, name)
        if target.exists() and not replace:
            raise WebUIError(f"There is a file {name} already: choose another name, or have it replaced.")
        return NewFile(kind=kind, name=name, part=f".{uuid4().hex}{UNFINISHED}", replace=replace), target


def _planned(job: ToolJob, output: NewFile, target: Path) -> ToolPlan:
    return ToolPlan(job=job, target=target, part=target.with_name(output.part))


def _recipe(request: MergeRequest, models: Sequence[FileRef], vae: FileRef | None) -> dict[str, object]:
    """A1111's names; the engine adds what it sees in the files."""
    hashes = [*(model.hash for model in models), None, None]
    return {
        "type": "webui",
        "primary_model_hash": hashes[0],
        "secondary_model_hash": hashes[1],
        "tertiary_model_hash": hashes[2],
        "interp_method": request.method,
        "multiplier": request.multiplier,
        "save_as_half": request.half,
        "custom_name": request.name,
        "config_source": 0,
        "bake_in_vae": vae.name if vae else "None",
        "discard_weights": request.discard,
    }


def _said(models: Sequence[Entry], refs: Sequence[FileRef]) -> dict[str, object]:
    """Of each by its sha256, and of what it was merged from itself."""
    said: dict[str, object] = {}
    for model, ref in zip(models, refs, strict=True):
        metadata = _metadata(model)
        said[ref.hash] = {"name": ref.name, "legacy_hash": "", "sd_merge_recipe": _loaded(metadata.get("sd_merge_recipe"))}
        earlier = _loaded(metadata.get("sd_merge_models"))
        said.update(earlier if isinstance(earlier, dict) else {})
    return said


def _loaded(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return None


def _metadata(model: Entry) -> Mapping[str, str]:
    """Of the file as it is now: pickles have none."""
    return read_header(model.path).metadata if model.path.suffix.lower() == SUFFIX else {}


def _channels(model: Entry) -> int:
    """That the U-Net reads; 0 where it is not known."""
    if model.path.suffix.lower() != SUFFIX:
        return 0
    info = read_header(model.path).tensors.get(FIRST_INPUT)
    return info.shape[1] if info and len(info.shape) > 1 else 0


def _object(text: str) -> dict[str, str]:
    """Raises WebUIError for what is no JSON object."""
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise WebUIError(f"The metadata is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise WebUIError('The metadata has to be a JSON object, as {"author": "…"}.')
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}


def _check_expression(text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise WebUIError(f"{text!r} is no regular expression: {error}.") from error


def _check_one_of(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise NotFound(f"Unknown {what} {value!r}. Known: {', '.join(filter(None, known))}.")


def _rank(request: BakeRequest) -> RankOptions | None:
    _check_one_of("rule", request.rule, RULES)
    if not request.rank:
        if request.conv_rank or request.rule:
            raise WebUIError("A rank for convolutions, or a rule, needs a rank: without it a merge is exact.")
        return None
    if request.rule in ("sv_fro", "sv_cumulative") and not 0 < request.value <= 1:
        raise WebUIError(f"{request.value:g} is no share: it has to be above 0, at most 1.")
    if request.rule == "sv_ratio" and not request.value > 1:
        raise WebUIError(f"{request.value:g} is no ratio: it has to be above 1.")
    return RankOptions(most=_checked_rank(request.rank), rule=request.rule, value=request.value)


def _checked_rank(rank: int) -> int:
    if not 1 <= rank <= MOST_RANK:
        raise WebUIError(f"The rank {rank} is not between 1 and {MOST_RANK}.")
    return rank


def _with_suffix(name: str) -> str:
    name = name.strip()
    if not name.removesuffix(SUFFIX):
        raise WebUIError("The new file needs a name.")
    return name if name.endswith(SUFFIX) else name + SUFFIX

"""A tool's job → a new model file, or numbers about one: the engine's part."""

from collections.abc import Callable
from pathlib import Path

from backend.catalog import Catalog
from backend.checkpoints.merge import merge_checkpoints
from backend.errors import Interrupted, WebUIError
from backend.job import BakeIntoJob, BakeJob, BlockMapJob, ExtractJob, FileRef, MergeJob, NetworkRef, NewFile, RankOptions, ToolJob
from backend.model_folders import Kind
from backend.networks.bake import Ingredient, merge
from backend.networks.bake_into import bake_into
from backend.networks.baked_file import Baked, write_baked
from backend.networks.block_norms import block_norms
from backend.networks.decompose import Rank
from backend.networks.extract import extract
from backend.progress import CancelToken, Event, Made, Status

OnEvent = Callable[[Event], None]


def make(job: ToolJob, catalog: Catalog, on_event: OnEvent, cancel: CancelToken) -> None:
    """Raises WebUIError, Interrupted; then there is nothing of the new file."""
    match job:
        case MergeJob():
            on_event(Status(text="Merging"))
            vae = _path(catalog, "vae", job.vae) if job.vae else None
            models = [_path(catalog, "checkpoint", model) for model in job.models]
            merge_checkpoints(job, models, vae, _target(catalog, job.output), on_event, cancel)
        case BakeIntoJob():
            on_event(Status(text="Baking"))
            checkpoint, networks = _path(catalog, "checkpoint", job.checkpoint), _networks(catalog, job.networks)
            on_event(Made(sentences=bake_into(job, checkpoint, networks, _target(catalog, job.output), on_event, cancel)))
        case BakeJob():
            on_event(Status(text="Merging"))
            ingredients = [Ingredient(path=path, te_weight=ref.te_weight, unet_weight=ref.unet_weight) for ref, path in _networks(catalog, job.networks)]
            _write(merge(ingredients, _rank(job.rank), _rank(job.conv_rank)), job.output, job.precision, catalog, on_event, cancel)
        case ExtractJob():
            on_event(Status(text="Extracting"))
            tuned, base = _path(catalog, "checkpoint", job.tuned), _path(catalog, "checkpoint", job.base)
            _write(extract(tuned, base, job.rank, job.conv_rank, text=job.text), job.output, job.precision, catalog, on_event, cancel)
        case BlockMapJob():
            on_event(Made(numbers=block_norms(_path(catalog, "lora", job.network))))


def described(baked: Baked) -> str:
    """ "264 layers, rank 8, relative error 0.0123, at most 0.1 in a layer"."""
    layers = len({name.partition(".")[0] for name in baked.tensors})
    ranks = sorted(set(baked.ranks.values()))
    words = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}" if ranks else "no rank"
    exact = "exact" if not baked.errors else f"relative error {baked.error:.4f}, at most {max(baked.errors.values()):.4f} in a layer"
    return f"{layers} layers, {words}, {exact}"


def _write(baked: Baked, output: NewFile, precision: str, catalog: Catalog, on_event: OnEvent, cancel: CancelToken) -> None:
    if cancel.cancelled:
        raise Interrupted
    write_baked(baked, _target(catalog, output), precision, part=output.part, force=output.replace)
    on_event(Made(sentences=(*baked.notes, f"{output.name}: {described(baked)}.")))


def _rank(options: RankOptions | None) -> Rank | None:
    return Rank(options.most, options.rule, options.value) if options else None


def _networks(catalog: Catalog, refs: tuple[NetworkRef, ...]) -> list[tuple[NetworkRef, Path]]:
    return [(ref, _path(catalog, "lora", ref.file)) for ref in refs]


def _path(catalog: Catalog, kind: Kind, ref: FileRef) -> Path:
    return catalog.resolve(kind, ref).path


def _target(catalog: Catalog, output: NewFile) -> Path:
    target = catalog.folders.place(output.kind, output.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WebUIError(f"{target.parent} cannot be made: {error.strerror}.") from error
    return target

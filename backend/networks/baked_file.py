"""Layers of a network that was reckoned here → a .safetensors file in kohya's names, with the recipe in its metadata."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from backend.errors import WebUIError
from backend.networks.decompose import relative

PRECISIONS: Mapping[str, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_CHUNK = 1 << 20
MODULE, LYCORIS = "networks.lora", "lycoris.kohya"


@dataclass(kw_only=True)
class Baked:
    """A network in the making. Tensors are float32, by the names they get in the file."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)  # by layer, where it has one
    errors: dict[str, float] = field(default_factory=dict)  # by layer, relative; of those that were decomposed
    notes: list[str] = field(default_factory=list)  # sentences for the person
    recipe: dict[str, object] = field(default_factory=dict)
    version: str = ""  # ss_base_model_version
    rest: float = 0.0  # sums of squares over all decomposed layers
    whole: float = 0.0

    @property
    def error(self) -> float:
        """Relative, in the Frobenius norm, over all layers that were decomposed."""
        return relative(self.rest, self.whole)

    def add_product(self, layer: str, up: Tensor, down: Tensor, *, kernel: tuple[int, ...] | None = None) -> None:
        """alpha = rank, so that the scale is 1. kernel: of a convolution, () if it is not known; None: a linear layer."""
        rank = up.shape[1]
        if kernel is not None:
            up = up.view(*up.shape, 1, 1)
            down = down.view(rank, -1, *(kernel or (1, 1)))
        self.tensors |= {f"{layer}.lora_up.weight": up, f"{layer}.lora_down.weight": down, f"{layer}.alpha": torch.tensor(float(rank))}
        self.ranks[layer] = rank

    def count_error(self, layer: str, rest: float, whole: float) -> None:
        self.errors[layer] = relative(rest, whole)
        self.rest += rest
        self.whole += whole


def write_baked(baked: Baked, path: Path, precision: str, *, part: str = "", force: bool = False) -> None:
    """By a temporary file (called `part`) and a rename.

    Raises WebUIError if the file is there already (unless force) or a number does not fit the precision.
    """
    if path.suffix != ".safetensors":
        raise WebUIError(f"{path.name}: the name of the new file has to end in .safetensors.")
    if path.exists() and not force:
        raise WebUIError(f"{path} is there already: choose another name, or --force to replace it.")
    if not baked.tensors:
        raise WebUIError("Nothing is left to write: no layer changes anything.")
    dtype, tensors = PRECISIONS[precision], {}
    for name, tensor in baked.tensors.items():
        tensors[name] = tensor.to(dtype).contiguous()
        if not tensors[name].isfinite().all():
            raise WebUIError(f"{name} has numbers too large for {precision}: choose bf16 or fp32.")
    temporary = path.with_name(part or f".{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, temporary, metadata(baked, path.stem, precision))
        os.replace(temporary, path)
    except OSError as error:
        raise WebUIError(f"{path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def metadata(baked: Baked, name: str, precision: str) -> dict[str, str]:
    ranks = Counter(baked.ranks.values())
    plain = all(key.endswith((".lora_up.weight", ".lora_down.weight", ".alpha")) for key in baked.tensors)
    recipe = {**baked.recipe, "precision": precision, "ranks": {str(rank): count for rank, count in sorted(ranks.items())}, "error": baked.error}
    rank = "Dynamic" if len(ranks) > 1 else str(next(iter(ranks), ""))
    said = {
        "format": "pt",
        "ss_output_name": name,
        "ss_network_module": MODULE if plain else LYCORIS,
        "ss_network_dim": rank,
        "ss_network_alpha": rank,
        "ss_base_model_version": baked.version,
        "bake_recipe": json.dumps(recipe, ensure_ascii=False),
    }
    return {key: value for key, value in said.items() if value}


def file_hash(path: Path) -> str:
    """sha256 of the whole file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

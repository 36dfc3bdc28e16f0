"""How much a network changes in each block of the model: lengths of ΔW, from its file alone."""

import math
from collections import defaultdict
from pathlib import Path

import torch

from backend.checkpoints.weight_file import open_weights
from backend.errors import WebUIError
from backend.networks.bake import reads_weight, size_of_delta
from backend.networks.blocks import BLOCKS, block_of
from backend.networks.deltas import Composed, Delta
from backend.networks.kohya import family_of
from backend.networks.low_rank import LowRank
from backend.networks.network_file import NetworkFile

TEXT = ("TE", "TE2")


@torch.no_grad()
def block_norms(path: Path) -> dict[str, object]:
    """{"blocks": [{"block", "layers", "norm"}…] in BLOCKS' order with text encoders apart, "family", "left_out": layers whose change depends on a checkpoint}.

    norm: √Σ‖ΔW‖² (Frobenius) at weight 1. Raises WebUIError for a file that is no network.
    """
    network = NetworkFile(open_weights(path))
    if not network.deltas:
        raise WebUIError(f"{path.name} has no layers of a network: it is no LoRA.")
    names, unknown = family_of(list(network.deltas))
    squares: dict[str, float] = defaultdict(float)
    layers: dict[str, int] = defaultdict(int)
    left_out = len(unknown)
    for module, deltas in network.deltas.items():
        target = names.target(module)
        if target is None:
            continue
        if not deltas or any(reads_weight(delta) for delta in deltas.values()):
            left_out += 1
            continue
        block = BLOCKS[block_of(target.component, target.path)] if target.component == "unet" else TEXT[int(target.component[-1])]
        lengths = [_square(delta) for delta in deltas.values()]
        if not all(map(math.isfinite, lengths)):
            left_out += 1
            continue
        squares[block] += sum(lengths)
        layers[block] += 1
    known = [block for block in (*TEXT, *BLOCKS) if block in layers]
    return {
        "family": names.family.name,
        "blocks": [{"block": block, "layers": layers[block], "norm": math.sqrt(squares[block])} for block in known],
        "left_out": left_out,
    }


def _square(delta: Delta) -> float:
    """‖ΔW‖²; NaN where the parts do not fit together. Of thin products without making the matrix: tr(UᵀU · DDᵀ)."""
    size = size_of_delta(delta)
    if size is None:
        return math.nan
    if isinstance(delta, Composed) and isinstance(delta.kind, LowRank) and delta.rest is None:
        delta = delta.kind
    if isinstance(delta, LowRank):
        up, down = (factor.double() for factor in delta.factors(size))
        return delta.scale**2 * float(((up.t() @ up) * (down @ down.t())).sum())
    matrix = torch.zeros(size)
    vector = isinstance(delta, Composed) and getattr(getattr(delta.kind, "difference", None), "ndim", 2) == 1
    delta.add_to(matrix, 1.0, size[:1] if vector else size, dyn=None)
    return float(matrix.square().sum(dtype=torch.float64))

"""Several networks at their weights → one, exactly or at a lower rank. One network at a lower rank is the same with one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from backend.checkpoints.weight_file import WeightFile, open_weights
from backend.errors import WebUIError
from backend.networks.baked_file import Baked, file_hash
from backend.networks.decompose import Product, Rank, concatenated, lower_matrix, lower_product
from backend.networks.deltas import Composed, Delta
from backend.networks.kohya import KohyaNames, family_of
from backend.networks.low_rank import LowRank
from backend.networks.lycoris import Hadamard, Kronecker, Whole
from backend.networks.network_file import BUNDLED, NetworkFile
from backend.networks.parts import size_of

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """A file and its weights, as in <lora:name:te:unet>."""

    path: Path
    te_weight: float = 1.0
    unet_weight: float = 1.0

    def weight(self, layer: str) -> float:
        """layer: in kohya's names."""
        return self.unet_weight if layer.startswith("lora_unet_") else self.te_weight


@dataclass(frozen=True, kw_only=True)
class Opened:
    ingredient: Ingredient
    weights: WeightFile
    network: NetworkFile

    @property
    def name(self) -> str:
        return self.ingredient.path.name

    @classmethod
    def of(cls, ingredient: Ingredient) -> "Opened":
        """Raises WebUIError, naming a layer, for what cannot be taken apart from the checkpoint, or is damaged."""
        weights = open_weights(ingredient.path)
        opened = cls(ingredient=ingredient, weights=weights, network=NetworkFile(weights))
        if not opened.network.deltas:
            raise WebUIError(f"{opened.name} has no layers of a network: it is no LoRA.")
        for module, deltas in opened.network.deltas.items():
            if deltas is None:
                raise WebUIError(f"{opened.name}: {module} is of a kind that is not supported.")
            for delta in deltas.values():
                if reads_weight(delta):
                    raise WebUIError(
                        f"{opened.name}: what it does to {module} (DoRA, OFT, IA3 or GLoRA) depends on the checkpoint, so it cannot be merged or resized."
                    )
        if opened.network.damaged:
            raise WebUIError(f"{opened.name}: {min(opened.network.damaged)} is damaged (NaN): get the file again.")
        return opened


@dataclass
class Layer:
    """All that is done to one weight: thin products, and sums of what is none."""

    size: Size
    kernel: tuple[int, ...] | None = None  # None: as a linear layer; () a convolution whose kernel no file tells
    dimensions: int = 2  # 1: a norm
    products: list[Product] = field(default_factory=list)
    dense: Tensor | None = None  # (O, I·k·k)

    def matrix(self) -> Tensor:
        """Of all together."""
        sum_ = torch.zeros(self.size) if self.dense is None else self.dense.clone()
        for up, down, scale in self.products:
            sum_.addmm_(up, down, alpha=scale)
        return sum_

    def add(self, delta: Delta, multiplier: float) -> None:
        if isinstance(delta, Composed) and isinstance(delta.kind, LowRank) and delta.rest is None:  # with a bias beside it
            delta = delta.kind
        if isinstance(delta, LowRank):
            up, down = delta.factors(self.size)
            self.products.append(Product(up, down, multiplier * delta.scale))
            self._see((delta.down if delta.mid is None else delta.mid).shape[2:], whether=delta.down.ndim > 2 or delta.mid is not None)
            return
        self.dense = torch.zeros(self.size) if self.dense is None else self.dense
        shape = self.size[:1] if self.dimensions == 1 else self.size
        delta.add_to(self.dense, multiplier, shape, dyn=None)
        if isinstance(delta, Composed) and isinstance(delta.kind, Whole):
            self._see(delta.kind.difference.shape[2:], whether=delta.kind.difference.ndim > 2)

    def _see(self, kernel: Sequence[int], *, whether: bool) -> None:
        """What a tensor tells of the kernel."""
        if whether and not self.kernel:
            self.kernel = tuple(kernel)


@torch.no_grad()
def merge(ingredients: Sequence[Ingredient], rank: Rank | None = None, conv_rank: Rank | None = None) -> Baked:
    """The sum of all. rank None: exact – ranks add up, and a layer in which one file is no thin product becomes a full difference.

    conv_rank: of kernels wider than 1, else as the others. Raises WebUIError for files of different families and for what cannot be merged.
    """
    files = [Opened.of(ingredient) for ingredient in ingredients]
    names = _names(files)
    baked = Baked(version=_version(files, names))
    baked.recipe = {
        "tool": "merge",
        "method": "svd" if rank else "concatenation",
        "inputs": [_said(file.ingredient) for file in files],
        **({"rank": _rank_words(rank), "conv_rank": _rank_words(conv_rank or rank)} if rank else {}),
    }
    full = 0
    for layer, members in _by_layer(files, names).items():
        weight = [(file, deltas["weight"]) for file, deltas in members if "weight" in deltas]
        bias = [(file, deltas["bias"]) for file, deltas in members if "bias" in deltas]
        summed = _summed(layer, weight) if weight else None
        if summed is not None:
            full += _put(baked, layer, summed, rank, conv_rank)
        if bias:
            vector = _summed(layer, bias)
            leaf = "b_norm" if summed is not None and summed.dimensions == 1 else "diff_b"
            if vector is not None:
                baked.tensors[f"{layer}.{leaf}"] = vector.matrix().view(-1)
    if full:
        baked.notes.append(
            f"{full} layer{'s are' if full > 1 else ' is'} no thin product in every file and became a full difference: give a rank for a smaller file."
        )
    _take_words(baked, files)
    return baked


def reads_weight(delta: Delta) -> bool:
    """Whether what it adds depends on the checkpoint."""
    if isinstance(delta, LowRank):
        return False
    return not isinstance(delta, Composed) or delta.magnitude is not None or not isinstance(delta.kind, LowRank | Hadamard | Kronecker | Whole)


def size_of_delta(delta: Delta) -> Size | None:
    """(O, I·k·k) of the weight it is for; None if its parts contradict each other."""
    kind = delta.kind if isinstance(delta, Composed) else delta
    size: Size | None = None
    if isinstance(kind, LowRank) and kind.up.ndim:
        rows = kind.up.shape[0]
        columns = kind.columns((rows,))
        size = (rows, columns) if columns else None
    elif isinstance(kind, Whole):
        size = size_of(kind.difference)
    elif isinstance(kind, Hadamard):
        size = kind.first.size()
    elif isinstance(kind, Kronecker):
        first, second = kind.first.size(), kind.second.size()
        size = (first[0] * second[0], first[1] * second[1]) if first and second else None
    if size is None:
        return None
    return size if delta.fits(size[:1] if isinstance(kind, Whole) and kind.difference.ndim == 1 else size) else None


Members = list[tuple[Opened, Mapping[str, Delta]]]


def _by_layer(files: Sequence[Opened], names: KohyaNames) -> dict[str, Members]:
    layers: dict[str, Members] = {}
    for file in files:
        for module, deltas in file.network.deltas.items():
            layer = names.name(module)
            if layer is not None and deltas and file.ingredient.weight(layer):
                layers.setdefault(layer, []).append((file, deltas))
    return layers


def _summed(layer: str, members: Sequence[tuple[Opened, Delta]]) -> Layer | None:
    """None for a change of nothing."""
    found: Layer | None = None
    for file, delta in members:
        size = size_of_delta(delta)
        if size is None:
            raise WebUIError(f"{file.name}: the parts of {layer} do not fit together: get the file again.")
        if found is None:
            vector = isinstance(delta, Composed) and isinstance(delta.kind, Whole) and delta.kind.difference.ndim == 1
            found = Layer(size, dimensions=1 if vector else 2)
        if found.size != size:
            sizes = " and ".join(f"{rows} × {columns}" for rows, columns in (found.size, size))
            raise WebUIError(f"{file.name}: {layer} has another size than in {members[0][0].name} ({sizes}): they were made for different kinds of model.")
        found.add(delta, file.ingredient.weight(layer))
    return found


def _put(baked: Baked, layer: str, summed: Layer, rank: Rank | None, conv_rank: Rank | None) -> bool:
    """Whether it became a full difference for want of a rank."""
    if summed.dimensions == 1:
        baked.tensors[f"{layer}.w_norm"] = summed.matrix().view(-1)
        return False
    wide = math.prod(summed.kernel or ()) > 1
    chosen = conv_rank if wide and conv_rank is not None else rank
    if chosen is not None:
        lower = lower_product(concatenated(summed.products), chosen) if summed.dense is None else lower_matrix(summed.matrix(), chosen)
        baked.add_product(layer, lower.up, lower.down, kernel=summed.kernel)
        baked.count_error(layer, lower.rest, lower.whole)
    elif summed.dense is None:
        product = concatenated(summed.products)
        baked.add_product(layer, product.up, product.down, kernel=summed.kernel)
    else:
        matrix = summed.matrix()
        baked.tensors[f"{layer}.diff"] = matrix.view(matrix.shape[0], -1, *summed.kernel) if summed.kernel else matrix
        return True
    return False


def _names(files: Sequence[Opened]) -> KohyaNames:
    """Raises WebUIError unless all are for one of the families that are known."""
    names, _ = family_of([module for file in files for module in file.network.deltas])
    for file in files:
        own, unknown = family_of(list(file.network.deltas))
        if unknown:
            raise WebUIError(f"{file.name} is not for SD1, SD2 or SDXL: none of them has {unknown[0]}.")
        strangers = [module for module in file.network.deltas if names.name(module) is None]
        if strangers:
            raise WebUIError(f"{file.name} is for {own.family.name} and the others are for {names.family.name}: {strangers[0]} is in one of them only.")
    return names


def _version(files: Sequence[Opened], names: KohyaNames) -> str:
    """What the trainers wrote, where they agree; else the family's."""
    said = {file.weights.metadata.get("ss_base_model_version", "") for file in files} - {""}
    return said.pop() if len(said) == 1 else names.family.version


def _said(ingredient: Ingredient) -> dict[str, object]:
    return {
        "name": ingredient.path.name,
        "sha256": file_hash(ingredient.path),
        "te_weight": ingredient.te_weight,
        "unet_weight": ingredient.unet_weight,
    }


def _rank_words(rank: Rank | None) -> str:
    if rank is None:
        return ""
    return f"{rank.rule} {rank.value:g}, at most {rank.most}" if rank.rule else str(rank.most)


def _take_words(baked: Baked, files: Sequence[Opened]) -> None:
    """Textual inversions that came with them; of two of one name the first."""
    words: dict[str, str] = {}
    for file in files:
        for word, tensors in file.network.embeddings.items():
            if word in words:
                baked.notes.append(f"The word {word} is in {words[word]} and in {file.name}: the first was taken.")
                continue
            words[word] = file.name
            baked.tensors |= {f"{BUNDLED}{word}.{name}": tensor.float() for name, tensor in tensors.items() if tensor.is_floating_point()}

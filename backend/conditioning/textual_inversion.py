"""Textual inversions: files of embeddings/ → vectors that stand in for words of a prompt."""

import hashlib
import logging
import pickle
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backend.conditioning.embedding_image import read_embedding_image
from backend.errors import WebUIError
from backend.prompts.embedding_index import EmbeddingIndex
from backend.prompts.tokenizer import Tokenizer

log = logging.getLogger(__name__)
SHORT_HASH = 12  # digits in the infotext


class EmbeddingFile(Protocol):
    """What the catalog knows about a file."""

    @property
    def path(self) -> Path: ...
    @property
    def stem(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def hash(self) -> str: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding:
    """One textual inversion. Its vectors are keyed by encoder ("clip_l", "clip_g"), or by "" where there is one encoder."""

    name: str
    tensors: Mapping[str, Tensor]  # each (n, W) float32
    hash: str = ""  # sha256 of the file
    network: str = ""  # name of the LoRA that brought it; "" if it has a file of its own
    step: int | None = None
    sd_checkpoint: str | None = None
    sd_checkpoint_name: str | None = None

    @property
    def vectors(self) -> int:
        """How many tokens it takes the place of."""
        return len(self.tensors.get("clip_g", next(iter(self.tensors.values()))))

    @property
    def shape(self) -> int:
        """Width of all encoders together: 768 SD1, 1024 SD2, 2048 SDXL."""
        return sum(tensor.shape[-1] for tensor in self.tensors.values())

    @property
    def short_hash(self) -> str:
        """For the infotext, where A1111 names the LoRA if there is one."""
        return self.network or self.hash[:SHORT_HASH]

    def vectors_for(self, key: str) -> Tensor:
        return self.tensors[key if key in self.tensors else ""]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundled:
    """A textual inversion in the file of a LoRA. Equal sources: equal tensors."""

    name: str
    network: str
    source: Hashable
    tensors: Mapping[str, Tensor]  # named as in a file of its own, a dot for each level


@dataclass(frozen=True)
class Fitting:
    """The embeddings that fit a model, and those that do not, each to be found by name among tokens."""

    loaded: EmbeddingIndex[Embedding]
    skipped: EmbeddingIndex[Embedding]


class EmbeddingStore:
    """The embeddings of all files. `revision` goes up with every change, so that encoded prompts know when they are out of date."""

    def __init__(self) -> None:
        self._files: dict[Path, tuple[tuple[int, int], Embedding | None]] = {}
        self._bundled: dict[Hashable, Embedding | None] = {}
        self._embeddings: dict[str, Embedding] = {}
        self._fitting: dict[int, Fitting] = {}
        self.revision = 0

    def load(self, entries: Iterable[EmbeddingFile], bundled: Iterable[Bundled] | None = None) -> None:
        """Make these files the ones that there are; those that did not change are not read again. Broken ones are logged and left out.

        bundled: those of the networks that are applied, None for no change. A file of the same name goes before.
        """
        files = {entry.path: self._read(entry) for entry in entries}
        networks = {key: None for key in self._bundled} if bundled is None else {(one.source, one.name, one.network): one for one in bundled}
        if files.keys() == self._files.keys() and all(files[path] is self._files[path] for path in files) and networks.keys() == self._bundled.keys():
            return
        self._files = files
        self._bundled = {key: _unpacked(one) if one and key not in self._bundled else self._bundled[key] for key, one in networks.items()}
        found = (*self._bundled.values(), *(embedding for _, embedding in files.values()))
        self._embeddings = {embedding.name: embedding for embedding in found if embedding}
        self._fitting.clear()
        self.revision += 1

    def fitting(self, shape: int, tokenizer: Tokenizer) -> Fitting:
        """For a model whose text encoders have this width together."""
        if shape not in self._fitting:
            fits = [embedding for embedding in self._embeddings.values() if embedding.shape == shape]
            others = [embedding for embedding in self._embeddings.values() if embedding.shape != shape]
            self._fitting[shape] = Fitting(EmbeddingIndex(fits, tokenizer), EmbeddingIndex(others, tokenizer))
        return self._fitting[shape]

    def listing(self, shape: int | None) -> dict[str, dict[str, dict[str, object]]]:
        """As GET /sdapi/v1/embeddings answers: loaded = fits a model of this width; None = no model, all count as loaded."""
        listing: dict[str, dict[str, dict[str, object]]] = {"loaded": {}, "skipped": {}}
        for name, embedding in self._embeddings.items():
            listing["loaded" if shape in (None, embedding.shape) else "skipped"][name] = {
                "step": embedding.step,
                "sd_checkpoint": embedding.sd_checkpoint,
                "sd_checkpoint_name": embedding.sd_checkpoint_name,
                "shape": embedding.shape,
                "vectors": embedding.vectors,
            }
        return listing

    def _read(self, entry: EmbeddingFile) -> tuple[tuple[int, int], Embedding | None]:
        stamp = (entry.size, entry.mtime_ns)
        known = self._files.get(entry.path)
        if known and known[0] == stamp:
            return known
        try:
            return stamp, read_embedding(entry.path, entry.stem, entry.hash)
        except WebUIError as error:
            log.warning("%s", error)
            return stamp, None


def read_embedding(path: Path, name: str, file_hash: str = "") -> Embedding | None:
    """None for a picture that holds no embedding. A picture's embedding may bring its own name. Raises WebUIError for a broken or foreign file."""
    try:
        data = _READERS[path.suffix.lower()](path)
    except KeyError as error:
        raise WebUIError(f"{path.name}: not a textual inversion. Known: {', '.join(_READERS)}") from error
    except (OSError, RuntimeError, EOFError, ValueError, SafetensorError, pickle.UnpicklingError) as error:
        raise WebUIError(f"The textual inversion {path.name} can't be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
    if data is None:
        return None
    return Embedding(
        name=_text(data.get("name")) or name if path.suffix.lower() in _PICTURES else name,
        tensors=_tensors(data, path.name),
        hash=file_hash or hashlib.sha256(path.read_bytes()).hexdigest(),
        step=data["step"] if isinstance(data.get("step"), int) else None,
        sd_checkpoint=_text(data.get("sd_checkpoint")),
        sd_checkpoint_name=_text(data.get("sd_checkpoint_name")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _unpacked(bundled: Bundled) -> Embedding | None:
    """None, and a word in the log, for one of an unknown layout."""
    nested = {name.removeprefix("string_to_param."): tensor for name, tensor in bundled.tensors.items() if name.startswith("string_to_param.")}
    try:
        tensors = _tensors({"string_to_param": nested} if nested else bundled.tensors, f"{bundled.name} in the LoRA {bundled.network}")
    except WebUIError as error:
        log.warning("%s", error)
        return None
    return Embedding(name=bundled.name, network=bundled.network, tensors=tensors)


def _tensors(data: Mapping[str, Any], file: str) -> dict[str, Tensor]:
    """A1111's and the original's layout {string_to_param: {"*": …}}, SDXL's pair, or one tensor under any name (diffusers, safetensors)."""
    if "string_to_param" in data:
        found = dict(data["string_to_param"])
        keys = ("",)
    elif "clip_g" in data and "clip_l" in data:
        found = {key: data[key] for key in ("clip_l", "clip_g")}
        keys = tuple(found)
    else:
        found = data
        keys = ("",)
    tensors = [tensor for tensor in found.values() if isinstance(tensor, Tensor) and tensor.dim() in (1, 2)]
    if len(tensors) != len(keys) or len(found) != len(keys):
        raise WebUIError(f"{file} is not a textual inversion: no layout that is known.")
    return {key: torch.atleast_2d(tensor.detach().float()) for key, tensor in zip(keys, tensors, strict=True)}


def _read_pickle(path: Path) -> dict:
    """No code is run. The original implementation saved its vectors in a ParameterDict."""
    with torch.serialization.safe_globals([torch.nn.ParameterDict]):
        data = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(data, dict):
        raise WebUIError(f"{path.name} is not a textual inversion: no layout that is known.")
    return data


_PICTURES = (".png", ".webp", ".jxl", ".avif")
_READERS: Mapping[str, Callable[[Path], dict | None]] = {
    ".pt": _read_pickle,
    ".bin": _read_pickle,
    ".safetensors": load_file,
    **dict.fromkeys(_PICTURES, read_embedding_image),
}

"""A LoRA file as deltas by module name: mapped into memory, read when first used, the last few kept open."""

from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from backend.checkpoints.weight_file import WeightFile, open_weights
from backend.networks.deltas import Deltas, read_deltas
from backend.networks.keys import split_key
from backend.networks.peft import PeftScales

KEPT_OPEN = 8
BUNDLED = "bundle_emb."


class FileIdentity(NamedTuple):
    """Equal identities: equal contents."""

    path: Path
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "FileIdentity":
        """Of a file that is not there, too: opening it says so."""
        try:
            stat = path.stat()
        except OSError:
            return cls(path, -1, -1)
        return cls(path, stat.st_size, stat.st_mtime_ns)


class NetworkFile:
    """deltas: by module as the file names it; None where the kind is not known.

    embeddings: textual inversions that came in the same file, by their words; each as a file of its own would hold it.
    """

    def __init__(self, weights: WeightFile) -> None:
        parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
        embeddings: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for key in weights.shapes:
            if key.startswith(BUNDLED):
                word, _, name = key.removeprefix(BUNDLED).partition(".")
                embeddings[word][name] = weights.tensor(key)
            else:
                module, part = split_key(key)
                parts[module][part] = weights.tensor(key)
        if (scales := PeftScales.read(weights.metadata)) is not None:
            for module, found in parts.items():
                scales.complete(module, found)
        self.deltas: Mapping[str, Deltas | None] = {module: read_deltas(found) for module, found in parts.items()}
        self.embeddings: Mapping[str, Mapping[str, Tensor]] = embeddings

    @cached_property
    def damaged(self) -> frozenset[str]:
        """Modules with NaN or infinity; asking reads the whole file once."""
        return frozenset(module for module, deltas in self.deltas.items() if deltas and not all(delta.is_finite() for delta in deltas.values()))


class NetworkFiles:
    """Raises WebUIError, in one sentence, for a file that is gone, cut off, or a pickle with code in it."""

    def __init__(self) -> None:
        self._open: OrderedDict[FileIdentity, NetworkFile] = OrderedDict()
        self.reads = 0  # how often a file was opened

    def get(self, identity: FileIdentity) -> NetworkFile:
        if identity not in self._open:
            self.reads += 1
            self._open[identity] = NetworkFile(open_weights(identity.path))
        self._open.move_to_end(identity)
        while len(self._open) > KEPT_OPEN:
            self._open.popitem(last=False)
        return self._open[identity]

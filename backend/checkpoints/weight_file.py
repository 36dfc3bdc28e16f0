"""A checkpoint file as named tensors that lie in the file itself: mapped into memory, read when touched, never written."""

import mmap
import os
import pickle
import sys
import types
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from backend.errors import WebUIError
from backend.safetensors_header import read_header

DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_ZIP_START = b"PK\x03\x04"
_LEGACY_START = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)[:12]  # the number that torch.save wrote first until 1.6

Identity = tuple[int, int, int]  # size, mtime_ns, inode


class WeightFile(Protocol):
    """Named tensors of one file. What tensor() gives is read only by agreement: it is the file."""

    path: Path
    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    mapped: bool  # False: an old pickle that had to be read whole

    def tensor(self, key: str) -> Tensor: ...

    def release(self) -> None:
        """Gives the touched pages back to the system; they are read again when needed."""
        ...

    def unchanged(self) -> bool:
        """Whether the mapped file still holds what was loaded."""
        ...


def open_weights(path: Path) -> WeightFile:
    """By suffix. Raises WebUIError for a file that is cut off, no checkpoint at all, or a pickle with code in it."""
    if not path.is_file():
        raise WebUIError(f"{path.name} is not there any more: refresh the list and choose another file.")
    return SafetensorsFile(path) if path.suffix.lower() == ".safetensors" else PickleFile(path)


def identity(stat: os.stat_result) -> Identity:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


class SafetensorsFile:
    """The mapping stays open, so a file that is renamed or replaced afterwards keeps its old contents here."""

    mapped = True

    def __init__(self, path: Path) -> None:
        header = read_header(path)
        self.path = path
        self.metadata: Mapping[str, str] = header.metadata
        self.shapes: Mapping[str, tuple[int, ...]] = {key: tuple(info.shape) for key, info in header.tensors.items()}
        self._infos = header.tensors
        self._file = path.open("rb")
        self._identity = identity(os.fstat(self._file.fileno()))
        self._start = 8 + int.from_bytes(self._file.read(8), "little")
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_COPY)  # copy on write: torch wants a writable buffer

    def tensor(self, key: str) -> Tensor:
        info, shape = self._infos[key], self.shapes[key]
        if info.dtype not in DTYPES:
            raise WebUIError(f"{self.path.name} holds {info.dtype} numbers, which are not supported: convert it to fp16.")
        count, dtype = int(np.prod(shape, dtype=np.int64)), DTYPES[info.dtype]
        if not count:
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(self._map, dtype=dtype, count=count, offset=self._start + info.offsets[0]).view(shape)

    def release(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED") and sys.platform == "linux":
            self._map.madvise(mmap.MADV_DONTNEED)

    def unchanged(self) -> bool:
        return identity(os.fstat(self._file.fileno())) == self._identity

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


class PickleFile:
    """.ckpt, .pt, .bin: read by torch with weights_only, so no code in it can run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata: Mapping[str, str] = {}
        self.mapped = zipfile.is_zipfile(path)
        self._identity = identity(path.stat())
        tensors = self._read()
        self.shapes: Mapping[str, tuple[int, ...]] = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
        self._tensors: Mapping[str, Tensor] | None = tensors

    def tensor(self, key: str) -> Tensor:
        if self._tensors is None:
            self._tensors = self._read()
        return self._tensors[key]

    def release(self) -> None:
        self._tensors = None

    def unchanged(self) -> bool:
        return self.path.is_file() and identity(self.path.stat()) == self._identity

    def _read(self) -> Mapping[str, Tensor]:
        with self.path.open("rb") as file:
            start = file.read(12)
        if not self.mapped and start.startswith(_ZIP_START):
            raise WebUIError(f"{self.path.name} is cut off: download it again.")
        if not self.mapped and start != _LEGACY_START:
            raise WebUIError(f"{self.path.name} is no PyTorch file: it may be damaged or a web page saved by mistake; download it again.")
        try:
            with torch.serialization.safe_globals(_harmless()):
                content = torch.load(self.path, map_location="cpu", weights_only=True, mmap=self.mapped)
        except pickle.UnpicklingError as error:
            name, culprit = self.path.name, _culprit(error)
            raise WebUIError(f"{name} contains code besides weights and was not opened ({culprit}): get a .safetensors file instead.") from error
        except (RuntimeError, EOFError, ValueError, OSError, KeyError) as error:
            raise WebUIError(f"{self.path.name} is damaged or cut off: download it again.") from error
        return _state_dict(content)


def _state_dict(content: object) -> dict[str, Tensor]:
    """The named tensors, which trainers put at the top or one level down."""
    if isinstance(content, Mapping):
        for level in ("state_dict", "model"):
            if isinstance(content.get(level), Mapping):
                content = content[level]
                break
    if not isinstance(content, Mapping):
        return {}
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _culprit(error: Exception) -> str:
    """The name that torch refused, out of its long message."""
    words = str(error).split("Unsupported global: GLOBAL ")
    return words[1].split()[0] if len(words) > 1 else "not a plain list of weights"


def _harmless() -> list[Any]:
    """What the first Stable Diffusion files carry besides tensors: a trainer's class name and numpy numbers. Nothing of it runs."""
    trainer = types.new_class("ModelCheckpoint")
    number = np.float64(0).__reduce__()[0]
    trainer_names = ("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", "pytorch_lightning.callbacks.ModelCheckpoint")
    number_names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    numbers = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64)]
    return [*((trainer, name) for name in trainer_names), *((number, name) for name in number_names), np.dtype, *numbers]

"""The header of a .safetensors file, read without its tensors: metadata, names, dtypes, shapes; and whether the file is whole."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.errors import WebUIError

MOST_HEADER_BYTES = 100_000_000  # the format's own limit
_BYTES: Mapping[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
_OFFSETS = re.compile(rb'"data_offsets"\s*:\s*\[\s*(\d{1,19})\s*,\s*(\d{1,19})\s*\]')
_METADATA_FIRST = re.compile(r'\s*\{\s*"__metadata__"\s*:\s*')


@dataclass(frozen=True)
class TensorInfo:
    """dtype as the format spells it ("F16"); offsets: first and past-the-last byte, counted from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    offsets: tuple[int, int]


@dataclass(frozen=True)
class Header:
    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorInfo]
    size: int  # bytes before the first tensor, the eight of the length included


def read_header(path: Path) -> Header:
    """Raises WebUIError, in one sentence, for a file that is cut off or no .safetensors file."""
    raw, data_bytes = _read_raw(path)
    try:
        content = json.loads(raw)
        metadata = _strings(content.pop("__metadata__", None))
        tensors = {name: _tensor_info(info) for name, info in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(path) from error
    if any(not _makes_sense(info) for info in tensors.values()):
        raise _damaged(path)
    _check_length(path, max((info.offsets[1] for info in tensors.values()), default=0), data_bytes)
    return Header(metadata, tensors, 8 + len(raw))


def read_metadata(path: Path) -> Mapping[str, str]:
    """The metadata alone, several times faster than read_header; the length of the file is checked all the same."""
    raw, data_bytes = _read_raw(path)
    _check_length(path, max((int(end) for _, end in _OFFSETS.findall(raw)), default=0), data_bytes)
    try:
        text = raw.decode()
        if match := _METADATA_FIRST.match(text):
            return _strings(json.JSONDecoder().raw_decode(text, match.end())[0])
        return _strings(json.loads(text).get("__metadata__")) if '"__metadata__"' in text else {}
    except (ValueError, AttributeError, RecursionError) as error:
        raise _damaged(path) from error


def _read_raw(path: Path) -> tuple[bytes, int]:
    """The header's JSON, and how many bytes follow it."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            rest = file.seek(0, 2) - 8
            if start == b"version ":
                raise WebUIError(f"{path.name} is only a Git LFS pointer: download the file itself.")
            if len(start) < 8 or (length > rest and length <= MOST_HEADER_BYTES):
                raise WebUIError(f"{path.name} is cut off: download it again.")
            if not 2 <= length <= MOST_HEADER_BYTES:
                raise _damaged(path)
            file.seek(8)
            raw = file.read(length)
    except OSError as error:
        raise WebUIError(f"{path.name} cannot be read: {error.strerror}.") from error
    if not (raw.lstrip().startswith(b"{") and raw.rstrip(b" \t\r\n\0").endswith(b"}")):
        raise _damaged(path)
    return raw, rest - length


def _check_length(path: Path, end: int, data_bytes: int) -> None:
    if end > data_bytes:
        raise WebUIError(f"{path.name} is cut off ({end - data_bytes} bytes are missing): download it again.")
    if end < data_bytes:
        raise _damaged(path)


def _damaged(path: Path) -> WebUIError:
    return WebUIError(f"{path.name} is no .safetensors file or is damaged: download it again.")


def _strings(metadata: object) -> dict[str, str]:
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise ValueError("__metadata__ is no object")
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}


def _tensor_info(info: dict) -> TensorInfo:
    begin, end = (int(offset) for offset in info["data_offsets"])
    return TensorInfo(str(info["dtype"]), tuple(int(n) for n in info["shape"]), (begin, end))


def _makes_sense(info: TensorInfo) -> bool:
    """Whether the offsets make sense; a tensor past the end is left to the check of the length."""
    begin, end = info.offsets
    if begin < 0 or end < begin or any(n < 0 for n in info.shape):
        return False
    return info.dtype not in _BYTES or end - begin == math.prod(info.shape) * _BYTES[info.dtype]

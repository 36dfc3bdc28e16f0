"""The header of a .safetensors file, read without its tensors: metadata, names, dtypes, shapes; and whether the file is whole."""

import codecs
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backend.errors import WebUIError

MOST_HEADER_BYTES = 100_000_000  # the format's own limit
_BYTES: Mapping[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
_OFFSETS = re.compile(rb'"data_offsets"\s*:\s*\[\s*(\d{1,19})\s*,\s*(\d{1,19})\s*\]')
_FIRST_BYTES = 16_384  # of the file: nearly always more than the metadata
_LAST_BYTES = 1_024  # of the header: the last tensor, and then some for padding
_AROUND_BODY = "{,} \t\r\n\0"  # there or not, as there are metadata, and padding
_DECODER = json.JSONDecoder()
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


@dataclass(frozen=True)
class Outline:
    """body: the header's text behind the metadata, unread and without the braces around it; it is the same in files with the same tensors."""

    metadata: Mapping[str, str]
    body: str


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
    """The metadata alone, many times faster than read_header: as files are usually written, from the first and the last kilobytes of the header.

    The length of the file is checked all the same, by the tensor that the header names last.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(_FIRST_BYTES)
            length = _header_length(path, start, size)
            head, tail = start[8 : 8 + length], _last_bytes(file, start, length)
            _check_braces(path, head, tail)
            ends = _OFFSETS.findall(tail)
            if ends and int(ends[-1][1]) == size - 8 - length and (metadata := _leading_metadata(head)) is not None:
                return metadata
            file.seek(8)
            raw = file.read(length)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _metadata_anywhere(path, raw, size - 8 - length)


def read_outline(path: Path) -> Outline:
    """Much faster than read_header, and as sure that the file is whole. Raises WebUIError as that does."""
    return parse_outline(path, *_read_raw(path))


def parse_outline(path: Path, raw: bytes, data_bytes: int) -> Outline:
    """raw: the header's JSON; data_bytes: how many bytes follow it."""
    _check_braces(path, raw, raw)
    if not ((ends := _OFFSETS.findall(raw[-_LAST_BYTES:])) and int(ends[-1][1]) == data_bytes):
        _check_length(path, max((int(end) for _, end in _OFFSETS.findall(raw)), default=0), data_bytes)
    try:
        text = raw.decode()
        if match := _METADATA_FIRST.match(text):
            content, end = _DECODER.raw_decode(text, match.end())
            return Outline(_strings(content), text[end:].strip(_AROUND_BODY))
        return Outline(_strings(json.loads(text).get("__metadata__")) if '"__metadata__"' in text else {}, text.strip(_AROUND_BODY))
    except (ValueError, AttributeError, RecursionError) as error:
        raise _damaged(path) from error


def _leading_metadata(head: bytes) -> dict[str, str] | None:
    """None where it is not at the start, is longer than what was read, or is damaged."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # which may end within a letter
        match = _METADATA_FIRST.match(text)
        return _strings(_DECODER.raw_decode(text, match.end())[0]) if match else None
    except (ValueError, RecursionError):
        return None


def _metadata_anywhere(path: Path, raw: bytes, data_bytes: int) -> dict[str, str]:
    """raw: the whole header."""
    _check_length(path, max((int(end) for _, end in _OFFSETS.findall(raw)), default=0), data_bytes)
    try:
        text = raw.decode()
        if match := _METADATA_FIRST.match(text):
            return _strings(_DECODER.raw_decode(text, match.end())[0])
        return _strings(json.loads(text).get("__metadata__")) if '"__metadata__"' in text else {}
    except (ValueError, AttributeError, RecursionError) as error:
        raise _damaged(path) from error


def _read_raw(path: Path) -> tuple[bytes, int]:
    """The header's JSON, and how many bytes follow it."""
    try:
        with path.open("rb") as file:
            start, size = file.read(8), os.fstat(file.fileno()).st_size
            length = _header_length(path, start, size)
            raw = file.read(length)
    except OSError as error:
        raise _unreadable(path, error) from error
    _check_braces(path, raw, raw)
    return raw, size - 8 - length


def _header_length(path: Path, start: bytes, size: int) -> int:
    """start: at least eight bytes, unless the file is shorter. size: of the file."""
    length = int.from_bytes(start[:8], "little")
    if start.startswith(b"version "):
        raise WebUIError(f"{path.name} is only a Git LFS pointer: download the file itself.")
    if len(start) < 8 or (length > size - 8 and length <= MOST_HEADER_BYTES):
        raise WebUIError(f"{path.name} is cut off: download it again.")
    if not 2 <= length <= MOST_HEADER_BYTES:
        raise _damaged(path)
    return length


def _last_bytes(file: IO[bytes], start: bytes, length: int) -> bytes:
    """The end of the header, taken from start where that reaches so far."""
    end = 8 + length
    first = max(8, end - _LAST_BYTES)
    if end <= len(start):
        return start[first:end]
    file.seek(first)
    return file.read(end - first)


def _check_braces(path: Path, head: bytes, tail: bytes) -> None:
    if not (head[:64].lstrip().startswith(b"{") and tail.rstrip(b" \t\r\n\0").endswith(b"}")):
        raise _damaged(path)


def _check_length(path: Path, end: int, data_bytes: int) -> None:
    if end > data_bytes:
        raise WebUIError(f"{path.name} is cut off ({end - data_bytes} bytes are missing): download it again.")
    if end < data_bytes:
        raise _damaged(path)


def _unreadable(path: Path, error: OSError) -> WebUIError:
    return WebUIError(f"{path.name} cannot be read: {error.strerror}.")


def _damaged(path: Path) -> WebUIError:
    return WebUIError(f"{path.name} is no .safetensors file or is damaged: download it again.")


def _strings(metadata: object) -> dict[str, str]:
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise ValueError("__metadata__ is no object")
    return {_sayable(key): _sayable(value) if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}


def _sayable(text: str) -> str:
    """Half a letter, which JSON can write as "\\ud800" and nothing else can, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _tensor_info(info: dict) -> TensorInfo:
    begin, end = (int(offset) for offset in info["data_offsets"])
    return TensorInfo(str(info["dtype"]), tuple(int(n) for n in info["shape"]), (begin, end))


def _makes_sense(info: TensorInfo) -> bool:
    """Whether the offsets make sense; a tensor past the end is left to the check of the length."""
    begin, end = info.offsets
    if begin < 0 or end < begin or any(n < 0 for n in info.shape):
        return False
    return info.dtype not in _BYTES or end - begin == math.prod(info.shape) * _BYTES[info.dtype]

"""Textual inversions in pictures, as A1111 writes them: in a text chunk "sd-ti-embedding", or in the low bits of strips left and right."""

import base64
import binascii
import json
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

CHUNK = "sd-ti-embedding"
MOST_BYTES = 1 << 26  # of JSON after decompression

Bytes = np.ndarray


def read_embedding_image(path: Path) -> dict | None:
    """The data of a .pt file, tensors included, or None when the picture holds none (a preview, say)."""
    with Image.open(path) as image:
        try:
            if CHUNK in image.info:
                return _parsed(base64.b64decode(image.info[CHUNK]))
            packed = _hidden_bytes(np.asarray(image.convert("RGB")))
            return _parsed(_decompressed(packed)) if packed else None
        except (zlib.error, binascii.Error, UnicodeDecodeError, json.JSONDecodeError):
            return None


def _parsed(text: bytes) -> dict | None:
    data = json.loads(text, object_hook=_tensor)
    return data if isinstance(data, dict) else None


def _tensor(value: dict) -> object:
    return torch.tensor(value["TORCHTENSOR"]) if "TORCHTENSOR" in value else value


def _decompressed(packed: bytes) -> bytes:
    return zlib.decompressobj().decompress(packed, MOST_BYTES)


def _hidden_bytes(pixels: Bytes) -> bytes | None:
    """The left strip holds the lower four bits of each byte, the right one the upper four; a black column ends each."""
    low_bits = _without_black_border(pixels) & 0x0F
    black = np.flatnonzero(low_bits.sum(axis=(0, 2)) == 0)
    if len(black) < 2:
        return None
    lower, upper = low_bits[:, : black[0]], low_bits[:, black[-1] + 1 :]
    if lower.shape != upper.shape or not lower.size:
        return None
    return (_unmasked(upper) << 4 | _unmasked(lower)).astype(np.uint8).tobytes()


def _without_black_border(pixels: Bytes) -> Bytes:
    rows, columns = np.nonzero((pixels > 0).all(axis=2))
    if not len(rows):
        return pixels[:0]
    return pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _unmasked(block: Bytes) -> Bytes:
    return block ^ mask(block.size).reshape(block.shape)


def mask(size: int) -> Bytes:
    """The four-bit pattern over the hidden bits: the linear congruential generator of Numerical Recipes, from 0, modulo 255."""
    powers = np.cumprod(np.r_[1, np.full(size - 1, 1664525)].astype(np.uint32), dtype=np.uint32)  # of the multiplier, modulo 2³²
    states = np.cumsum(powers, dtype=np.uint32) * np.uint32(1013904223)
    return (states % 255).astype(np.uint8) & 0x0F

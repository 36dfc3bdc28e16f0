"""The tensors of one module of a file, and the small questions that every kind asks of them."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import torch
from torch import Tensor

Parts = Mapping[str, Tensor]  # named as in keys.PARTS
Shape = tuple[int, ...]
_PLAIN_CHANNELS, _INPAINT_CHANNELS = 4, 9  # conv_in's inputs: latent; latent, mask and masked picture


def length(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.ndim else 0


def number(tensor: Tensor) -> float:
    return float(tensor.reshape(-1)[0]) if tensor.numel() else math.nan


def matrix(tensor: Tensor, device: torch.device | None = None) -> Tensor:
    """(n, …) → (n, rest) float32: files write linear layers as 1×1 kernels and kernels as linear layers."""
    return tensor.reshape(length(tensor), -1).to(device, torch.float32)


def size_of(tensor: Tensor) -> tuple[int, int] | None:
    """Of matrix(tensor); None for what is none."""
    return (tensor.shape[0], tensor.numel() // tensor.shape[0]) if tensor.ndim and tensor.numel() else None


def scale_of(parts: Parts, rank: int | None) -> float:
    """The part of that name, else alpha / rank, else 1."""
    if "scale" in parts:
        return number(parts["scale"])
    return number(parts["alpha"]) / max(1, rank) if "alpha" in parts and rank is not None else 1.0


def is_finite(value: object) -> bool:
    """Whether a tensor, a number, or all that a dataclass holds, is. A sum is NaN or infinite if a term is."""
    if isinstance(value, Tensor):
        return math.isfinite(value.sum(dtype=torch.float32).item())
    if isinstance(value, float):
        return math.isfinite(value)
    return all(is_finite(getattr(value, field.name)) for field in fields(value)) if is_dataclass(value) else True


def accepted_inputs(shape: Shape) -> tuple[int, ...]:
    """I·k·k; for the first convolution of an inpainting model also that of a plain one, whose inputs come first."""
    inputs = math.prod(shape[1:])
    return (inputs, inputs // _INPAINT_CHANNELS * _PLAIN_CHANNELS) if len(shape) == 4 and shape[1] == _INPAINT_CHANNELS else (inputs,)


def tucker(kernel: Tensor, right: Tensor) -> Tensor:
    """kernel: (x, y, k, k), right: (y, I), both float32 → Σy kernel · right: (x, I·k·k)"""
    flat = kernel.reshape(kernel.shape[0], kernel.shape[1], -1)
    return torch.einsum("xyk,yi->xik", flat, right).reshape(kernel.shape[0], -1)

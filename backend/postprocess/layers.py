"""Networks straight from a file's tensors: layers by their names in it, widths and depths as the tensors have them."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

Weights = Mapping[str, Tensor]


def conv(weights: Weights, name: str, x: Tensor, stride: int = 1, pad: int | None = None) -> Tensor:
    """pad None: as much as keeps the size. Raises KeyError where the file has no such layer."""
    kernel = weights[f"{name}.weight"]
    return F.conv2d(x, kernel, weights.get(f"{name}.bias"), stride, kernel.shape[-1] // 2 if pad is None else pad)


def norm(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Batch norm, with what was learned."""
    mean, variance = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
    return F.batch_norm(x, mean, variance, weights[f"{name}.weight"], weights[f"{name}.bias"])


def count(weights: Weights, name: str) -> int:
    """Of the parts of a sequence: name.0, name.1, …"""
    prefix = f"{name}."
    return len({key[len(prefix) :].partition(".")[0] for key in weights if key.startswith(prefix)})

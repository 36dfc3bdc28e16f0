"""What the weights of a prompt's tokens do to the encoded prompt: A1111's emphasis modes."""

from collections.abc import Callable, Mapping

from torch import Tensor

Emphasis = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(z, weights, counts) → z, for one chunk of the V texts that a prompt becomes by editing.

z (V, 77, W), weights (V, 77), counts (V,): how often each text occurs in the schedule."""


def _scaled(z: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    return z * weights[..., None].to(z)


def _scaled_mean_restored(z: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    """The mean over all texts of the schedule is as before, as in A1111: an edited word so has an influence before its time."""
    scaled = _scaled(z, weights, counts)
    return scaled * (_mean(z, counts) / _mean(scaled, counts))


def _unchanged(z: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    return z


def _mean(z: Tensor, counts: Tensor) -> Tensor:
    if len(z) == 1:
        return z.mean()
    counts = counts.to(z)
    return (z.mean(dim=(1, 2)) * counts).sum() / counts.sum()


EMPHASIS: Mapping[str, Emphasis] = {
    "Original": _scaled_mean_restored,
    "No norm": _scaled,
    "Ignore": _unchanged,
    "None": _unchanged,
}

"""Where the noise of each image comes from: seeds, variation seeds, seed resize, ENSD; on the card, the CPU, or as an NVIDIA card would."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from backend.sampling.philox import Philox

Shape = tuple[int, int, int]  # C, h, w


class Stream(Protocol):
    """Standard normal numbers, one draw after another."""

    def randn(self, shape: Sequence[int]) -> Tensor: ...


class TorchStream:
    """torch's generator on the drawing device; the numbers move to the computing device."""

    def __init__(self, seed: int, drawn_on: torch.device, device: torch.device) -> None:
        self._generator = torch.Generator(drawn_on).manual_seed(seed)
        self._drawn_on, self._device = drawn_on, device

    def randn(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(tuple(shape), generator=self._generator, device=self._drawn_on).to(self._device)


class PhiloxStream:
    """CUDA's numbers, drawn by the CPU."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._philox, self._device = Philox(seed), device

    def randn(self, shape: Sequence[int]) -> Tensor:
        return torch.from_numpy(self._philox.randn(shape)).to(self._device)


def stream(source: str, seed: int, device: torch.device) -> Stream:
    """source: "GPU" (the computing device), "CPU" or "NV". MPS has no generator of its own worth keeping: the CPU draws, as in A1111."""
    if source == "NV":
        return PhiloxStream(seed, device)
    on_cpu = source == "CPU" or device.type == "mps"
    return TorchStream(seed, torch.device("cpu") if on_cpu else device, device)


class ImageNoise:
    """One generator per image, so that a picture does not depend on its place in the batch."""

    def __init__(
        self,
        shape: Shape,
        seeds: Sequence[int],
        subseeds: Sequence[int],
        subseed_strength: float,
        resize_from: tuple[int, int],
        source: str,
        ensd: int,
        device: torch.device | str,
        begin: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """resize_from: width, height in pixels, 0 = off. subseed_strength: 0…1, 0 = off. ensd: eta noise seed delta, 0 = off.

        begin: changes the initial noise; None = it stays.
        """
        self._begin = begin
        self.shape, self.source, self.device = shape, source, torch.device(device)
        self._seeds, self._subseeds, self._strength = tuple(seeds), tuple(subseeds), subseed_strength
        self._resize_from, self._ensd = resize_from, ensd
        self._streams = [self.stream(seed) for seed in seeds]

    def first(self) -> Tensor:
        """The initial noise (B, C, h, w). With ENSD every later draw comes from new generators."""
        noise = torch.stack([self._initial(image) for image in range(len(self._seeds))])
        if self._ensd:
            self._streams = [self.stream((seed + self._ensd) % 2**64) for seed in self._seeds]
        return noise if self._begin is None else self._begin(noise)

    def next(self) -> Tensor:
        """The next step's noise (B, C, h, w)."""
        return torch.stack([stream.randn(self.shape) for stream in self._streams])

    def stream(self, seed: int) -> Stream:
        """A new generator of this source."""
        return stream(self.source, seed, self.device)

    def _initial(self, image: int) -> Tensor:
        drawn = self._drawn_shape()
        resized = drawn != self.shape
        noise = (self.stream(self._seeds[image]) if resized else self._streams[image]).randn(drawn)
        if self._strength:
            noise = slerp(self._strength, noise, self.stream(self._subseeds[image]).randn(drawn))
        return _pasted(noise, self._streams[image].randn(self.shape)) if resized else noise

    def _drawn_shape(self) -> Shape:
        width, height = self._resize_from
        return (self.shape[0], height // 8, width // 8) if width > 0 and height > 0 else self.shape


def slerp(amount: float, low: Tensor, high: Tensor) -> Tensor:
    """From low to high on a sphere.

    As in A1111 norms and angles run over dim 1, the height of (C, h, w), and nearly equal noises are blended the other way round.
    """
    cosine = (low / low.norm(dim=1, keepdim=True) * (high / high.norm(dim=1, keepdim=True))).sum(1)
    if cosine.mean() > 0.9995:
        return low * amount + high * (1 - amount)
    angle = cosine.acos()
    sine = angle.sin()
    return (((1 - amount) * angle).sin() / sine).unsqueeze(1) * low + ((amount * angle).sin() / sine).unsqueeze(1) * high


def _pasted(small: Tensor, canvas: Tensor) -> Tensor:
    """small in the middle of canvas, both (C, h, w); what sticks out is cut off. Halves are floored, as in A1111: an odd overhang leaves a line of canvas."""
    rows, columns = (_overlap(small.shape[dim], canvas.shape[dim]) for dim in (1, 2))
    canvas = canvas.clone()
    canvas[:, rows[0], columns[0]] = small[:, rows[1], columns[1]]
    return canvas


def _overlap(size: int, room: int) -> tuple[slice, slice]:
    """Where `size` lies in the middle of `room`: the slice of the room, and the slice of what lies there."""
    offset = (room - size) // 2
    length = size + 2 * min(offset, 0)
    into, out_of = max(offset, 0), max(-offset, 0)
    return slice(into, into + length), slice(out_of, out_of + length)

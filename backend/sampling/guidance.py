"""Classifier-free guidance: each call of the U-Net with prompt and negative prompt, and the two put together.

Also AND, NGMS, instruct-pix2pix, guidance that starts late, padding of unequal prompts, and the stop between two calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from backend.errors import Interrupted
from backend.job import SamplingOptions
from backend.sampling.changes import Changes, UNetCall

Read = Callable[[Tensor, Tensor], Tensor]  # (x, the U-Net's output) → what is guided

TRAINED = 1000  # noise levels of a model's table
Parts = tuple[tuple[tuple[int, float], ...], ...]


class StepCond(Protocol):
    """What the U-Net is told in one call."""

    @property
    def cross(self) -> Tensor: ...  # (P, tokens, width), P = the AND parts of all images, image by image

    @property
    def vector(self) -> Tensor | None: ...  # (P, adm), SDXL alone

    @property
    def parts(self) -> Parts: ...  # per image: (row in cross, weight)


class Conditioning(Protocol):
    """Prompts, encoded. `at` gives the same object as long as nothing changes, so that a batch is put together once."""

    def at(self, call: int) -> StepCond: ...  # call: 0-based number of the U-Net call

    @property
    def empty(self) -> Tensor: ...  # (1, 77, width), the encoded empty prompt; asked for only to pad unequal prompts


class Architecture(Protocol):
    @property
    def family(self) -> str: ...  # SD1, SD2, SDXL, SDXL Refiner

    @property
    def prediction(self) -> str: ...  # epsilon or v

    @property
    def zero_snr(self) -> bool: ...


class Predictor(Protocol):
    """A checkpoint on its device."""

    @property
    def architecture(self) -> Architecture: ...

    @property
    def alphas_cumprod(self) -> Tensor: ...  # (1000,) float32

    def predict(self, x: Tensor, t: Tensor, cross: Tensor, vector: Tensor | None = None) -> Tensor:
        """x (N, C, h, w) float32, t (N,) float, may be fractional → the U-Net's output, float32."""
        ...


@dataclass(frozen=True)
class Told:
    """A model and what it is told.

    beside: channels that go beside the latent, (B, C, h, w): mask and masked latent for inpainting models, a picture's latent for instruct-pix2pix.
    edits: guidance by the picture, too (Brooks et al. 2022): it is told once without.
    """

    model: Predictor
    cond: Conditioning
    uncond: Conditioning
    beside: Tensor | None = None
    edits: bool = False


@dataclass(frozen=True)
class Refiner:
    """A model that takes over on the way: when `at`, 0…1, of the noise is gone, or with by_steps of the calls done."""

    at: float
    by_steps: bool
    take_over: Callable[[], Told]


@dataclass(frozen=True)
class _Piece:
    """Rows start…stop of a call that go through the U-Net together."""

    start: int
    stop: int
    cross: Tensor
    vector: Tensor | None


@dataclass(frozen=True)
class _Batch:
    """The rows of a call: the parts of all prompts, then the negative prompts unless left out; those once more without the picture where one is edited."""

    told: tuple[StepCond, StepCond | None]  # what it was made from
    parts: Parts
    owners: tuple[int, ...]  # the image of each row
    pieces: tuple[_Piece, ...]
    beside: Tensor | None
    edits: bool

    def spread(self, images: Tensor) -> Tensor:
        """(B, …) → one for each row."""
        return _spread(images, self.owners)


@dataclass(frozen=True)
class Reading:
    """How the U-Net is asked at a level, or, as tensors, at one for each row: its timestep, what x is multiplied with, and what its output means."""

    t: float | Tensor  # (N,)
    scale: Tensor | float  # (N, 1, 1, 1)
    read: Read


Rows = Callable[[Tensor], Reading]  # levels, (N,) → how each row is asked


class Guidance:
    """Counts the U-Net's calls; before each asks `cancel`, then tells `before_call` its number."""

    def __init__(
        self,
        told: Told,
        options: SamplingOptions,
        total_calls: int,
        cancel: Callable[[], bool],
        before_call: Callable[[int], None] | None = None,
        refiner: Refiner | None = None,
    ) -> None:
        self._told = told
        self._options, self._total_calls, self._cancel, self._before_call = options, total_calls, cancel, before_call
        self._refiner = refiner
        self._batch: _Batch | None = None
        self.calls = 0

    def __call__(
        self, x: Tensor, level: float, t: float, *, scale: Tensor | float, cfg_scale: float, read: Read, reading: "Rows | None" = None
    ) -> tuple[Tensor, Tensor]:
        """One call at timestep t. scale: what x is multiplied with before the U-Net; reading: the same three for rows whose levels were changed.

        level: what NGMS compares; as in A1111 sigma, or t in samplers that walk over timesteps.
        Returns (B, C, h, w) guided, and without the prompt.
        """
        if self._cancel():
            raise Interrupted
        if self._before_call is not None:
            self._before_call(self.calls)
        without_negative = self._leaves_out_negative(level)
        batch = self._rows(without_negative)
        self.calls += 1
        found = self._found(batch, x, level, Reading(t, scale, read), reading)
        if without_negative:
            first_parts = [found[parts[0][0]] for parts in batch.parts]  # stand in for the negative prompt
            return _combine(found, torch.stack(first_parts), batch.parts, 1.0)
        if batch.edits:
            return self._edited(found, batch.parts, cfg_scale)
        count = len(found) - len(batch.parts)
        return _combine(found[:count], found[count:], batch.parts, cfg_scale)

    def _found(self, batch: _Batch, x: Tensor, level: float, usual: "Reading", reading: "Rows | None") -> Tensor:
        """What is guided, a row for each of the batch."""
        return usual.read(batch.spread(x), self._predict(batch, batch.spread(x * usual.scale), usual.t))

    def _edited(self, found: Tensor, parts: Parts, cfg_scale: float) -> tuple[Tensor, Tensor]:
        """without + image_cfg_scale · (picture − without) + cfg_scale · (prompt and picture − picture)"""
        told, pictured, without = found[: -2 * len(parts)], found[-2 * len(parts) : -len(parts)], found[-len(parts) :]
        guided, _ = _combine(told, pictured, parts, cfg_scale)
        return guided + (pictured - without) * (self._options.image_cfg_scale - 1), without

    def refined(self, index: int) -> Predictor | None:
        """To be asked before each call, with the nearest entry of the model's table: the refiner, in the moment when it takes over."""
        if self._refiner is None or self._cancel():
            return None
        done = self.calls / self._total_calls if self._refiner.by_steps else (TRAINED - 1 - index) / TRAINED
        if done < self._refiner.at:
            return None
        self._told, self._refiner = self._refiner.take_over(), None
        return self._told.model

    def _leaves_out_negative(self, level: float) -> bool:
        """Skip early CFG, and NGMS: no negative prompt below a noise level, in every second call or in all."""
        options = self._options
        if options.skip_early_cond and self.calls / self._total_calls <= options.skip_early_cond:
            return True
        if self._told.edits:
            return False
        return level < options.s_min_uncond and (options.s_min_uncond_all or self.calls % 2 == 1)

    def _predict(self, batch: _Batch, x: Tensor, t: float | Tensor) -> Tensor:
        if batch.beside is not None:
            x = torch.cat([x, batch.beside], dim=1)
        timesteps = t if isinstance(t, Tensor) else torch.full((len(x),), t, dtype=torch.float32, device=x.device)
        found = [
            self._told.model.predict(x[piece.start : piece.stop], timesteps[piece.start : piece.stop], piece.cross, piece.vector) for piece in batch.pieces
        ]
        return found[0] if len(found) == 1 else torch.cat(found)

    def _rows(self, without_negative: bool) -> _Batch:
        cond, uncond = self._told.cond.at(self.calls), None if without_negative else self._told.uncond.at(self.calls)
        batch = self._batch
        if batch is None or batch.told[0] is not cond or batch.told[1] is not uncond:
            batch = self._batch = self._put_together(cond, uncond)
        return batch

    def _put_together(self, cond: StepCond, uncond: StepCond | None) -> _Batch:
        images, edits = range(len(cond.parts)), self._told.edits and uncond is not None
        owners = [image for image, parts in enumerate(cond.parts) for _ in parts]
        if uncond is not None:
            owners += [*images, *images] if edits else images
        beside = None if self._told.beside is None else _spread(self._told.beside.expand(len(images), -1, -1, -1), owners)
        if edits and beside is not None:
            beside = torch.cat([beside[: -len(images)], torch.zeros_like(beside[-len(images) :])])
        return _Batch((cond, uncond), cond.parts, tuple(owners), tuple(self._pieces(cond, uncond, 2 if edits else 1)), beside, edits)

    def _pieces(self, cond: StepCond, uncond: StepCond | None, times: int) -> list[_Piece]:
        """Everything at once; prompts of unequal length, or without batch_cond_uncond, in portions as A1111's. times: how often negative prompts are told."""
        together, images = self._options.batch_cond_uncond, len(cond.parts)
        if uncond is None:
            return _portions(cond.cross, cond.vector, len(cond.cross) if together else images)
        told, negative = self._padded(cond.cross, uncond.cross)
        negative, vector = negative.repeat(times, 1, 1), None if uncond.vector is None else uncond.vector.repeat(times, 1)
        if told.shape[1] == negative.shape[1]:
            rows = torch.cat([told, negative])
            vectors = None if cond.vector is None or vector is None else torch.cat([cond.vector, vector])
            return _portions(rows, vectors, len(rows) if together else images)
        portions = _portions(told, cond.vector, 2 * images if together else images)
        return [*portions, _Piece(len(told), len(told) + len(negative), negative, vector)]

    def _padded(self, told: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        """Both equally long, if the options say so: v0 changes the negative prompt alone, the other adds empty prompts to the shorter one."""
        missing = told.shape[1] - negative.shape[1]
        if missing and self._options.pad_cond_uncond_v0:
            last = negative[:, -1:].expand(-1, max(missing, 0), -1)
            return told, torch.cat([negative, last], dim=1)[:, : told.shape[1]]
        if missing and self._options.pad_cond_uncond:
            empty = self._told.uncond.empty.to(told)
            return _filled(told, empty, -missing), _filled(negative, empty, missing)
        return told, negative


def _portions(cross: Tensor, vector: Tensor | None, size: int) -> list[_Piece]:
    starts = range(0, len(cross), size)
    return [
        _Piece(start, min(start + size, len(cross)), cross[start : start + size], None if vector is None else vector[start : start + size]) for start in starts
    ]


def _filled(cross: Tensor, empty: Tensor, missing: int) -> Tensor:
    """`missing` tokens more, in whole empty prompts."""
    count = missing // empty.shape[1]
    return torch.cat([cross, empty.repeat(len(cross), count, 1)], dim=1) if count > 0 else cross


def _spread(images: Tensor, owners: tuple[int, ...] | list[int]) -> Tensor:
    count, rounds = len(images), len(owners) // len(images)
    if list(owners) == [*range(count)] * rounds:
        return images if rounds == 1 else images.repeat(rounds, *[1] * (images.dim() - 1))
    return torch.cat([images[owner : owner + 1] for owner in owners])


def _combine(found: Tensor, without: Tensor, parts: Parts, cfg_scale: float) -> tuple[Tensor, Tensor]:
    """without + Σ weight · cfg_scale · (found − without) per image (Liu et al. 2022, AND)."""
    if all(part == ((image, 1.0),) for image, part in enumerate(parts)):
        return without + (found - without) * cfg_scale, without
    guided = without.clone()
    for image, image_parts in enumerate(parts):
        for row, weight in image_parts:
            guided[image] += (found[row] - without[image]) * (weight * cfg_scale)
    return guided, without


class ChangedGuidance(Guidance):
    """With what extensions do before and after each call."""

    def __init__(self, changes: Changes, *guidance: Any) -> None:
        super().__init__(*guidance)
        self._changes = changes

    def __call__(
        self, x: Tensor, level: float, t: float, *, scale: Tensor | float, cfg_scale: float, read: Read, reading: Rows | None = None
    ) -> tuple[Tensor, Tensor]:
        step = self.calls
        x = self._changes.apply("before step", x, step=step, steps=self._total_calls, level=level)
        guided, unguided = super().__call__(x, level, t, scale=scale, cfg_scale=cfg_scale, read=read, reading=reading)
        return self._changes.apply("after step", guided, step=step, steps=self._total_calls, level=level), unguided

    def _found(self, batch: _Batch, x: Tensor, level: float, usual: Reading, reading: Rows | None) -> Tensor:
        at = {"step": self.calls - 1, "steps": self._total_calls, "level": level}
        if self._changes.at("before call"):
            asked = self._changes.prepare(_asked(batch, batch.spread(x), level), **at)
            rows, how = asked.x, usual if reading is None else reading(asked.level)
            found = how.read(rows, self._predict(self._as_asked(batch, asked), rows * how.scale, how.t))
        else:
            found = super()._found(batch, x, level, usual, reading)
        return self._changes.apply("after call", found, **at)

    def _as_asked(self, batch: _Batch, asked: UNetCall) -> _Batch:
        told = _Changed(asked.cross, asked.vector, batch.parts)
        negative = None if asked.negative_cross is None else _Changed(asked.negative_cross, asked.negative_vector, batch.parts)
        return self._put_together(told, negative)


@dataclass(frozen=True)
class _Changed:
    """A StepCond that an extension had in hand."""

    cross: Tensor
    vector: Tensor | None
    parts: Parts


def _asked(batch: _Batch, rows: Tensor, level: float) -> UNetCall:
    told, negative = batch.told
    return UNetCall(
        x=rows,
        level=torch.full((len(rows),), level, dtype=torch.float32, device=rows.device),
        beside=batch.beside,
        cross=told.cross,
        vector=told.vector,
        negative_cross=None if negative is None else negative.cross,
        negative_vector=None if negative is None else negative.vector,
    )

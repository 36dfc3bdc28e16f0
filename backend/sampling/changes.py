"""What extensions do to latents while a picture is drawn: targets of a job → functions, called at their moment."""

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from backend.errors import ERROR
from backend.job import EngineCall, Moment

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class At:
    """Where the walk is. step: 0-based, of `steps` U-Net calls in this pass; level: sigma, or the timestep of samplers that walk over those."""

    step: int
    steps: int
    level: float
    seeds: tuple[int, ...]


@dataclass(kw_only=True)
class UNetCall:
    """One call, before it is made: its attributes may be changed or replaced, in the same shapes.

    Rows: each prompt's parts, image by image, then the negative prompts.
    """

    x: Tensor  # (N, C, h, w), as the sampler has it
    level: Tensor  # (N,) sigma, or the timestep of samplers that walk over those
    beside: Tensor | None  # (N, …), channels of inpainting and instruct-pix2pix models; to be looked at
    cross: Tensor  # (P, tokens, width)
    vector: Tensor | None  # (P, adm), SDXL alone
    negative_cross: Tensor | None  # (B, tokens, width); None where this call leaves the negative prompts out
    negative_vector: Tensor | None


# (B, C, h, w), options → the same shape. "before call" gets a UNetCall instead, and gives nothing.
Change = Callable[[Any, Mapping[str, Any], At], Any]


class Changes:
    """Of one job. One that raises, or gives another shape, is named in `comments` and left out from there on."""

    def __init__(self, calls: Sequence[EngineCall] = (), seeds: tuple[int, ...] = ()) -> None:
        self.comments: tuple[str, ...] = ()
        self._seeds = seeds
        self._bound = [(call, function) for call in calls if (function := self._find(call))]

    def __bool__(self) -> bool:
        return bool(self._bound)

    def apply(self, moment: Moment, latent: Tensor, *, step: int = 0, steps: int = 0, level: float = 0.0) -> Tensor:
        for call, function in self._of(moment):
            try:
                changed = function(latent, call.options, At(step=step, steps=steps, level=level, seeds=self._seeds))
                if not isinstance(changed, Tensor) or changed.shape != latent.shape:
                    raise TypeError(f"{call.target} gave {getattr(changed, 'shape', type(changed).__name__)} instead of {tuple(latent.shape)}")
                latent = changed.to(latent.device, latent.dtype)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # a stranger's code must not take the picture down
                self._leave_out(call, error)
        return latent

    def prepare(self, asked: UNetCall, *, step: int, steps: int, level: float) -> UNetCall:
        """What is asked of the U-Net, after "before call". What a function of another shape has made of it is not taken."""
        for call, function in self._of("before call"):
            changed = _copy(asked)
            try:
                function(changed, call.options, At(step=step, steps=steps, level=level, seeds=self._seeds))
                _check(call.target, asked, changed)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # a stranger's code must not take the picture down
                self._leave_out(call, error)
                continue
            asked = changed
        return asked

    def at(self, *moments: Moment) -> bool:
        """Whether anything happens in these moments."""
        return any(call.at in moments for call, _ in self._bound)

    def _of(self, moment: Moment) -> list[tuple[EngineCall, Change]]:
        return [(call, function) for call, function in self._bound if call.at == moment]

    def _find(self, call: EngineCall) -> Change | None:
        module, _, name = call.target.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except Exception as error:  # likewise
            self._tell(call, error)
            return None

    def _leave_out(self, call: EngineCall, error: Exception) -> None:
        self._bound = [(other, function) for other, function in self._bound if other is not call]
        self._tell(call, error)

    def _tell(self, call: EngineCall, error: Exception) -> None:
        log.error("The extension %s failed (%s)", call.extension, call.target, exc_info=error)
        self.comments = (*self.comments, f"{ERROR}The extension {call.extension} failed ({call.target}): {type(error).__name__}: {error}")


def _copy(asked: UNetCall) -> UNetCall:
    """Prompts are remembered from call to call: what is changed in place must be another tensor."""
    return UNetCall(**{name: value.clone() if isinstance(value, Tensor) else value for name, value in vars(asked).items()})


def _check(target: str, before: UNetCall, after: UNetCall) -> None:
    for name, value in vars(before).items():
        found = getattr(after, name)
        if getattr(found, "shape", None) != getattr(value, "shape", None):
            raise TypeError(f"{target} made {getattr(found, 'shape', type(found).__name__)} of {name}, which was {getattr(value, 'shape', None)}")

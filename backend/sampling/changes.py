"""What extensions do to latents while a picture is drawn: targets of a job → functions, called at their moment."""

import importlib
import logging
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from backend.errors import ERROR, Interrupted
from backend.job import EngineCall, Moment

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class At:
    """Where the walk is. step: 0-based, of `steps` U-Net calls in this pass; level: sigma, or the timestep of samplers that walk over those."""

    step: int
    steps: int
    level: float
    seeds: tuple[int, ...] = ()
    kept: MutableMapping[str, Any] = field(default_factory=dict)  # the extension's own, from job to job for as long as the engine runs


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


@dataclass(frozen=True, kw_only=True)
class Beginning(At):
    """Where a pass starts, at sigma `level`; and the model that draws it, with its networks, to be asked before."""

    latent: Tensor | None  # (B, C, h, w), the picture that the pass starts from; None: from noise alone
    sigmas: Callable[[int], Tensor]  # steps → (steps + 1,) on the CPU, falling evenly in time from the model's highest to its lowest, then 0
    denoiser: Callable[[str, str, float], Callable[[Tensor, Tensor], Tensor]]  # prompt, negative prompt, CFG scale → (x, 0-dim sigma) → denoised; Interrupted
    drawn_with: object  # equal where the model, its networks and all else that a denoiser depends on are
    tell: Callable[[str], None]  # shown to the person until the first step


Kept = MutableMapping[str, dict[str, Any]]  # by extension
# (B, C, h, w), options → the same shape. "before call" gets a UNetCall instead, and gives nothing.
Change = Callable[[Any, Mapping[str, Any], At], Any]


class Changes:
    """Of one job. One that raises, or gives another shape, is named in `comments` and left out from there on."""

    def __init__(self, calls: Sequence[EngineCall] = (), seeds: tuple[int, ...] = (), kept: Kept | None = None) -> None:
        """kept: what extensions keep from job to job; None = nothing."""
        self.comments: tuple[str, ...] = ()
        self._seeds, self._kept = seeds, {} if kept is None else kept
        self._bound = [(call, function) for call in calls if (function := self._find(call))]

    def __bool__(self) -> bool:
        return bool(self._bound)

    def apply(self, moment: Moment, latent: Tensor, *, step: int = 0, steps: int = 0, level: float = 0.0) -> Tensor:
        return self._apply(moment, latent, At(step=step, steps=steps, level=level))

    def begin(self, noise: Tensor, at: Beginning) -> Tensor:
        """The noise that a pass starts with, of level 1."""
        return self._apply("start", noise, at)

    def _apply(self, moment: Moment, latent: Tensor, at: At) -> Tensor:
        for call, function in self._of(moment):
            try:
                changed = function(latent, call.options, self._told(call, at))
                if not isinstance(changed, Tensor) or changed.shape != latent.shape:
                    raise TypeError(f"{call.target} gave {getattr(changed, 'shape', type(changed).__name__)} instead of {tuple(latent.shape)}")
                latent = changed.to(latent.device, latent.dtype)
            except (torch.OutOfMemoryError, Interrupted):
                raise
            except Exception as error:  # a stranger's code must not take the picture down
                self._leave_out(call, error)
        return latent

    def prepare(self, asked: UNetCall, *, step: int, steps: int, level: float) -> UNetCall:
        """What is asked of the U-Net, after "before call". What a function of another shape has made of it is not taken."""
        for call, function in self._of("before call"):
            changed = _copy(asked)
            try:
                function(changed, call.options, self._told(call, At(step=step, steps=steps, level=level)))
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

    def _told(self, call: EngineCall, at: At) -> At:
        return replace(at, seeds=self._seeds, kept=self._kept.setdefault(call.extension, {}))

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

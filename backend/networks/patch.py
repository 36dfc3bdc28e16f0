"""The only code that writes weights: the patched model is a function of the wanted networks, never of what was applied before."""

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol
from weakref import WeakMethod

import torch
from torch import Tensor, nn

from backend.errors import WebUIError
from backend.job import NetworkRef
from backend.networks.blocks import BLOCKS, block_of
from backend.networks.deltas import Delta, Deltas
from backend.networks.keys import ModuleIndex, Target
from backend.networks.low_rank import LowRank
from backend.networks.network_file import FileIdentity, NetworkFiles
from backend.networks.report import NetworkReport, Tally

log = logging.getLogger(__name__)


class Patchable(Protocol):
    """What a model has to offer."""

    def named_modules(self) -> Mapping[str, Mapping[str, nn.Module]]:
        """Component ("unet", "text_encoders.0") → path → module."""
        ...

    def restore(self, parameter_name: str, /) -> None:
        """Writes the weight into its place as it was loaded. Called before the weight is first written by others."""
        ...


class Wanted(NamedTuple):
    """One network of the prompt."""

    label: str
    file: FileIdentity
    te_weight: float
    unet_weight: float
    dyn: int | None
    blocks: tuple[float | None, ...]

    @classmethod
    def of(cls, network: NetworkRef, path: Path, step: int) -> "Wanted":
        """In this step; text encoders keep what the prompts were encoded with."""
        unet_weight = network.unet_weight if network.acts(step) else 0.0
        return cls(network.label, FileIdentity.of(path), network.te_weight, unet_weight, network.dyn, network.blocks)

    def multiplier(self, target: Target) -> float:
        """Text encoders' projections count as text encoder (A1111 gives SDXL's the U-Net's weight)."""
        weight = self.unet_weight if target.component == "unet" else self.te_weight
        return weight * (self.block(target) or 0.0) if self.blocks else weight

    def block(self, target: Target) -> float | None:
        return self.blocks[block_of(target.component, target.path)] if self.blocks else 1.0


class Bundled(NamedTuple):
    """A textual inversion in a network's file."""

    word: str
    label: str  # the network's
    file: FileIdentity
    tensors: Mapping[str, Tensor]


class Share(NamedTuple):
    """What one network does to one weight: a function of these four."""

    file: FileIdentity
    module: str
    multiplier: float
    dyn: int | None


Chain = tuple[Share, ...]  # all that is done to one weight, in the order of the prompt
_UNKNOWN: Chain = (Share(FileIdentity(Path(), -1, -1), "", 0.0, None),)  # written in part


class Patcher:
    """Belongs to one model. After become(…) every weight is its pristine value plus the networks' shares, the same bits after any history.

    A weight is written from the pristine one with all shares in float32 and rounded once. Its storage never moves.
    The caller sees to it that the model is not called meanwhile.
    """

    def __init__(self, model: Patchable) -> None:
        self._restore_weight = WeakMethod(model.restore)  # weak, so that a table of patchers by model keeps no model alive
        self._modules = model.named_modules()
        self._index = ModuleIndex(
            {name: [path for path, module in modules.items() if _parameter(module) is not None] for name, modules in self._modules.items()}
        )
        self._files = NetworkFiles()
        self._wanted: tuple[Wanted, ...] | None = ()  # what is applied; None after an error that left weights unknown
        self._chains: dict[Target, Chain] = {}  # of the weights that are not pristine
        self._reports: tuple[NetworkReport, ...] = ()
        self.bundled: tuple[Bundled, ...] = ()  # what came with the networks that are applied
        self.writes = 0  # of weights, restoring included

    @property
    def reads(self) -> int:
        """How often a network's file was opened."""
        return self._files.reads

    @property
    def key(self) -> Hashable:
        """What is applied to the text encoders: equal keys, equal encodings."""
        return frozenset((target, chain) for target, chain in self._chains.items() if target.component != "unet")

    @torch.no_grad()
    def become(self, networks: Sequence[tuple[NetworkRef, Path]], step: int = 0) -> tuple[NetworkReport, ...]:
        """Apply exactly these, in this order, as they are in this step; those of weight 0 count as absent. The same again writes and reads nothing.

        A file that cannot be used, or in part, is reported. Any other error leaves the model pristine and is raised.
        """
        wanted = tuple(Wanted.of(network, path, step) for network, path in networks if network.weighs)
        if wanted != self._wanted:
            try:
                self._reports = self._apply(wanted)
                self._wanted = wanted
            except BaseException:
                self._give_up()
                raise
        return self._reports

    def _apply(self, wanted: tuple[Wanted, ...]) -> tuple[NetworkReport, ...]:
        plan: dict[Target, list[tuple[Share, Delta]]] = {}
        bundled: list[Bundled] = []
        reports = tuple(self._plan(network, plan, bundled) for network in wanted)
        for target in self._chains.keys() - plan.keys():
            self._restore(target)
        scratch = Scratch()
        for target, steps in plan.items():
            chain = tuple(share for share, _ in steps)
            if self._chains.get(target) != chain:
                self._chains[target] = _UNKNOWN
                self._load(target)
                add_shares(self._weight(target), steps, scratch)
                self._chains[target] = chain
                self.writes += 1
        self.bundled = tuple(bundled)
        return reports

    def _plan(self, network: Wanted, plan: dict[Target, list[tuple[Share, Delta]]], bundled: list[Bundled]) -> NetworkReport:
        """Adds the network's shares to the plan, and its textual inversions to those that are there."""
        tally = Tally(label=network.label)
        try:
            file = self._files.get(network.file)
        except WebUIError as error:
            tally.failure = str(error)
            return _logged(tally.report())
        bundled += (Bundled(word, network.label, network.file, tensors) for word, tensors in file.embeddings.items())
        tally.words += file.embeddings
        for module, deltas in file.deltas.items():
            target = self._index.find(module)
            if target is None:
                tally.not_there.append(module)
            elif deltas is None:
                tally.unknown.append(module)
            elif not self._has_room(target, deltas):
                tally.misshapen.append(module)
            elif module in file.damaged:
                tally.damaged.append(module)
            else:
                tally.applied.append(module)
                if network.block(target) is None:
                    tally.unnamed[BLOCKS[block_of(target.component, target.path)]] += 1
                if multiplier := network.multiplier(target):
                    share = Share(network.file, module, multiplier, network.dyn)
                    for leaf, delta in deltas.items():
                        plan.setdefault(target if leaf == "weight" else replace(target, leaf=leaf), []).append((share, delta))
        return _logged(tally.report())

    def _restore(self, target: Target) -> None:
        self._chains[target] = _UNKNOWN
        self._load(target)
        del self._chains[target]
        self.writes += 1

    def _give_up(self) -> None:
        """After an error: everything pristine. What cannot be restored, because the checkpoint was overwritten, is tried again next time."""
        self._wanted, self._reports, self.bundled = None, (), ()
        for target in list(self._chains):
            try:
                self._restore(target)
            except WebUIError as error:
                log.warning("%s was not restored: %s", target.parameter, error)
        if not self._chains:
            self._wanted = ()

    def _has_room(self, target: Target, deltas: Deltas) -> bool:
        """Whether the module has all that the file changes of it: not every layer has a bias."""
        places = self._modules[target.component][target.path]
        return all((place := _parameter(places, leaf)) is not None and delta.fits(tuple(place.shape)) for leaf, delta in deltas.items())

    def _weight(self, target: Target) -> Tensor:
        weight = _parameter(self._modules[target.component][target.path], target.leaf)
        assert weight is not None
        return weight

    def _load(self, target: Target) -> None:
        restore = self._restore_weight()
        assert restore is not None, "the model is gone"
        restore(target.parameter)


class Scratch:
    """One float32 buffer that grows to the largest weight and serves them all."""

    def __init__(self) -> None:
        self._buffer = torch.empty(0)

    def like(self, weight: Tensor) -> Tensor:
        """(O, I·k·k), on the weight's device."""
        if self._buffer.device != weight.device or self._buffer.numel() < weight.numel():
            self._buffer = torch.empty(weight.numel(), dtype=torch.float32, device=weight.device)
        return self._buffer[: weight.numel()].view(weight.shape[0], -1)


def add_shares(weight: Tensor, steps: Sequence[tuple[Share, Delta]], scratch: Scratch) -> None:
    """weight += Σ multiplier · ΔW, in float32, rounded once. weight: pristine."""
    if weight.device.type == "cuda" and weight.dtype != torch.float32 and weight.is_contiguous() and all(isinstance(delta, LowRank) for _, delta in steps):
        add_low_rank(weight, steps)
        return
    shape, in_place = tuple(weight.shape), weight.dtype == torch.float32 and weight.is_contiguous()
    # A processor multiplies half precision a hundred times slower than float32, so that takes the way over the scratch.
    sum_ = weight.view(shape[0], -1) if in_place else scratch.like(weight)
    if not in_place:
        sum_.view(shape).copy_(weight)
    for share, delta in steps:
        delta.add_to(sum_, share.multiplier, shape, dyn=share.dyn)
    if not in_place:
        weight.copy_(sum_.view(shape))


def add_low_rank(weight: Tensor, steps: Sequence[tuple[Share, Delta]]) -> None:
    """The same in one product in the weight's own precision, which a GPU accumulates in float32.

    The largest scale stays outside of the factors, so that they don't underflow.
    """
    lows = [(share, delta) for share, delta in steps if isinstance(delta, LowRank)]
    scales = [share.multiplier * delta.scale for share, delta in lows]
    largest = max(map(abs, scales)) or 1.0
    factors = [delta.factors(tuple(weight.shape), share.dyn) for share, delta in lows]
    up = torch.cat([up * (scale / largest) for (up, _), scale in zip(factors, scales, strict=True)], dim=1)
    down = torch.cat([down for _, down in factors])
    weight.view(weight.shape[0], -1).addmm_(up.to(weight), down.to(weight), alpha=largest)


def _parameter(module: nn.Module, leaf: str = "weight") -> Tensor | None:
    parameter = module._parameters.get(leaf)
    return parameter.detach() if parameter is not None else None


def _logged(report: NetworkReport) -> NetworkReport:
    if report.errors:
        log.warning("%s%s", report.describe(), f" Without effect: {', '.join(report.unmatched)}" if report.unmatched else "")
    return report

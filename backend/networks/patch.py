"""The only code that writes weights: the patched model is a function of the wanted networks, never of what was applied before."""

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol
from weakref import ref

import torch
from torch import Tensor, nn

from backend.checkpoints.cast import copy_into
from backend.errors import WebUIError
from backend.job import NetworkRef
from backend.networks.blocks import BLOCKS, block_of
from backend.networks.deltas import Delta, Deltas
from backend.networks.keys import ModuleIndex, Target
from backend.networks.network_file import FileIdentity, NetworkFiles
from backend.networks.report import NAMED, NetworkReport, Tally, shortened
from backend.networks.sums import UNKNOWN, Chain, Scratch, Share, write_sum

log = logging.getLogger(__name__)


class Patchable(Protocol):
    """What a model has to offer."""

    def named_modules(self) -> Mapping[str, Mapping[str, nn.Module]]:
        """Component ("unet", "text_encoders.0") → path → module."""
        ...

    def as_loaded(self, parameter_name: str, /) -> Tensor:
        """What the parameter held at first, in its shape, in any precision; only to be read. Asked before the parameter is first written by others."""
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


class Patcher:
    """Belongs to one model. After become(…) every weight is its pristine value plus the networks' shares, the same bits after any history.

    A weight is written from the pristine one with all shares in float32 and rounded once. Its storage never moves.
    The caller sees to it that the model is not called meanwhile.
    """

    def __init__(self, model: Patchable) -> None:
        self._model = ref(model)  # weak, so that a table of patchers by model keeps no model alive
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
                self._chains[target] = UNKNOWN
                write_sum(self._weight(target), self._as_loaded(target), steps, scratch)
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
        self._chains[target] = UNKNOWN
        copy_into(self._weight(target), self._as_loaded(target))
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

    def _as_loaded(self, target: Target) -> Tensor:
        model = self._model()
        assert model is not None, "the model is gone"
        return model.as_loaded(target.parameter)


def _parameter(module: nn.Module, leaf: str = "weight") -> Tensor | None:
    parameter = module._parameters.get(leaf)
    return parameter.detach() if parameter is not None else None


def _logged(report: NetworkReport) -> NetworkReport:
    if report.errors:
        log.warning("%s%s", report.describe(), f" Without effect: {shortened(report.unmatched)}" if report.unmatched else "")
    if len(report.unmatched) > NAMED:
        log.debug("LoRA %s, without effect: %s", report.label, ", ".join(report.unmatched))
    return report

"""--medvram and --lowvram: one part of a model at a time lies on the device, the others in main memory."""

from collections.abc import Iterable

import torch
from torch import nn


class Offload:
    """Knows what moves together. A module that was never registered stays where it is."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._unit: dict[int, nn.Module] = {}  # id of a module → what has to be on the device for it
        self._present: nn.Module | None = None

    def register(self, modules: Iterable[nn.Module], unit: nn.Module) -> None:
        self._unit.update({id(module): unit for module in modules})

    def hook(self, modules: Iterable[nn.Module]) -> None:
        """For modules that others call directly: they are brought when called."""
        for module in modules:
            module.register_forward_pre_hook(lambda called, _: self.bring(called))

    def bring(self, module: nn.Module) -> None:
        """Makes sure that the module is on the device; what was there goes back."""
        unit = self._unit.get(id(module))
        if unit is None or unit is self._present:
            return
        if self._present is not None:
            self._present.to("cpu")
        unit.to(self._device)
        self._present = unit

"""spandrel, imported without torchvision: two of its modules ask for three functions of that, and none of them is needed to make a picture larger."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from torch import Tensor

log = logging.getLogger(__name__)

EXTRA = "spandrel_extra_arches"
_NAMES = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")


def load_spandrel() -> Any:
    """The module. Raises ImportError where it is not installed."""
    if "spandrel" in sys.modules or find_spec("torchvision") is not None:
        return import_module("spandrel")
    with _stand_in():
        return import_module("spandrel")


def load_extra_architectures() -> list[Any]:
    """The registry of spandrel_extra_arches, where a person has installed that; none where it is missing, or cannot be imported."""
    if find_spec(EXTRA) is None:
        return []
    try:
        return [import_module(EXTRA).EXTRA_REGISTRY]
    except ImportError as error:
        log.warning("%s cannot be imported: %s", EXTRA, error)
        return []


@contextmanager
def _stand_in() -> Iterator[None]:
    """Gone afterwards, so that no other library takes it for the real one."""
    modules = {name: ModuleType(name) for name in _NAMES}
    functional = modules[_NAMES[-1]]
    functional.InterpolationMode = _InterpolationMode  # type: ignore[attr-defined]
    functional.normalize = _normalize  # type: ignore[attr-defined]
    functional.rotate = _rotate  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in _NAMES:
            del sys.modules[name]


class _InterpolationMode(Enum):
    NEAREST = "nearest"
    BILINEAR = "bilinear"


def _normalize(tensor: Tensor, mean: list[float], std: list[float], inplace: bool = False) -> Tensor:
    """(…, C, H, W)"""
    shape = (-1, 1, 1)
    result = (tensor - tensor.new_tensor(mean).view(shape)) / tensor.new_tensor(std).view(shape)
    return tensor.copy_(result) if inplace else result


def _rotate(*args: object, **more: object) -> Tensor:
    raise NotImplementedError("LaMa with a learnable rotation needs torchvision.")

"""Functions of extensions that draw or space noise levels: found by their targets, and named where they fail."""

import importlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from backend.errors import EngineFailed, Interrupted, WebUIError
from backend.sampling.names import SamplerInfo, SchedulerInfo

log = logging.getLogger(__name__)


def find(info: SamplerInfo | SchedulerInfo) -> Callable[..., Any]:
    """Raises EngineFailed where there is no such function."""
    module, _, name = info.target.partition(":")
    with named(info):
        return getattr(importlib.import_module(module), name)


@contextmanager
def named(info: SamplerInfo | SchedulerInfo) -> Iterator[None]:
    """What fails inside is raised as EngineFailed, with the extension's name. A stop, a full memory and what `spared` marks go on as they are."""
    try:
        yield
    except (Interrupted, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a stranger's code comes up with
        if getattr(error, "spared", False):
            raise
        what = f"{'the sampler' if isinstance(info, SamplerInfo) else 'the schedule type'} {info.label}"
        text = str(error) if isinstance(error, WebUIError) else f"{type(error).__name__}: {error}"
        log.error("The extension %s failed (%s)", info.extension, what, exc_info=error)
        raise EngineFailed(f"The extension {info.extension} failed ({what}): {text}") from error

"""A file of GFPGAN, RestoreFormer or CodeFormer → a function of an upright face, through spandrel."""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backend.errors import WebUIError
from backend.postprocess.spandrel_library import load_extra_architectures, load_spandrel
from backend.postprocess.upscaler_model import UNREADABLE, read_tensors

log = logging.getLogger(__name__)

Call = Callable[[Any, Tensor, float], Tensor]
# By spandrel's name of the architecture. GFPGAN's noise is that of its file, not drawn: the same face gives the same face.
CALLS: Mapping[str, Call] = {
    "GFPGAN": lambda network, face, weight: network(face, return_rgb=False, randomize_noise=False)[0],
    "RestoreFormer": lambda network, face, weight: network(face)[0],
    "CodeFormer": lambda network, face, weight: network(face, weight=weight, adain=True)[0],
}


@dataclass(frozen=True, kw_only=True)
class FaceModel:
    """network: a module on its device, in float32, which these architectures need."""

    network: torch.nn.Module
    call: Call

    def __call__(self, face: Tensor, weight: float) -> Tensor:
        """(1, 3, 512, 512) in −1…1 → the same. weight: CodeFormer's, 0 = most is changed."""
        return self.call(self.network, face, weight)


def load_face_model(path: Path) -> FaceModel:
    """On the CPU. Raises WebUIError for a file that is damaged, or restores no faces."""
    state = read_tensors(path)
    try:
        spandrel = load_spandrel()
        registries = [spandrel.MAIN_REGISTRY, *load_extra_architectures()]
    except ImportError as error:
        raise WebUIError(f"Restoring faces needs the package spandrel, which is not installed: start with ./webui.sh. ({error})") from error
    for registry in registries:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                descriptor = spandrel.ModelLoader(registry=registry).load_from_state_dict(spandrel.canonicalize_state_dict(state))
        except (spandrel.UnsupportedModelError, *UNREADABLE) as error:
            log.info("%s: %s", path.name, error)
            continue
        if call := CALLS.get(descriptor.architecture.id):
            return FaceModel(network=descriptor.model.eval().float(), call=call)
    raise WebUIError(f"{path.name} is damaged or restores no faces: it is none of {', '.join(CALLS)}.")

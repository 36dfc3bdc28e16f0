"""A file of an ESRGAN, RealESRGAN, SwinIR, DAT, HAT … → a function of pixels, through spandrel."""

import logging
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.postprocess.spandrel_library import load_spandrel

log = logging.getLogger(__name__)

UNREADABLE = (RuntimeError, ValueError, TypeError, KeyError, EOFError, AttributeError, pickle.UnpicklingError, SafetensorError)


@dataclass(frozen=True, kw_only=True)
class UpscalerModel:
    """architecture: spandrel's name of it. scale: of one pass."""

    descriptor: Any
    architecture: str
    scale: int
    device: torch.device
    dtype: torch.dtype

    def __call__(self, pixels: Tensor) -> Tensor:
        """(1, 3, h, w) in 0…1, on the CPU → (1, 3, s·h, s·w)"""
        return self.descriptor(pixels.to(self.device, self.dtype))


def load_upscaler(path: Path, placement: Placement) -> UpscalerModel:
    """Half precision where the U-Net has it and the architecture bears it. Raises WebUIError for a file that is no upscaler."""
    state = read_tensors(path)
    try:
        spandrel = load_spandrel()
    except ImportError as error:
        raise WebUIError(f"Upscaler models need the package spandrel, which is not installed: start with ./webui.sh. ({error})") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # spandrel's modules use what torch will drop one day
            descriptor = spandrel.ModelLoader().load_from_state_dict(spandrel.canonicalize_state_dict(state))
    except (spandrel.UnsupportedModelError, *UNREADABLE) as error:
        log.info("%s: %s", path.name, error)
        raise WebUIError(f"{path.name} is no upscaler that is known here: none of spandrel's architectures fits its tensors.") from error
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise WebUIError(f"{path.name} is a model of {descriptor.architecture.name}, which does not make an RGB picture of an RGB picture.")
    half = placement.device.type == "cuda" and placement.unet_dtype == torch.float16 and descriptor.supports_half
    dtype = torch.float16 if half else torch.float32
    descriptor.eval().to(placement.device, dtype)
    return UpscalerModel(descriptor=descriptor, architecture=descriptor.architecture.id, scale=descriptor.scale, device=placement.device, dtype=dtype)


def read_tensors(path: Path) -> Mapping[str, Any]:
    """Tensors only: a pickle with code in it is refused."""
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError) as error:
        raise WebUIError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (OSError, *UNREADABLE) as error:
        raise WebUIError(f"{path.name} is damaged, or holds more than tensors, and is not loaded.") from error
    if not isinstance(content, dict):
        raise WebUIError(f"{path.name} holds no tensors by name.")
    return content

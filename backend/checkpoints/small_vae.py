"""Small networks that stand in for the VAE, in a hundredth of its time: "TAESD" both ways, and "Approx NN", which only shows a latent.

Their weights are the person's own files, where A1111 keeps them: models/VAE-taesd and models/VAE-approx.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from diffusers.models.autoencoders.vae import DecoderTiny, EncoderTiny
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, leaky_relu, pad

from backend.checkpoints.weight_file import open_weights
from backend.errors import WebUIError

log = logging.getLogger(__name__)

Way = Literal["decoder", "encoder"]
Small = Callable[[Tensor], Tensor]  # decoder: (B, 4, h, w) → (B, 3, H, W) in −1…1; encoder: back
TAESD, APPROX_NN = "TAESD", "Approx NN"
FOLDERS = ("VAE-taesd", "VAE-approx")
# (method, way) → file for SD 1 and 2, file for SDXL; each as its makers publish it, or as .safetensors
FILES: Mapping[tuple[str, Way], tuple[str, str]] = MappingProxyType(
    {
        (TAESD, "decoder"): ("taesd_decoder.pth", "taesdxl_decoder.pth"),
        (TAESD, "encoder"): ("taesd_encoder.pth", "taesdxl_encoder.pth"),
        (APPROX_NN, "decoder"): ("model.pt", "vaeapprox-sdxl.pt"),
    }
)
SLOPE = 0.1  # of Approx NN's leaky rectifiers


class SmallVaes:
    """Reads a file when it is first wanted; what is missing or damaged is told once in the log. models: the folder models/."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._read: dict[tuple[Path, torch.device], Small | None] = {}
        self._missed: set[str] = set()

    def find(self, method: str, way: Way, family: str, device: torch.device) -> Small | None:
        """None: there is no such network at hand."""
        if (method, way) not in FILES:
            return None
        name = self.file(method, way, family)
        path = next((path for folder in FOLDERS for path in self._places(folder, name) if path.is_file()), None)
        if path is None:
            self._miss(method, name)
            return None
        if (path, device) not in self._read:
            self._read[path, device] = _open(path, method, way, device)
        return self._read[path, device]

    def file(self, method: str, way: Way, family: str) -> str:
        """What the file is called."""
        return FILES[method, way][family.startswith("SDXL")]

    def _places(self, folder: str, name: str) -> tuple[Path, Path]:
        path = self._models / folder / name
        return path, path.with_suffix(".safetensors")

    def _miss(self, method: str, name: str) -> None:
        if name not in self._missed:
            self._missed.add(name)
            folder = self._models / FOLDERS[method != TAESD]
            log.info("%s needs %s in %s. Until it is there, previews are those of Approx cheap, and the VAE decodes.", method, name, folder)


def _open(path: Path, method: str, way: Way, device: torch.device) -> Small | None:
    try:
        file = open_weights(path)
        weights = {key: file.tensor(key).to(device, torch.float32) for key in file.shapes}
        if method == APPROX_NN:
            return approx_nn(weights)
        return taesd_decoder(weights, device) if way == "decoder" else taesd_encoder(weights, device)
    except (WebUIError, KeyError, RuntimeError, ValueError) as error:
        log.warning("%s cannot be used as a small VAE: %s", path.name, error)
        return None


def taesd_decoder(weights: Mapping[str, Tensor], device: torch.device) -> Small:
    """madebyollin's tiny autoencoder (MIT): the published file counts a clamp before the first layer. Raises RuntimeError for other weights."""
    network = DecoderTiny(4, 3, (3, 3, 3, 1), (64, 64, 64, 64), upsampling_scaling_factor=2, act_fn="relu", upsample_fn="nearest")
    return _filled(network, weights, device, first=1)


def taesd_encoder(weights: Mapping[str, Tensor], device: torch.device) -> Small:
    """The way back; pixels in −1…1. Raises RuntimeError for other weights."""
    return _filled(EncoderTiny(3, 4, (1, 3, 3, 3), (64, 64, 64, 64), act_fn="relu"), weights, device, first=0)


def approx_nn(weights: Mapping[str, Tensor]) -> Small:
    """A stack of convolutions conv1, conv2, … without padding of their own, over the latent at twice its size. Raises KeyError for other weights."""
    layers = [(weights[f"conv{n}.weight"], weights[f"conv{n}.bias"]) for n in range(1, len(weights) // 2 + 1)]
    if not layers:
        raise KeyError("it holds no weights")
    edge = sum(weight.shape[-1] - 1 for weight, _ in layers) // 2  # what the convolutions take away at each side

    def decode(latent: Tensor) -> Tensor:
        x = pad(interpolate(latent.to(layers[0][0]), scale_factor=2), (edge,) * 4)
        for weight, bias in layers:
            x = leaky_relu(conv2d(x, weight, bias), SLOPE)
        return x

    return decode


def _filled(network: nn.Module, weights: Mapping[str, Tensor], device: torch.device, *, first: int) -> Small:
    """first: the number that the file gives to layer 0."""
    network.load_state_dict({_key(key, first): weight for key, weight in weights.items()})
    network.to(device).eval().requires_grad_(False)
    return lambda x: network(x.to(device, torch.float32))


def _key(key: str, first: int) -> str:
    number, _, rest = key.partition(".")
    return f"layers.{int(number) - first}.{rest}"

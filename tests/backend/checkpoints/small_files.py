"""Files of the small VAEs as their makers publish them, with random weights."""

from pathlib import Path

import torch
from diffusers.models.autoencoders.vae import DecoderTiny, EncoderTiny
from torch import Tensor, nn


def write(path: Path, weights: dict[str, Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(weights, path)
    return path


def write_taesd(folder: Path) -> tuple[nn.Module, nn.Module]:
    """taesd_decoder.pth and taesd_encoder.pth; gives the networks that they were made of."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        decoder = DecoderTiny(4, 3, (3, 3, 3, 1), (64, 64, 64, 64), upsampling_scaling_factor=2, act_fn="relu", upsample_fn="nearest")
        encoder = EncoderTiny(3, 4, (1, 3, 3, 3), (64, 64, 64, 64), act_fn="relu")
    write(folder / "taesd_decoder.pth", {f"{int(key.split('.')[1]) + 1}.{key.split('.', 2)[2]}": value for key, value in decoder.state_dict().items()})
    write(folder / "taesd_encoder.pth", {key.removeprefix("layers."): value for key, value in encoder.state_dict().items()})
    return decoder, encoder


def write_approx_nn(path: Path) -> Path:
    """Eight layers, of the published sizes but for their widths."""
    generator, weights, inward = torch.Generator().manual_seed(1), {}, 4
    for number, size in enumerate((7, 5, 3, 3, 3, 3, 3, 3), start=1):
        outward = 3 if number == 8 else 6
        weights[f"conv{number}.weight"] = torch.randn(outward, inward, size, size, generator=generator) / (size * inward**0.5)
        weights[f"conv{number}.bias"] = torch.zeros(outward)
        inward = outward
    return write(path, weights)

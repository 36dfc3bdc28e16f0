"""Seamless pictures: every convolution of U-Net and VAE reads round the edge, as A1111's "Tiling"."""

from torch import nn


def set_tiling(module: nn.Module, wanted: bool) -> None:
    mode = "circular" if wanted else "zeros"
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d) and any(conv._reversed_padding_repeated_twice):
            conv.padding_mode = mode

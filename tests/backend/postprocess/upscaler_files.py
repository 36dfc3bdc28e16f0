"""Tiny upscalers with random weights, built by spandrel's own classes, as files; and Upscalers over a folder of them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from backend.catalog import Catalog
from backend.checkpoints.placement import Placement
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.paths import Paths
from backend.postprocess.spandrel_library import load_spandrel
from backend.postprocess.upscale import Upscalers


def tiny(architecture: str) -> torch.nn.Module:
    """Twice the size."""
    load_spandrel()

    def build(module: str, name: str, **more: Any) -> torch.nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return getattr(import_module(f"spandrel.architectures.{architecture}.__arch.{module}"), name)(**more)

    torch.manual_seed(0)
    match architecture:
        case "Compact":
            return build("SRVGG", "SRVGGNetCompact", num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
        case "ESRGAN":
            return build("RRDB", "RRDBNet", in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=2)
        case "SwinIR":
            return build(
                "SwinIR", "SwinIR", img_size=16, embed_dim=12, depths=[2], num_heads=[2], window_size=8, mlp_ratio=2, upscale=2, upsampler="pixelshuffledirect"
            )
        case "DAT":
            return build(
                "DAT",
                "DAT",
                img_size=16,
                embed_dim=32,
                split_size=[4, 4],
                depth=[2],
                num_heads=[2],
                expansion_factor=2,
                upscale=2,
                upsampler="pixelshuffledirect",
            )
    raise AssertionError(architecture)


def save(model: torch.nn.Module, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return path


@contextmanager
def upscalers(folder: Path) -> Iterator[tuple[Upscalers, Catalog]]:
    paths = Paths.from_flags(parse_flags(["--data-dir", str(folder)]), folder)
    paths.ensure()
    hashes = HashCache(paths.cache / "hashes.db")
    catalog = Catalog(paths, hashes)
    yield Upscalers(catalog, Placement(device=torch.device("cpu"))), catalog
    hashes.close()

"""Which checkpoints stay loaded, and what a failed load changes: nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backend.checkpoints.memory import Models
from backend.checkpoints.small_vae import SmallVaes
from backend.errors import WebUIError
from backend.job import ModelOptions
from tests import checkpoint_files as files
from tests.backend.checkpoints.conftest import CPU, OPTIONS


@pytest.fixture
def models() -> Iterator[Models]:
    models = Models(CPU, SmallVaes(Path("none")))
    yield models
    models.close()


class Shelf:
    """Takes models from the shelf and remembers what had to be read for it."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self.read: list[str] = []

    def take(self, path: Path, vae: Path | None = None, options: ModelOptions = OPTIONS):
        with self.models.loaded(path, vae, options, self.read.append) as model:
            return model


@pytest.fixture
def shelf(models: Models) -> Shelf:
    return Shelf(models)


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path, Path]:
    a, b, c = (files.write_sd1(tmp_path / f"{name}.safetensors", seed=seed) for seed, name in enumerate("abc"))
    return a, b, c


def test_the_same_checkpoint_is_read_once(shelf: Shelf, paths: tuple[Path, Path, Path]):
    assert shelf.take(paths[0]) is shelf.take(paths[0])
    assert shelf.read == ["a.safetensors"]


def test_the_least_recently_used_checkpoint_makes_room(shelf: Shelf, paths: tuple[Path, Path, Path]):
    a, b, c = paths
    two = replace(OPTIONS, keep_loaded=2)
    for path in (a, b, a, c, a, b):
        shelf.take(path, options=two)
    assert shelf.read == ["a.safetensors", "b.safetensors", "c.safetensors", "b.safetensors"]


def test_a_lower_limit_takes_effect_at_once(shelf: Shelf, paths: tuple[Path, Path, Path]):
    a, b, _ = paths
    shelf.take(a, options=replace(OPTIONS, keep_loaded=2))
    model = shelf.take(b, options=replace(OPTIONS, keep_loaded=2))
    assert shelf.take(b) is model
    shelf.take(a)
    assert shelf.read == ["a.safetensors", "b.safetensors", "a.safetensors"]


def test_a_file_that_cannot_be_loaded_leaves_the_loaded_one(shelf: Shelf, paths: tuple[Path, Path, Path], tmp_path: Path):
    model = shelf.take(paths[0])
    bad = files.write(tmp_path / "bad.safetensors", {"x.lora_down.weight": torch.zeros(1)})
    for path in (bad, tmp_path / "missing.safetensors"):
        with pytest.raises(WebUIError):
            shelf.take(path)
    assert shelf.take(paths[0]) is model
    assert shelf.read == ["a.safetensors"]


def test_another_vae_is_swapped_without_reading_the_checkpoint_again(shelf: Shelf, paths: tuple[Path, Path, Path], tmp_path: Path):
    vae = files.write_vae(tmp_path / "vae" / "v.safetensors")
    latent = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    model = shelf.take(paths[0])
    own = model.decode(latent)
    other = shelf.take(paths[0], vae).decode(latent)
    assert not torch.equal(own, other)
    assert torch.equal(shelf.take(paths[0]).decode(latent), own)
    assert shelf.read == ["a.safetensors"]


def test_a_bad_vae_leaves_the_one_in_use(shelf: Shelf, paths: tuple[Path, Path, Path], tmp_path: Path):
    latent = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    own = shelf.take(paths[0]).decode(latent)
    bad = files.write(tmp_path / "v.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(WebUIError, match=r"v\.safetensors is no VAE"):
        shelf.take(paths[0], bad)
    assert torch.equal(shelf.take(paths[0]).decode(latent), own)


def test_a_checkpoint_that_changed_on_disk_is_read_again(shelf: Shelf, paths: tuple[Path, Path, Path]):
    before = shelf.take(paths[0])
    paths[1].replace(paths[0])
    assert shelf.take(paths[0]) is not before
    assert shelf.read == ["a.safetensors", "a.safetensors"]


def test_options_are_set_at_each_use(shelf: Shelf, paths: tuple[Path, Path, Path]):
    latent = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    plain = shelf.take(paths[0]).decode(latent)
    seamless = shelf.take(paths[0], options=replace(OPTIONS, tiling=True)).decode(latent)
    assert not torch.equal(plain, seamless)
    assert torch.equal(shelf.take(paths[0]).decode(latent), plain)


def test_another_precision_of_the_unet_is_another_load(paths: tuple[Path, Path, Path]):
    models = Models(replace(CPU, fixed=False), SmallVaes(Path("none")))
    shelf = Shelf(models)
    assert shelf.take(paths[0], options=replace(OPTIONS, unet_dtype="float32")).unet.dtype == torch.float32
    assert shelf.take(paths[0], options=replace(OPTIONS, unet_dtype="bfloat16")).unet.dtype == torch.bfloat16
    models.close()

"""A float32 model of each family, loaded once."""

from pathlib import Path

import pytest
import torch

from backend.checkpoints.loader import load
from backend.checkpoints.model import Model
from backend.checkpoints.placement import Placement
from backend.job import FileRef, ModelOptions
from tests import checkpoint_files as files

CPU = Placement(device=torch.device("cpu"), fixed=True)
OPTIONS = ModelOptions(checkpoint=FileRef(name="x.safetensors"))


@pytest.fixture
def sd1_file(tmp_path: Path) -> Path:
    return files.write_sd1(tmp_path / "sd1.safetensors")


@pytest.fixture
def sd1(sd1_file: Path) -> Model:
    return load(sd1_file, None, CPU, OPTIONS)


def inputs(model: Model, *, size: int = 8, batch: int = 2, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Random arguments of predict() that fit the model."""
    shape, generator = model.architecture.unet, torch.Generator().manual_seed(seed)
    x = torch.randn(batch, shape.in_channels, size, size, generator=generator)
    cross = torch.randn(batch, 77, shape.context_width, generator=generator)
    vector = torch.randn(batch, shape.vector_width, generator=generator) if shape.vector_width else None
    return x, torch.full((batch,), 500.25), cross, vector

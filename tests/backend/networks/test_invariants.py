"""The promises of become() on a whole checkpoint, mapped from its file: no LoRA is the file, whatever went before; and a step costs what it costs without."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from backend.checkpoints.loader import load
from backend.checkpoints.model import Model
from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.job import FileRef, ModelOptions
from backend.networks.kohya import FAMILIES, KohyaNames
from backend.networks.patch import Patcher
from tests import checkpoint_files as files
from tests.backend.networks.small import lora_parts, random, ref, write_lora

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return files.write_sd1(tmp_path / "checkpoint.safetensors")


@pytest.fixture
def ink(checkpoint: Path, tmp_path: Path) -> Path:
    return whole_lora(checkpoint, tmp_path / "ink.safetensors")


def opened(path: Path, dtype: str) -> Model:
    return load(path, None, Placement(device=torch.device("cpu")), ModelOptions(checkpoint=FileRef(name=path.name), unet_dtype=dtype))


def whole_lora(checkpoint: Path, path: Path, seed: int = 0) -> Path:
    """For every linear layer and kernel; the bias of one layer, and a kind that reads the weight on another."""
    names, modules = KohyaNames(FAMILIES[0]), {}
    model = opened(checkpoint, "float32")
    for component, layers in model.named_modules().items():
        for n, (place, module) in enumerate(layers.items()):
            if isinstance(module, nn.Linear | nn.Conv2d):
                modules[names.of(component, place)] = lora_parts(tuple(module.weight.shape), seed=seed + n)
    modules["lora_unet_time_embedding_linear_1"]["diff_b"] = random(seed, 128)
    modules["lora_unet_time_embedding_linear_2"] = {"weight": 1 + random(seed, 128), "on_input": torch.tensor(False)}
    return write_lora(path, modules, dtype=torch.float16)


def weights(model: Model) -> dict[str, Tensor]:
    return {f"{part}.{name}": value for part, modules in model.named_modules().items() for name, value in modules[""].named_parameters()}


def bits(model: Model) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights(model).items()}


def differing(model: Model, other: dict[str, Tensor]) -> list[str]:
    return [name for name, value in weights(model).items() if not torch.equal(value.flatten().view(torch.uint8), other[name].flatten().view(torch.uint8))]


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_lora_is_the_file_cast_once(dtype: str, checkpoint: Path, ink: Path):
    model = opened(checkpoint, dtype)
    loaded, storages = bits(model), {name: value.data_ptr() for name, value in weights(model).items()}
    patcher = Patcher(model)
    (report,) = patcher.become([ref(ink, 0.8)])
    assert report.applied == report.total and len(differing(model, loaded)) == report.total + 1
    patcher.become([ref(ink, 0.5), ref(ink, -0.3)])
    patcher.become([])
    assert differing(model, loaded) == []
    assert {name: value.data_ptr() for name, value in weights(model).items()} == storages
    kernel = load_file(checkpoint)["model.diffusion_model.input_blocks.0.0.weight"]
    assert torch.equal(weights(model)["unet.conv_in.weight"], kernel.to(DTYPES[dtype]))


@pytest.mark.parametrize(
    ("dtype", "error", "writes"),
    [("float32", KeyboardInterrupt(), 1), ("float16", MemoryError(), 0), ("float16", KeyboardInterrupt(), 100), ("bfloat16", WebUIError("stop"), 60)],
)
def test_whatever_stops_it_midway_the_weights_are_those_of_the_file(
    dtype: str, error: BaseException, writes: int, checkpoint: Path, ink: Path, monkeypatch: pytest.MonkeyPatch
):
    model = opened(checkpoint, dtype)
    loaded, patcher, left = bits(model), Patcher(model), iter([*[None] * writes, error])
    patcher.become([ref(ink, 0.3)])
    as_loaded = model.as_loaded

    def failing(name: str) -> Tensor:
        if (now := next(left, None)) is not None:
            raise now
        return as_loaded(name)

    with monkeypatch.context() as patch:
        patch.setattr(model, "as_loaded", failing)
        with pytest.raises(type(error)):
            patcher.become([ref(ink, 1)])
    assert differing(model, loaded) == []
    patcher.become([ref(ink, 0.3)])
    assert differing(model, loaded)
    patcher.become([])
    assert differing(model, loaded) == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_model_that_is_loaded_anew_gets_the_same_bits(dtype: str, checkpoint: Path, ink: Path):
    """As after a restart of the engine, or after another checkpoint in between."""
    first, history = opened(checkpoint, dtype), [[ref(ink, 1)], [], [ref(ink, -2, 0.1), ref(ink)], [ref(ink, 0.7, 0.4)]]
    patcher = Patcher(first)
    for networks in history:
        patcher.become(networks)
    second = opened(checkpoint, dtype)
    assert differing(second, bits(first))
    Patcher(second).become(history[-1])
    assert differing(second, bits(first)) == []


def test_a_checkpoint_that_was_written_over_is_noticed_before_any_weight_is_read(checkpoint: Path, ink: Path):
    model = opened(checkpoint, "float32")
    loaded, patcher = bits(model), Patcher(model)
    with checkpoint.open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"\xff" * 1000)
    os.utime(checkpoint, ns=(1, 1))
    with pytest.raises(WebUIError, match=r"checkpoint.safetensors was overwritten while it was loaded: choose the checkpoint again."):
        patcher.become([ref(ink)])
    assert differing(model, loaded) == []


def test_a_lora_that_was_written_over_in_place_is_read_again(checkpoint: Path, ink: Path, tmp_path: Path):
    model = opened(checkpoint, "float32")
    patcher = Patcher(model)
    patcher.become([ref(ink)])
    before = bits(model)
    other = whole_lora(checkpoint, tmp_path / "other.safetensors", seed=1000)
    assert other.stat().st_size == ink.stat().st_size
    with ink.open("r+b") as file:
        file.write(other.read_bytes())
    os.utime(ink, ns=(1, 1))
    patcher.become([ref(ink)])
    assert differing(model, before) and patcher.reads == 2
    fresh = opened(checkpoint, "float32")
    Patcher(fresh).become([ref(other)])
    assert differing(fresh, bits(model)) == []


# ------------------------------------------------------------------ no cost per step


class Operations(TorchDispatchMode):
    """What torch is asked to do, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **kwargs or {})


def operations(model: Model) -> list[str]:
    with Operations() as seen, torch.no_grad():
        model.predict(torch.zeros(1, 4, 8, 8), torch.tensor([500.0]), torch.zeros(1, 77, model.architecture.context_width))
    return seen.names


def test_a_step_with_loras_is_the_same_operations_as_one_without(checkpoint: Path, ink: Path):
    model = opened(checkpoint, "float32")
    before, modules = operations(model), {name: dict(found) for name, found in model.named_modules().items()}
    Patcher(model).become([ref(ink, 0.5), ref(ink, -0.2)])
    assert operations(model) == before and len(before) > 100
    assert model.named_modules() == modules
    layers = [module for found in modules.values() for module in found.values()]
    assert not any(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module) for module in layers)


def test_between_steps_the_same_networks_are_compared_and_nothing_else(checkpoint: Path, ink: Path, monkeypatch: pytest.MonkeyPatch):
    model = opened(checkpoint, "float32")
    patcher, lora = Patcher(model), ref(ink)
    patcher.become([lora])
    monkeypatch.setattr(Patcher, "_apply", None)  # would fail
    with Operations() as seen:
        for step in range(20):
            patcher.become([lora], step)
        patcher.become([(replace(lora[0], te_weight=1.0), ink)])
    assert seen.names == []

"""What was added to a checkpoint is what is taken out of it again."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from backend.checkpoints.loader import load
from backend.checkpoints.model import Model
from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.job import FileRef, ModelOptions
from backend.networks.baked_file import write_baked
from backend.networks.extract import extract
from backend.networks.patch import Patcher
from tests import checkpoint_files as files
from tests.backend.networks.small import ref

RANK = 2
CPU = Placement(device=torch.device("cpu"))


def tuned_of(base: Path) -> Path:
    """Every matrix and kernel plus a product of rank 2, and one norm changed."""
    tensors, generator = load_file(base), torch.Generator().manual_seed(5)
    for name, tensor in tensors.items():
        trained = name.startswith(("model.diffusion_model.", "cond_stage_model.", "conditioner."))
        if trained and tensor.ndim > 1 and not name.endswith(("embedding", "embedding.weight")):
            rows, columns = tensor.shape[0], tensor[0].numel()
            blocks = 3 if name.endswith("in_proj_weight") else 1  # queries, keys and values are a layer each
            up, down = (torch.randn(blocks, *size, generator=generator) for size in ((rows // blocks, RANK), (RANK, columns)))
            tensors[name] = tensor + 0.02 * (up @ down).view(tensor.shape)
    norm = "model.diffusion_model.input_blocks.1.0.in_layers.0.weight"
    tensors[norm] = tensors[norm] + 1
    save_file(tensors, path := base.with_name("tuned.safetensors"))
    return path


def weights(path: Path, *networks: Path) -> dict[str, Tensor]:
    model: Model = load(path, None, CPU, ModelOptions(checkpoint=FileRef(name=path.name), unet_dtype="float32"))
    reports = Patcher(model).become([ref(network) for network in networks])
    assert all(report.applied == report.total and not report.errors for report in reports)
    found = {f"{part}.{name}": value.clone() for part, modules in model.named_modules().items() for name, value in modules[""].named_parameters()}
    model.close()
    return found


def write_sd2(path: Path, *, dtype: torch.dtype) -> Path:
    return files.write(path, files.sd2_tensors(), dtype=dtype)


@pytest.mark.parametrize("write", [files.write_sd1, write_sd2, files.write_sdxl])
def test_what_was_added_is_found_again(write: Callable[..., Path], tmp_path: Path):
    base = write(tmp_path / "base.safetensors", dtype=torch.float32)
    tuned = tuned_of(base)
    baked = extract(tuned, base, RANK, RANK)
    assert baked.error < 1e-4 and set(baked.ranks.values()) == {RANK}
    assert baked.notes == ["1 tensor that differs (norms, biases, embeddings) could not be taken along."]
    write_baked(baked, out := tmp_path / "lora.safetensors", "fp32")
    before, with_lora, wanted = weights(base), weights(base, out), weights(tuned)
    changed = [name for name in wanted if not torch.equal(wanted[name], before[name])]
    assert len(changed) == len(baked.ranks) + 1
    for name in changed:
        if wanted[name].ndim > 1:
            torch.testing.assert_close(with_lora[name], wanted[name], rtol=0, atol=1e-5)


def test_convolutions_and_text_encoders_can_be_left_out(tmp_path: Path):
    base = files.write_sd1(tmp_path / "base.safetensors", dtype=torch.float32)
    tuned = tuned_of(base)
    linear = extract(tuned, base, 1)
    assert all(tensor.ndim == 2 or tensor.shape[2:] == (1, 1) for tensor in linear.tensors.values() if tensor.ndim > 1)
    assert "(norms, biases, embeddings and convolutions) could not be taken along" in linear.notes[0]
    assert 0 < linear.error < 1
    assert any(layer.startswith("lora_te_") for layer in linear.ranks)
    assert not any(layer.startswith("lora_te") for layer in extract(tuned, base, 1, text=False).ranks)


def test_two_equal_checkpoints_have_nothing_to_extract(tmp_path: Path):
    base = files.write_sd1(tmp_path / "base.safetensors")
    baked = extract(base, base, RANK)
    assert (baked.tensors, baked.notes) == ({}, [])


def test_checkpoints_of_different_kinds_are_refused(tmp_path: Path):
    one, other = files.write_sd1(tmp_path / "one.safetensors"), files.write_sdxl(tmp_path / "other.safetensors")
    with pytest.raises(WebUIError, match=r"other.safetensors is of SDXL and one.safetensors of SD1"):
        extract(other, one, RANK)


def test_nan_in_a_checkpoint_is_said(tmp_path: Path):
    base = files.write_sd1(tmp_path / "base.safetensors")
    tensors = load_file(base)
    tensors["model.diffusion_model.time_embed.0.weight"][0, 0] = torch.nan
    save_file(tensors, tmp_path / "tuned.safetensors")
    with pytest.raises(WebUIError, match=r"lora_unet_time_embedding_linear_1 has NaN"):
        extract(tmp_path / "tuned.safetensors", base, RANK)

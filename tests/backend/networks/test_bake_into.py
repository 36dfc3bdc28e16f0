"""A checkpoint with Loras in it is the checkpoint under those Loras."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from backend.checkpoints.loader import load
from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.job import BakeIntoJob, FileRef, ModelOptions, NetworkRef, NewFile
from backend.networks.bake_into import bake_into
from backend.networks.baked_file import write_baked
from backend.networks.extract import extract
from backend.networks.patch import Patcher
from backend.progress import CancelToken
from tests import checkpoint_files as files
from tests.backend.networks.small import ref
from tests.backend.networks.test_extract import tuned_of


def baked(checkpoint: Path, *networks: tuple[NetworkRef, Path], half: bool = False) -> Path:
    output = NewFile(kind="checkpoint", name="new.safetensors", part=".new.part")
    job = BakeIntoJob(output=output, checkpoint=FileRef(name=checkpoint.name), networks=tuple(each for each, _ in networks), half=half)
    target = checkpoint.with_name("new.safetensors")
    assert bake_into(job, checkpoint, networks, target, lambda event: None, CancelToken()) == ()
    return target


def weights(path: Path, *networks: tuple[NetworkRef, Path]) -> dict[str, Tensor]:
    model = load(path, None, Placement(device=torch.device("cpu")), ModelOptions(checkpoint=FileRef(name=path.name), unet_dtype="float32"))
    Patcher(model).become(networks)
    found = {f"{part}.{name}": value.clone() for part, modules in model.named_modules().items() for name, value in modules[""].named_parameters()}
    model.close()
    return found


@pytest.mark.parametrize("write", [files.write_sd1, files.write_sdxl], ids=["sd1", "sdxl"])
def test_the_weights_are_the_patchers_bit_by_bit(tmp_path: Path, write):
    """SDXL's second text encoder has queries, keys and values in one tensor, and a projection that is turned."""
    base = write(tmp_path / "base.safetensors", dtype=torch.float32)
    write_baked(extract(tuned_of(base), base, 2, 2), lora := tmp_path / "lora.safetensors", "fp32")
    wanted, found = weights(base, ref(lora, 0.5, 0.8)), weights(baked(base, ref(lora, 0.5, 0.8)))
    assert wanted.keys() == found.keys()
    assert [name for name in wanted if not torch.equal(wanted[name], found[name])] == []
    assert any(not torch.equal(found[name], pristine) for name, pristine in weights(base).items())


def test_what_no_lora_touches_stays_as_it_is_in_the_file(tmp_path: Path):
    base = files.write_sd1(tmp_path / "base.safetensors")
    write_baked(extract(tuned_of(base), base, 2), lora := tmp_path / "lora.safetensors", "fp32")
    before, after = load_file(base), load_file(baked(base, ref(lora)))
    assert before.keys() == after.keys()
    untouched = [name for name in before if torch.equal(before[name], after[name])]
    assert all(name in untouched for name in before if name.startswith("first_stage_model.") or "norm" in name)
    assert len(untouched) < len(before)
    assert all(before[name].dtype == after[name].dtype for name in before)


def test_a_lora_of_another_kind_of_model_is_refused(tmp_path: Path):
    base, other = files.write_sd1(tmp_path / "base.safetensors"), files.write_sdxl(tmp_path / "xl" / "base.safetensors")
    write_baked(extract(tuned_of(other), other, 2, text=False), lora := tmp_path / "lora.safetensors", "fp32")
    with pytest.raises(WebUIError, match="does not fit"):
        baked(base, ref(lora))
    assert not (tmp_path / "new.safetensors").exists()


def test_loras_of_weight_0_leave_nothing_to_do(tmp_path: Path):
    base = files.write_sd1(tmp_path / "base.safetensors")
    write_baked(extract(tuned_of(base), base, 2), lora := tmp_path / "lora.safetensors", "fp32")
    with pytest.raises(WebUIError, match="Nothing would change"):
        baked(base, ref(lora, 0))

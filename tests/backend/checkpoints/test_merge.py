"""The merged file against the formula, number by number."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from backend.checkpoints.loader import load
from backend.checkpoints.merge import merge_checkpoints
from backend.checkpoints.placement import Placement
from backend.errors import Interrupted, WebUIError
from backend.job import FileRef, MergeJob, ModelOptions, NewFile
from backend.model_tools import FIRST_INPUT
from backend.progress import CancelToken, Event, Step
from tests import checkpoint_files as files

SOME = "model.diffusion_model.input_blocks.1.0.in_layers.2.weight"


def merged(folder: Path, method: str, *models: Path, vae: Path | None = None, multiplier: float = 0.3, cancel: CancelToken | None = None, **options) -> Path:
    events: list[Event] = []
    job = MergeJob(
        output=NewFile(kind="checkpoint", name="new.safetensors", part=".new.part", replace=options.pop("replace", False)),
        method=method,
        models=tuple(FileRef(name=path.name) for path in models),
        multiplier=multiplier,
        half=options.pop("half", False),
        vae=FileRef(name=vae.name) if vae else None,
        discard=options.pop("discard", ""),
        metadata=options.pop("metadata", {}),
        recipe=options.pop("recipe", None),
        models_said={},
    )
    assert not options
    merge_checkpoints(job, list(models), vae, folder / "new.safetensors", events.append, cancel or CancelToken())
    steps = [event for event in events if isinstance(event, Step)]
    assert steps[-1].step == steps[-1].steps == len(load_file(folder / "new.safetensors"))
    return folder / "new.safetensors"


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[name].dtype == b[name].dtype and torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def three(tmp_path: Path) -> tuple[Path, Path, Path]:
    a, b, c = (files.write_sd1(tmp_path / f"{name}.safetensors", seed=seed, dtype=torch.float32) for name, seed in (("a", 1), ("b", 10), ("c", 20)))
    return a, b, c


def test_a_weighted_sum_is_the_formula_in_float32(tmp_path: Path, three):
    a, b, found = load_file(three[0]), load_file(three[1]), load_file(merged(tmp_path, "Weighted sum", *three[:2]))
    mixed = {name: (1 - 0.3) * a[name] + 0.3 * b[name] if "model" in name and a[name].is_floating_point() else a[name] for name in a}
    assert same(found, mixed)
    assert not torch.equal(found[SOME], a[SOME])


def test_an_added_difference_is_the_formula_and_what_c_lacks_changes_nothing(tmp_path: Path, three):
    a, b, c = map(load_file, three)
    del c[SOME]
    files.write(three[2], c, dtype=torch.float32)
    found = load_file(merged(tmp_path, "Add difference", *three, multiplier=0.8))
    other = "model.diffusion_model.output_blocks.3.0.in_layers.2.weight"
    assert torch.equal(found[SOME], a[SOME])
    assert torch.equal(found[other], a[other] + (b[other] - c[other]) * 0.8)


def test_the_merged_file_is_a_checkpoint_that_loads(tmp_path: Path, three):
    path = merged(tmp_path, "Weighted sum", *three[:2], half=True)
    assert {tensor.dtype for tensor in load_file(path).values() if tensor.is_floating_point()} == {torch.float16}
    load(path, None, Placement(device=torch.device("cpu")), ModelOptions(checkpoint=FileRef(name=path.name))).close()


def test_an_inpainting_model_takes_in_a_plain_one_and_keeps_its_other_channels(tmp_path: Path):
    inpainting = files.write(tmp_path / "in.safetensors", files.sd1_tensors(seed=1, inpaint=True), dtype=torch.float32)
    plain = files.write_sd1(tmp_path / "plain.safetensors", seed=9, dtype=torch.float32)
    a, b = load_file(inpainting)[FIRST_INPUT], load_file(plain)[FIRST_INPUT]
    found = merged(tmp_path, "Weighted sum", inpainting, plain, recipe={"type": "webui"})
    weight = load_file(found)[FIRST_INPUT]
    assert torch.equal(weight[:, :4], (1 - 0.3) * a[:, :4] + 0.3 * b)
    assert torch.equal(weight[:, 4:], a[:, 4:])
    with safe_open(found, "pt") as opened:
        assert json.loads(opened.metadata()["sd_merge_recipe"]) == {"type": "webui", "is_inpainting": True, "is_instruct_pix2pix": False}
    with pytest.raises(WebUIError, match="has to be A"):
        merged(tmp_path, "Weighted sum", plain, inpainting, replace=True)


def test_models_of_different_kinds_are_refused_by_a_tensors_name(tmp_path: Path, three):
    other = files.write_sdxl(tmp_path / "xl.safetensors")
    with pytest.raises(WebUIError, match=r"different kinds: \S+ is \["):
        merged(tmp_path, "Weighted sum", three[0], other)
    assert not (tmp_path / "new.safetensors").exists()


@pytest.mark.parametrize("layout", ["ldm", "pickle"])
def test_a_baked_vae_takes_the_place_of_the_models_own(tmp_path: Path, three, layout: str):
    vae = files.write_vae(tmp_path / ("v.safetensors" if layout == "ldm" else "v.pt"), dtype=torch.float32)
    a, found = load_file(three[0]), load_file(merged(tmp_path, "No interpolation", three[0], vae=vae))
    wanted = {f"first_stage_model.{name}": tensor for name, tensor in files.vae_tensors(seed=50, prefix="").items()}
    assert same(found, {**a, **{name: wanted[name] for name in wanted}})


def test_tensors_are_discarded_by_name_and_half_precision_is_rounded_once(tmp_path: Path, three):
    a, b = map(load_file, three[:2])
    found = load_file(merged(tmp_path, "Weighted sum", *three[:2], discard=r"^first_stage_model\.", half=True))
    assert not any(name.startswith("first_stage_model.") for name in found)
    assert torch.equal(found[SOME], ((1 - 0.3) * a[SOME] + 0.3 * b[SOME]).half())
    with pytest.raises(WebUIError, match="every tensor is discarded"):
        merged(tmp_path, "No interpolation", three[0], discard=".", replace=True)


def test_a_pickle_is_merged_without_running_what_is_in_it(tmp_path: Path, three):
    pickled = files.write(tmp_path / "b.ckpt", files.sd1_tensors(seed=10), dtype=torch.float32)
    assert same(load_file(merged(tmp_path, "Weighted sum", three[0], pickled)), load_file(merged(tmp_path, "Weighted sum", *three[:2], replace=True)))


def test_numbers_too_large_for_float16_are_refused_and_leave_no_file(tmp_path: Path, three):
    a = load_file(three[0])
    a[SOME][0, 0, 0, 0] = 1e6
    files.write(three[0], a, dtype=torch.float32)
    with pytest.raises(WebUIError, match="float16"):
        merged(tmp_path, "No interpolation", three[0], half=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors", "c.safetensors"]


def test_a_merge_that_is_interrupted_leaves_nothing(tmp_path: Path, three):
    cancel = CancelToken()
    cancel.interrupt()
    with pytest.raises(Interrupted):
        merged(tmp_path, "Weighted sum", *three[:2], cancel=cancel)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors", "c.safetensors"]


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path, three):
    (tmp_path / "new.safetensors").write_bytes(b"mine")
    with pytest.raises(WebUIError, match="already"):
        merged(tmp_path, "No interpolation", three[0])
    assert (tmp_path / "new.safetensors").read_bytes() == b"mine"
    assert same(load_file(merged(tmp_path, "No interpolation", three[0], replace=True)), load_file(three[0]))


def test_a_model_may_be_replaced_by_what_is_made_of_it(tmp_path: Path, three):
    a = load_file(three[0])
    mine = three[0].rename(tmp_path / "new.safetensors")
    found = load_file(merged(tmp_path, "Weighted sum", mine, three[1], replace=True))
    assert torch.equal(found[SOME], (1 - 0.3) * a[SOME] + 0.3 * load_file(three[1])[SOME])

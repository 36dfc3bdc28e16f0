"""What comes out does to a model what went in, alone or together; and what cannot be merged says why."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from backend.errors import WebUIError
from backend.networks.bake import Ingredient, merge
from backend.networks.baked_file import Baked, file_hash, write_baked
from backend.networks.decompose import Rank
from backend.networks.patch import Patcher
from tests.backend.networks.small import NAMES, SmallModel, lora_parts, random, ref, whole_lora, write_lora

CONV_IN, PROJ_IN, TO_Q, CONV1, FC1 = NAMES
NORM = "lora_unet_down_blocks_0_attentions_0_norm"


@pytest.fixture
def ink(tmp_path: Path) -> Path:
    return whole_lora(tmp_path / "ink.safetensors")


@pytest.fixture
def oil(tmp_path: Path) -> Path:
    return whole_lora(tmp_path / "oil.safetensors", seed=500, rank=3, alpha=None)


def changed(*networks: tuple[Path, float, float]) -> dict[str, Tensor]:
    """What these do to the model, one after the other, as the patcher applies them."""
    model = SmallModel()
    reports = Patcher(model).become([ref(path, te, unet) for path, te, unet in networks])
    assert all(report.applied == report.total and not report.errors for report in reports)
    return {name: weight - model.loaded[name] for name, weight in model.weights().items()}


def written(baked: Baked, path: Path, precision: str = "fp32") -> Path:
    write_baked(baked, path, precision)
    return path


def assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor], tolerance: float = 2e-6) -> None:
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=tolerance)
    assert any(change.any() for change in one.values())


@pytest.mark.parametrize(("te", "unet"), [(1.0, 1.0), (0.8, -0.5), (0.0, 0.7)])
def test_a_merged_network_does_what_the_single_ones_do_together(te: float, unet: float, ink: Path, oil: Path, tmp_path: Path):
    baked = merge([Ingredient(path=ink, te_weight=te, unet_weight=unet), Ingredient(path=oil, te_weight=0.3, unet_weight=0.6)])
    assert set(baked.ranks.values()) == ({5} if te else {5, 3}) and baked.errors == {} and baked.notes == []
    path = written(baked, tmp_path / "both.safetensors")
    assert_same(changed((path, 1, 1)), changed((ink, te, unet), (oil, 0.3, 0.6)))


def test_a_tuckers_kernel_becomes_a_wider_product(tmp_path: Path):
    parts = {
        "lora_up.weight": random(1, 12, 3, 1, 1),
        "lora_mid.weight": random(2, 3, 3, 3, 3),
        "lora_down.weight": random(3, 3, 6, 1, 1),
        "alpha": torch.tensor(2.0),
    }
    path = write_lora(tmp_path / "mid.safetensors", {CONV1: parts})
    baked = merge([Ingredient(path=path, unet_weight=0.5)])
    assert tuple(baked.tensors[f"{CONV1}.lora_down.weight"].shape) == (3, 6, 3, 3)
    assert_same(changed((written(baked, tmp_path / "out.safetensors"), 1, 1)), changed((path, 1, 0.5)))


def mixed(folder: Path) -> Path:
    """LoHa, LoKr, a full difference with its bias, a norm, and a LoRA with a bias."""
    modules = {
        CONV1: {
            "hada_w1_a": random(1, 12, 2),
            "hada_w1_b": random(2, 2, 54),
            "hada_w2_a": random(3, 12, 2),
            "hada_w2_b": random(4, 2, 54),
            "alpha": torch.tensor(1.0),
        },
        TO_Q: {"lokr_w1": random(5, 2, 2), "lokr_w2": random(6, 5, 4)},
        CONV_IN: {"diff": random(7, 6, 4, 3, 3), "diff_b": random(8, 6)},
        NORM: {"w_norm": random(9, 6), "b_norm": random(10, 6)},
        FC1: {**lora_parts((9, 6)), "diff_b": random(11, 9)},
    }
    return write_lora(folder / "mixed.safetensors", modules)


def test_other_kinds_become_full_differences_and_it_is_said(ink: Path, tmp_path: Path):
    other = mixed(tmp_path)
    baked = merge([Ingredient(path=ink, te_weight=0.5, unet_weight=0.5), Ingredient(path=other, te_weight=0.8, unet_weight=0.8)])
    assert baked.notes == ["3 layers are no thin product in every file and became a full difference: give a rank for a smaller file."]
    assert baked.ranks == {PROJ_IN: 2, FC1: 4}
    path = written(baked, tmp_path / "out.safetensors")
    assert_same(changed((path, 1, 1)), changed((ink, 0.5, 0.5), (other, 0.8, 0.8)))
    with safe_open(path, "pt") as file:
        assert file.metadata()["ss_network_module"] == "lycoris.kohya"


def test_with_a_rank_all_kinds_become_thin_products(ink: Path, tmp_path: Path):
    other = mixed(tmp_path)
    baked = merge([Ingredient(path=ink), Ingredient(path=other)], Rank(60))
    assert set(baked.ranks) == set(NAMES) and baked.error < 1e-5
    assert_same(changed((written(baked, tmp_path / "out.safetensors"), 1, 1)), changed((ink, 1, 1), (other, 1, 1)), 1e-5)


def test_the_error_is_that_of_the_formula_in_each_layer_and_in_all(ink: Path, oil: Path, tmp_path: Path):
    exact = changed((ink, 1, 1), (oil, 0.5, 0.5))
    baked = merge([Ingredient(path=ink), Ingredient(path=oil, te_weight=0.5, unet_weight=0.5)], Rank(2))
    assert set(baked.ranks.values()) == {2}
    rest = whole = 0.0
    for layer, (component, path) in NAMES.items():
        values = torch.linalg.svdvals(exact[f"{component}.{path}.weight"].flatten(1).double()).square()
        assert baked.errors[layer] == pytest.approx(float((values[2:].sum() / values.sum()).sqrt()), rel=1e-3)
        rest, whole = rest + float(values[2:].sum()), whole + float(values.sum())
    assert baked.error == pytest.approx(math.sqrt(rest / whole), rel=1e-3)
    made = changed((written(baked, tmp_path / "out.safetensors"), 1, 1))
    lost = sum(float((made[name] - exact[name]).double().square().sum()) for name in exact)
    assert math.sqrt(lost / whole) == pytest.approx(baked.error, rel=1e-3)


def test_convolutions_can_have_a_rank_of_their_own(oil: Path):
    baked = merge([Ingredient(path=oil)], Rank(3), Rank(1))
    assert baked.ranks == {CONV_IN: 1, PROJ_IN: 3, TO_Q: 3, CONV1: 1, FC1: 3}


def test_a_rule_chooses_the_rank_of_each_layer(oil: Path):
    exact = changed((oil, 1, 1))
    baked = merge([Ingredient(path=oil)], Rank(3, "sv_fro", 0.9))
    for layer, (component, path) in NAMES.items():
        values = torch.linalg.svdvals(exact[f"{component}.{path}.weight"].flatten(1).double()).square()
        kept = (values.cumsum(0) / values.sum()).sqrt()
        assert baked.ranks[layer] == int((kept < 0.9).sum()) + 1
    assert len(set(baked.ranks.values())) > 1


def test_names_of_different_trainers_become_kohyas(ink: Path, tmp_path: Path):
    dotted = {"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": TO_Q, "text_encoder.text_model.encoder.layers.0.mlp.fc1": FC1}
    tensors = {}
    for module, name in dotted.items():
        parts = lora_parts(tuple(SmallModel().weight(name).shape), seed=70)
        tensors |= {f"{module}.lora_A.weight": parts["lora_down.weight"], f"{module}.lora_B.weight": parts["lora_up.weight"]}
    peft = tmp_path / "peft.safetensors"
    save_file(tensors, peft, {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 6, "unet.r": 2, "text_encoder.lora_alpha": 1, "text_encoder.r": 2})})
    baked = merge([Ingredient(path=ink), Ingredient(path=peft)])
    assert set(baked.ranks) == set(NAMES) and baked.ranks[TO_Q] == 4
    assert_same(changed((written(baked, tmp_path / "out.safetensors"), 1, 1)), changed((ink, 1, 1), (peft, 1, 1)))


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".ckpt"])
def test_pickles_are_read(suffix: str, tmp_path: Path):
    path = whole_lora(tmp_path / f"old{suffix}")
    assert_same(changed((written(merge([Ingredient(path=path)]), tmp_path / "out.safetensors"), 1, 1)), changed((path, 1, 1)))


def test_words_come_along(tmp_path: Path):
    first = write_lora(tmp_path / "a.safetensors", {FC1: lora_parts((9, 6)), "bundle_emb.sks": {"emb_params": torch.ones(2, 6)}})
    second = write_lora(tmp_path / "b.safetensors", {FC1: lora_parts((9, 6)), "bundle_emb.sks": {"emb_params": torch.zeros(2, 6)}})
    baked = merge([Ingredient(path=first), Ingredient(path=second)])
    assert torch.equal(baked.tensors["bundle_emb.sks.emb_params"], torch.ones(2, 6))
    assert baked.notes == ["The word sks is in a.safetensors and in b.safetensors: the first was taken."]


def test_the_recipe_is_in_the_metadata(ink: Path, oil: Path, tmp_path: Path):
    baked = merge([Ingredient(path=ink, te_weight=0.5), Ingredient(path=oil)], Rank(4))
    with safe_open(written(baked, tmp_path / "both.safetensors", "bf16"), "pt") as file:
        metadata = file.metadata()
    recipe = json.loads(metadata["bake_recipe"])
    assert recipe.pop("error") == baked.error > 0
    assert recipe == {
        "tool": "merge",
        "method": "svd",
        "inputs": [
            {"name": "ink.safetensors", "sha256": file_hash(ink), "te_weight": 0.5, "unet_weight": 1.0},
            {"name": "oil.safetensors", "sha256": file_hash(oil), "te_weight": 1.0, "unet_weight": 1.0},
        ],
        "rank": "4",
        "conv_rank": "4",
        "precision": "bf16",
        "ranks": {"4": 5},
    }
    said = {key: metadata[key] for key in ("ss_network_module", "ss_network_dim", "ss_network_alpha", "ss_base_model_version", "ss_output_name")}
    assert tuple(said.values()) == ("networks.lora", "4", "4", "sd_v1", "both")


def test_the_trainers_word_for_the_model_is_kept_where_they_agree(ink: Path, tmp_path: Path):
    said = tmp_path / "said.safetensors"
    save_file(load_file(ink), said, {"ss_base_model_version": "sd_1.5"})
    assert merge([Ingredient(path=said), Ingredient(path=ink)]).version == "sd_1.5"


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_the_precision_is_as_wanted(precision: str, dtype: torch.dtype, ink: Path, tmp_path: Path):
    path = written(merge([Ingredient(path=ink)]), tmp_path / "out.safetensors", precision)
    assert {tensor.dtype for tensor in load_file(path).values()} == {dtype}


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "parts",
    [
        {**lora_parts((9, 6)), "dora_scale": torch.ones(9, 1)},
        {"oft_blocks": torch.zeros(3, 3, 3), "alpha": torch.tensor(0.0)},
        {"weight": torch.ones(9), "on_input": torch.tensor(False)},
        {"a1.weight": random(1, 6, 2), "a2.weight": random(2, 2, 6), "b1.weight": random(3, 9, 2), "b2.weight": random(4, 2, 6)},
    ],
)
def test_what_depends_on_the_checkpoint_is_refused(parts: dict[str, Tensor], tmp_path: Path):
    path = write_lora(tmp_path / "x.safetensors", {FC1: parts})
    with pytest.raises(WebUIError, match=rf"x.safetensors: what it does to {FC1} \(DoRA, OFT, IA3 or GLoRA\) depends on the checkpoint"):
        merge([Ingredient(path=path)])


@pytest.mark.parametrize(
    ("module", "parts", "sentence"),
    [
        (FC1, {"lora_up.weight": torch.full((9, 2), math.nan), "lora_down.weight": torch.ones(2, 6)}, "is damaged"),
        (FC1, {"oft_R.weight": torch.zeros(2)}, "of a kind that is not supported"),
        (FC1, {"lora_up.weight": torch.ones(9, 3), "lora_down.weight": torch.ones(2, 6)}, "do not fit together"),
        (FC1, lora_parts((9, 7)), "has another size than in ink.safetensors .9 × 6 and 9 × 7."),
        ("lora_unet_double_blocks_0_img_attn_proj", lora_parts((3, 3)), "is not for SD1, SD2 or SDXL"),
        ("lora_te2_text_projection", lora_parts((4, 6)), "is for SDXL and the others are for SD1"),
    ],
)
def test_what_does_not_fit_is_said(module: str, parts: dict[str, Tensor], sentence: str, ink: Path, tmp_path: Path):
    path = write_lora(tmp_path / "x.safetensors", {module: parts})
    with pytest.raises(WebUIError, match=sentence):
        merge([Ingredient(path=ink), Ingredient(path=path)])


def test_a_file_without_layers_is_refused(tmp_path: Path):
    save_file({}, tmp_path / "x.safetensors")
    with pytest.raises(WebUIError, match=r"x.safetensors has no layers of a network"):
        merge([Ingredient(path=tmp_path / "x.safetensors")])


def test_a_file_that_is_there_is_replaced_only_if_asked(ink: Path, tmp_path: Path):
    baked, path = merge([Ingredient(path=ink)]), tmp_path / "out.safetensors"
    path.write_bytes(b"mine")
    with pytest.raises(WebUIError, match="is there already"):
        write_baked(baked, path, "fp16")
    assert path.read_bytes() == b"mine"
    write_baked(baked, path, "fp16", force=True)
    assert len(load_file(path)) == 3 * len(NAMES) and sorted(file.name for file in tmp_path.iterdir()) == ["ink.safetensors", "out.safetensors"]


@pytest.mark.parametrize(("tensor", "sentence"), [(torch.full((1,), 1e6), "too large for fp16"), (None, "Nothing is left")])
def test_what_cannot_be_written_leaves_no_file(tensor: Tensor | None, sentence: str, tmp_path: Path):
    with pytest.raises(WebUIError, match=sentence):
        write_baked(Baked(tensors={} if tensor is None else {"a.diff_b": tensor}), tmp_path / "out.safetensors", "fp16")
    with pytest.raises(WebUIError, match=r"has to end in .safetensors"):
        write_baked(Baked(), tmp_path / "out.pt", "fp16")
    assert list(tmp_path.iterdir()) == []

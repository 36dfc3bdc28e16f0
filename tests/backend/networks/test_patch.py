"""The promises of become(): the weights are a function of the wanted networks, whatever was applied, failed or changed before."""

import gc
import math
import os
import random as pseudo
import weakref
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from backend.errors import WebUIError
from backend.job import NetworkRef
from backend.networks.low_rank import LowRank
from backend.networks.patch import Patcher
from tests.backend.networks.small import (
    CONV_IN,
    DTYPES,
    FC1,
    NAMES,
    TO_Q,
    SmallModel,
    bits,
    equal,
    fresh,
    load,
    lora_parts,
    product,
    random,
    ref,
    text_layers,
    whole_lora,
    write_lora,
)

# ------------------------------------------------------------------ what is applied


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_each_weight_is_its_own_plus_the_weighted_product_rounded_once(dtype: torch.dtype, channels_last: bool, ink: Path, oil: Path):
    model = SmallModel(dtype, channels_last=channels_last)
    Patcher(model).become([ref(ink, 0.8, -0.5), ref(oil, 0.3)])
    for name, (component, path) in NAMES.items():
        loaded = model.loaded[f"{component}.{path}.weight"].double()
        ink_weight, oil_weight = (-0.5 if component == "unet" else 0.8), 0.3
        exact = loaded + (ink_weight * product(ink, name) + oil_weight * product(oil, name)).view_as(loaded)
        ulp = torch.finfo(dtype).eps * exact.abs().clamp(min=2**-14)
        assert ((model.weight(name).double() - exact).abs() <= 0.501 * ulp + 2e-6 * float(exact.abs().max())).all(), name


def test_weights_of_text_encoders_and_unet_are_told_apart(ink: Path):
    model = SmallModel()
    patcher = Patcher(model)
    patcher.become([ref(ink, 1, 0)])
    changed = {name for name, weight in model.weights().items() if not torch.equal(weight, model.loaded[name])}
    assert changed == {"text_encoders.0.encoder.layers.0.mlp.fc1.weight"}
    patcher.become([ref(ink, 0, 1)])
    assert "text_encoders.0.encoder.layers.0.mlp.fc1.weight" not in {n for n, w in model.weights().items() if not torch.equal(w, model.loaded[n])}
    assert not torch.equal(model.weight(CONV_IN), model.loaded["unet.conv_in.weight"])


def test_the_projection_of_sdxls_second_text_encoder_takes_the_text_encoders_weight(tmp_path: Path):
    layers = {**text_layers("text_model."), "text_projection": nn.Linear(6, 4, bias=False)}
    model = SmallModel(text=(text_layers(), layers))
    path = write_lora(tmp_path / "x.safetensors", {"lora_te2_text_projection": lora_parts((4, 6))})
    (report,) = Patcher(model).become([ref(path, 1, 0)])
    assert (report.applied, report.total) == (1, 1)
    assert not torch.equal(layers["text_projection"].weight, model.loaded["text_encoders.1.text_projection.weight"])


def test_the_same_file_twice_counts_with_the_sum_of_both_weights(ink: Path):
    """A1111 applies it twice at the last weight."""
    twice, once = fresh(torch.float32, ref(ink, 0.6), ref(ink, 0.2)), fresh(torch.float32, ref(ink, 0.8))
    for name in twice:
        torch.testing.assert_close(twice[name], once[name])


def test_an_inpainting_models_first_convolution_keeps_its_further_inputs(ink: Path):
    model = SmallModel(inputs=9)
    (report,) = Patcher(model).become([ref(ink)])
    loaded = model.loaded["unet.conv_in.weight"]
    assert report.applied == report.total == len(NAMES)
    assert torch.equal(model.weight(CONV_IN)[:, 4:], loaded[:, 4:]) and not torch.equal(model.weight(CONV_IN)[:, :4], loaded[:, :4])


def test_dyn_uses_the_first_ranks(ink: Path):
    model = SmallModel()
    Patcher(model).become([ref(ink, dyn=1)])
    up, down = load(ink)[f"{FC1}.lora_up.weight"], load(ink)[f"{FC1}.lora_down.weight"]
    torch.testing.assert_close(model.weight(FC1), model.loaded["text_encoders.0.encoder.layers.0.mlp.fc1.weight"] + 0.5 * up[:, :1] @ down[:1])


# ------------------------------------------------------------------ and taken back


@pytest.mark.parametrize("dtype", DTYPES)
def test_removing_a_lora_leaves_every_weight_bit_equal(dtype: torch.dtype, ink: Path):
    model = SmallModel(dtype)
    patcher = Patcher(model)
    patcher.become([ref(ink)])
    assert not model.is_pristine()
    assert patcher.become([]) == ()
    assert model.is_pristine()


@pytest.mark.parametrize("dtype", DTYPES)
def test_after_any_history_the_same_networks_give_the_same_bits(dtype: torch.dtype, ink: Path, oil: Path, narrow: Path):
    draw, model = pseudo.Random(1), SmallModel(dtype)
    patcher, storages = Patcher(model), {name: weight.data_ptr() for name, weight in model.weights().items()}
    loaded = {name: weight.clone() for name, weight in model.loaded.items()}
    for _ in range(100):
        patcher.become([ref(draw.choice((ink, oil, narrow)), draw.uniform(-2, 2), draw.choice((None, 0, 0.5))) for _ in range(draw.randrange(4))])
    patcher.become([ref(oil, 0.7), ref(ink, 0.2)])
    assert equal(bits(model), fresh(dtype, ref(oil, 0.7), ref(ink, 0.2)))
    patcher.become([])
    assert model.is_pristine()
    assert {name: weight.data_ptr() for name, weight in model.weights().items()} == storages
    assert equal(model.loaded, loaded)  # the originals were only read


@settings(max_examples=60, deadline=None)
@given(plan=st.lists(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([-1.0, 0.0, 0.3, 1.0]), st.sampled_from([0.0, 0.6])), max_size=3), max_size=4))
def test_a_history_of_plans_leaves_what_the_last_one_says(ink: Path, oil: Path, narrow: Path, plan: list[list[tuple[int, float, float]]]):
    model = SmallModel(torch.bfloat16)
    patcher, files = Patcher(model), (ink, oil, narrow)
    wanted: list[tuple[NetworkRef, Path]] = []
    for networks in plan:
        wanted = [ref(files[number], te, unet) for number, te, unet in networks]
        patcher.become(wanted)
    assert equal(bits(model), fresh(torch.bfloat16, *wanted))


def test_the_same_set_again_writes_and_reads_nothing(ink: Path, oil: Path):
    model = SmallModel()
    patcher = Patcher(model)
    first = patcher.become([ref(ink, 0.5), ref(oil)])
    writes, reads = patcher.writes, patcher.reads
    assert (writes, reads) == (len(NAMES), 2)
    assert patcher.become([ref(ink, 0.5), ref(oil)]) == first
    assert (patcher.writes, patcher.reads) == (writes, reads)


def test_a_change_writes_only_what_it_changes(ink: Path, narrow: Path):
    model = SmallModel()
    patcher = Patcher(model)
    patcher.become([ref(ink, 1, 1)])
    before = patcher.writes
    patcher.become([ref(ink, 0.5, 1)])
    assert patcher.writes - before == 1  # the one layer of the text encoder
    patcher.become([ref(ink, 0.5, 1), ref(narrow)])
    assert patcher.writes - before == 3
    patcher.become([ref(ink, 0.5, 1)])
    assert patcher.writes - before == 5


def test_weight_zero_equals_absent(ink: Path, oil: Path):
    model = SmallModel()
    patcher = Patcher(model)
    assert patcher.become([ref(ink, 0)]) == ()
    assert (patcher.writes, patcher.reads, patcher.key) == (0, 0, Patcher(SmallModel()).key)
    patcher.become([ref(ink, 0), ref(oil, 0.5), ref(ink, 0, 0)])
    assert equal(bits(model), fresh(torch.float32, ref(oil, 0.5)))


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path):
    path, model = whole_lora(tmp_path / "x.safetensors"), SmallModel()
    patcher = Patcher(model)
    patcher.become([ref(path)])
    before = bits(model)
    whole_lora(tmp_path / "new.safetensors", seed=77)
    os.utime(tmp_path / "new.safetensors", ns=(1, 1))
    (tmp_path / "new.safetensors").replace(path)
    patcher.become([ref(path)])
    assert not equal(bits(model), before)
    assert equal(bits(model), fresh(torch.float32, ref(path)))


def test_a_removed_file_that_is_still_applied_costs_nothing_to_take_back(tmp_path: Path):
    path, model = whole_lora(tmp_path / "x.safetensors"), SmallModel()
    patcher = Patcher(model)
    patcher.become([ref(path)])
    path.unlink()
    (report,) = patcher.become([ref(path)])
    assert report.describe().startswith("Error: LoRA x was left out. x.safetensors is not there any more")
    assert model.is_pristine()


# ------------------------------------------------------------------ when something goes wrong


@pytest.mark.parametrize("failure", [WebUIError("the checkpoint was overwritten"), MemoryError(), KeyboardInterrupt()])
@pytest.mark.parametrize("fail_at", range(len(NAMES)))
def test_an_error_midway_leaves_the_model_pristine(fail_at: int, failure: Exception, ink: Path, oil: Path, narrow: Path):
    model = SmallModel(torch.float16)
    patcher = Patcher(model)
    patcher.become([ref(ink), ref(narrow, 0.3)])
    model.fail_at, model.failure = fail_at, failure
    with pytest.raises(type(failure)):
        patcher.become([ref(oil, 0.4)])
    assert model.is_pristine()
    patcher.become([ref(oil, 0.4)])
    assert equal(bits(model), fresh(torch.float16, ref(oil, 0.4)))


def test_an_error_in_a_product_leaves_the_model_pristine(ink: Path, monkeypatch: pytest.MonkeyPatch):
    model = SmallModel()
    patcher, calls = Patcher(model), iter((None, None, RuntimeError("out of memory")))
    factors = LowRank.factors

    def failing(self: LowRank, *given):
        if error := next(calls, None):
            raise error
        return factors(self, *given)

    monkeypatch.setattr(LowRank, "factors", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        patcher.become([ref(ink)])
    assert model.is_pristine() and patcher.become([]) == ()
    patcher.become([ref(ink)])
    assert equal(bits(model), fresh(torch.float32, ref(ink)))


def test_what_could_not_be_restored_is_tried_again(ink: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    model = SmallModel()
    patcher, gone = Patcher(model), WebUIError("gone")
    patcher.become([ref(ink)])
    with monkeypatch.context() as patch:
        patch.setattr(SmallModel, "as_loaded", lambda *_: (_ for _ in ()).throw(gone))
        with pytest.raises(WebUIError, match="gone"):
            patcher.become([])
    assert "was not restored" in caplog.text and not model.is_pristine()
    patcher.become([])
    assert model.is_pristine()


def test_a_file_that_cannot_be_used_is_reported_and_the_others_are_applied(ink: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(ink.read_bytes()[:-5])
    model = SmallModel()
    first, second = Patcher(model).become([ref(cut), ref(ink, 0.5)])
    assert first.describe() == "Error: LoRA cut was left out. cut.safetensors is cut off (5 bytes are missing): download it again."
    assert second.describe() == f"LoRA ink: {len(NAMES)} of {len(NAMES)} layers"
    assert equal(bits(model), fresh(torch.float32, ref(ink, 0.5)))
    assert first.describe() in caplog.text


def test_what_fits_nothing_is_reported_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    nan = lora_parts((9, 6))
    nan["alpha"] = torch.tensor(math.nan)
    modules = {
        CONV_IN: lora_parts((6, 4, 3, 3), rank=5),
        TO_Q: lora_parts((10, 9)),
        FC1: nan,
        "lora_unet_double_blocks_0_img_attn_proj": lora_parts((3, 3)),
        "lora_unet_down_blocks_0_resnets_0_conv1": {"hada_w1_a": torch.zeros(1)},
    }
    model = SmallModel()
    with caplog.at_level("DEBUG"):
        (report,) = Patcher(model).become([ref(write_lora(tmp_path / "mixed.safetensors", modules))])
    assert (report.applied, report.total) == (1, 5)
    assert set(report.unmatched) == set(modules) - {CONV_IN}
    assert len(report.errors) == 4
    assert all(name in caplog.text for name in report.unmatched)
    assert [record.getMessage().endswith(" and 1 more") for record in caplog.records if record.levelname == "WARNING"] == [True]


def test_a_file_for_another_kind_of_model_has_no_effect_and_says_so(tmp_path: Path):
    model = SmallModel()
    path = write_lora(tmp_path / "flux.safetensors", {"lora_unet_double_blocks_0_img_attn_proj": lora_parts((3, 3))})
    (report,) = Patcher(model).become([ref(path)])
    assert report.describe() == "Error: LoRA flux has no effect: none of its 1 layers could be applied. 1 layer is not in this checkpoint."
    assert model.is_pristine()


# ------------------------------------------------------------------ kinds side by side


def write_kinds(folder: Path) -> list[Path]:
    """Kinds that add, that read the weight, and that change biases, all on the same few modules."""
    shapes = {name: tuple(SmallModel().weight(name).shape) for name in NAMES}
    norm = "lora_unet_down_blocks_0_attentions_0_norm"
    kinds = {
        "lora": {name: lora_parts(shape, seed=10 + n) for n, (name, shape) in enumerate(shapes.items())},
        "dora": {name: {**lora_parts(shape, seed=20), "dora_scale": random(1, shape[0], *[1 for _ in shape[1:]])} for name, shape in shapes.items()},
        "full": {name: {"diff": random(2, *shape), "diff_b": random(3, shape[0])} for name, shape in shapes.items() if name != TO_Q},
        "norm": {norm: {"w_norm": random(4, 6), "b_norm": random(5, 6)}},
        "ia3": {name: {"weight": random(6, shape[1]), "on_input": torch.tensor(1.0)} for name, shape in shapes.items()},
        "oft": {name: {"oft_blocks": random(7, 1, shape[0], shape[0])} for name, shape in shapes.items()},
    }
    return [write_lora(folder / f"{kind}.safetensors", modules) for kind, modules in kinds.items()]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_kinds(tmp_path_factory.mktemp("kinds"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_kinds_come_and_go_without_a_trace(dtype: torch.dtype, kinds: list[Path], ink: Path):
    draw, model = pseudo.Random(2), SmallModel(dtype)
    patcher, storages = Patcher(model), {name: weight.data_ptr() for name, weight in model.weights().items()}
    wanted: list[tuple[NetworkRef, Path]] = []
    for _ in range(100):
        wanted = [ref(draw.choice((*kinds, ink)), draw.uniform(-2, 2), draw.choice((None, 0, 0.5))) for _ in range(draw.randrange(4))]
        reports = patcher.become(wanted)
        assert all(report.applied == report.total and not report.errors for report in reports)
    assert equal(bits(model), fresh(dtype, *wanted))
    patcher.become([])
    assert model.is_pristine() and {name: weight.data_ptr() for name, weight in model.weights().items()} == storages


@settings(max_examples=60, deadline=None)
@given(plan=st.lists(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([-1.0, 0.0, 0.3, 1.0])), max_size=3), max_size=4))
def test_a_history_of_kinds_leaves_what_the_last_one_says(kinds: list[Path], plan: list[list[tuple[int, float]]]):
    model = SmallModel(torch.bfloat16)
    patcher = Patcher(model)
    wanted: list[tuple[NetworkRef, Path]] = []
    for networks in plan:
        wanted = [ref(kinds[number], weight) for number, weight in networks]
        patcher.become(wanted)
    assert equal(bits(model), fresh(torch.bfloat16, *wanted))


def test_a_kind_that_reads_the_weight_sees_what_the_networks_before_it_made_of_it(kinds: list[Path]):
    """So the order of the prompt matters, as in A1111."""
    ia3, full = next(path for path in kinds if path.stem == "ia3"), next(path for path in kinds if path.stem == "full")
    model = SmallModel()
    Patcher(model).become([ref(full), ref(ia3, 0.5)])
    loaded, scale = model.loaded["text_encoders.0.encoder.layers.0.mlp.fc1.weight"], 1 + 0.5 * load(ia3)[f"{FC1}.weight"]
    torch.testing.assert_close(model.weight(FC1), (loaded + load(full)[f"{FC1}.diff"]) * scale)
    Patcher(model := SmallModel()).become([ref(ia3, 0.5), ref(full)])
    torch.testing.assert_close(model.weight(FC1), loaded * scale + load(full)[f"{FC1}.diff"])


def test_biases_are_changed_and_restored_like_weights(kinds: list[Path]):
    full = next(path for path in kinds if path.stem == "full")
    model = SmallModel()
    patcher = Patcher(model)
    patcher.become([ref(full, 0.5)])
    bias = "text_encoders.0.encoder.layers.0.mlp.fc1.bias"
    torch.testing.assert_close(model.weights()[bias], model.loaded[bias] + 0.5 * load(full)[f"{FC1}.diff_b"])
    assert patcher.writes == 2 * (len(NAMES) - 1)
    key = patcher.key
    patcher.become([ref(full, 0.4, 0.5)])
    assert patcher.key != key
    patcher.become([])
    assert model.is_pristine()


def test_a_bias_that_the_model_does_not_have_leaves_the_whole_layer_alone(tmp_path: Path):
    path = write_lora(tmp_path / "x.safetensors", {TO_Q: {"diff": torch.ones(10, 8), "diff_b": torch.ones(10)}})
    model = SmallModel()
    (report,) = Patcher(model).become([ref(path)])
    assert (report.applied, report.total, len(report.errors)) == (0, 1, 1) and model.is_pristine()


def test_textual_inversions_come_and_go_with_their_network(tmp_path: Path, ink: Path):
    path = write_lora(tmp_path / "x.safetensors", {FC1: lora_parts((9, 6)), "bundle_emb.sks": {"emb_params": torch.ones(2, 6)}})
    model = SmallModel()
    patcher = Patcher(model)
    (report,) = patcher.become([ref(path, 0.5)])
    assert (report.applied, report.total, report.words) == (1, 1, ("sks",))
    assert [(one.word, one.label) for one in patcher.bundled] == [("sks", "x")]
    patcher.become([ref(path, 0), ref(ink)])
    assert patcher.bundled == ()


# ------------------------------------------------------------------ what others rely on


def test_the_key_tells_what_the_text_encoders_are(ink: Path, oil: Path, tmp_path: Path):
    unet_only = write_lora(tmp_path / "u.safetensors", {CONV_IN: lora_parts((6, 4, 3, 3))})
    model = SmallModel()
    patcher, keys = Patcher(model), []
    unet = [[], [ref(unet_only)], [ref(ink, 0, 1)]]
    for networks in (*unet, [ref(ink)], [ref(ink, 1, 0.2)], [ref(ink, 0.5)], [ref(oil)], [ref(oil), ref(ink)], [ref(ink), ref(oil)]):
        patcher.become(networks)
        keys.append(patcher.key)
    assert keys[0] == keys[1] == keys[2]  # nothing is applied to them
    assert keys[3] == keys[4]  # the U-Net's weight is another matter
    assert len(set(keys)) == 6


def test_a_patcher_keeps_no_model_alive(ink: Path):
    model = SmallModel()
    patcher = Patcher(model)
    patcher.become([ref(ink)])
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None and patcher.writes


def test_inside_of_inference_mode_weights_are_written_too(ink: Path):
    model = SmallModel()
    patcher = Patcher(model)
    with torch.inference_mode():
        patcher.become([ref(ink)])
    assert equal(bits(model), fresh(torch.float32, ref(ink)))
    patcher.become([])
    assert model.is_pristine()

"""Networks by block and by step: the same promises of become()."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import WebUIError
from backend.job import NetworkRef
from backend.networks.blocks import read_blocks
from backend.networks.patch import Patcher
from tests.backend.networks.small import CONV_IN, DTYPES, FC1, NAMES, SmallModel, bits, equal, fresh, lora_parts, ref, write_lora


def of_blocks(network: tuple[NetworkRef, Path], text: str) -> tuple[NetworkRef, Path]:
    return replace(network[0], blocks=read_blocks(text)), network[1]


def in_steps(network: tuple[NetworkRef, Path], start: int = 0, stop: int | None = None) -> tuple[NetworkRef, Path]:
    return replace(network[0], start=start, stop=stop), network[1]


def changed(model: SmallModel) -> set[str]:
    return {name for name, (component, path) in NAMES.items() if not torch.equal(model.weight(name), model.loaded[f"{component}.{path}.weight"])}


@pytest.mark.parametrize(("block", "modules"), [("IN00", {CONV_IN}), ("IN01", set(NAMES) - {CONV_IN, FC1}), ("BASE", {FC1}), ("OUT05", set()), ("NONE", set())])
def test_one_block_alone_changes_its_own_layers(block: str, modules: set[str], ink: Path):
    model = SmallModel()
    Patcher(model).become([of_blocks(ref(ink), block)])
    assert changed(model) == modules


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_block_weights_are_one_weight_to_the_bit(dtype: torch.dtype, ink: Path):
    assert equal(fresh(dtype, of_blocks(ref(ink, 0.7), "ALL")), fresh(dtype, ref(ink, 0.7)))
    assert equal(fresh(dtype, of_blocks(ref(ink, 0.7), "ALL0.5")), fresh(dtype, ref(ink, 0.35)))
    assert equal(fresh(dtype, of_blocks(ref(ink), "NONE")), fresh(dtype))


def test_block_weights_of_zero_cost_nothing(ink: Path):
    model = SmallModel()
    patcher = Patcher(model)
    assert patcher.become([of_blocks(ref(ink), "NONE")]) == ()
    assert (patcher.reads, patcher.writes) == (0, 0)


def test_layers_in_blocks_without_a_number_are_told(ink: Path):
    model = SmallModel()
    (report,) = Patcher(model).become([of_blocks(ref(ink), ",".join(["1"] * 17))])
    assert changed(model) == set(NAMES) - {CONV_IN}
    assert report.errors == ("1 layer is in blocks that the block weights leave out (IN00): 26 numbers, or 20 for SDXL, name all.",)


def test_a_network_changes_the_unet_in_its_steps_and_the_text_encoder_in_all(ink: Path):
    model = SmallModel()
    patcher, wanted = Patcher(model), [in_steps(ref(ink, 0.8, 0.6), 2, 4)]
    keys = set()
    for step in range(6):
        (report,) = patcher.become(wanted, step)
        assert report.applied == report.total
        assert equal(bits(model), fresh(torch.float32, ref(ink, 0.8, 0.6 if step in (2, 3) else 0)))
        keys.add(patcher.key)
    assert len(keys) == 1
    patcher.become([])
    assert model.is_pristine()


def test_only_the_steps_at_which_something_changes_write(ink: Path, narrow: Path):
    model = SmallModel()
    patcher, wanted = Patcher(model), [in_steps(ref(ink, 0, 1), 1, 3), ref(narrow, 0.5)]
    writes = []
    for step in range(5):
        before = patcher.writes
        patcher.become(wanted, step)
        writes.append(patcher.writes - before)
    assert writes == [2, len(NAMES) - 1, 0, len(NAMES) - 1, 0] and patcher.reads == 2


def test_words_of_a_network_that_starts_later_are_there_from_the_beginning(tmp_path: Path):
    path = write_lora(tmp_path / "x.safetensors", {CONV_IN: lora_parts((6, 4, 3, 3)), "bundle_emb.sks": {"emb_params": torch.ones(2, 6)}})
    model = SmallModel()
    patcher = Patcher(model)
    patcher.become([in_steps(ref(path, 0, 1), 3)])
    assert [one.word for one in patcher.bundled] == ["sks"]


TAGS = st.tuples(
    st.integers(0, 2),
    st.sampled_from([-1.0, 0.0, 0.3]),
    st.sampled_from([0.0, 0.6]),
    st.sampled_from(["", "INALL", "IN00", "NONE", "BASE", ",".join(["0.3"] * 17)]),
    st.integers(0, 3),
    st.sampled_from([None, 0, 1, 2, 3]),
)


@settings(max_examples=80, deadline=None)
@given(history=st.lists(st.tuples(st.lists(TAGS, max_size=3), st.integers(0, 3), st.sampled_from([None, None, 0, 2])), max_size=5))
def test_a_history_of_blocks_steps_and_errors_leaves_what_the_last_step_says(ink: Path, oil: Path, narrow: Path, history: list):
    model = SmallModel(torch.bfloat16)
    patcher, files = Patcher(model), (ink, oil, narrow)
    wanted: list[tuple[NetworkRef, Path]] = []
    for tags, step, fail_at in history:
        networks = []
        for number, te, unet, lbw, start, stop in tags:
            network = ref(files[number], te, unet)
            networks.append(in_steps(of_blocks(network, lbw) if lbw else network, start, stop))
        model.fail_at = fail_at
        try:
            patcher.become(networks, step)
        except WebUIError:
            assert model.is_pristine()
            patcher.become(networks, step)
        model.fail_at = None
        wanted = [(replace(ref, start=0, stop=None, unet_weight=ref.unet_weight if ref.acts(step) else 0.0), path) for ref, path in networks]
    assert equal(bits(model), fresh(torch.bfloat16, *wanted))
    patcher.become([])
    assert model.is_pristine()

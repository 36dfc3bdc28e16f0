"""What kinds share: magnitudes (DoRA), what a decomposition left over, biases, scales; and what is of no known kind."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backend.networks.deltas import read_deltas
from backend.networks.keys import PARTS
from backend.networks.parts import Parts
from tests.backend.networks.small import assert_exact, change, fits, random

SHAPES = ((8, 6), (8, 6, 1, 1), (8, 6, 3, 3))
Shape = tuple[int, ...]


def lora(shape: Shape) -> dict[str, Tensor]:
    return {"up": random(1, shape[0], 2), "down": random(2, 2, *shape[1:]), "alpha": torch.tensor(1.0)}


def every_kind(shape: Shape) -> dict[str, dict[str, Tensor]]:
    columns = math.prod(shape[1:])
    return {
        "LoRA": lora(shape),
        "LoCon": {"up": random(1, 8, 2), "down": random(2, 2, 6), "mid": random(3, 2, 2, *shape[2:])} if shape[2:] else lora(shape),
        "LoHa": {f"hada_w{n}_{side}": random(n, *size) for n in (1, 2) for side, size in (("a", (8, 2)), ("b", (2, columns)))},
        "LoKr": {"lokr_w1": random(1, 2, 2), "lokr_w2_a": random(2, 4, 3), "lokr_w2_b": random(3, 3, columns // 2), "alpha": torch.tensor(1.5)},
        "Full": {"diff": random(1, *shape)},
        "OFT": {"oft_blocks": random(1, 2, 4, 4)},
        "BOFT": {"oft_blocks": random(1, 2, 2, 4, 4)},
        "IA3": {"weight": random(1, 8), "on_input": torch.tensor(False)},
        "GLoRA": {"a1": random(1, 6, 2), "a2": random(2, 2, 6), "b1": random(3, 8, 2), "b2": random(4, 2, *shape[1:])},
    }


KINDS = tuple(every_kind((8, 6)))

# ------------------------------------------------------------------ DoRA


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", ["inputs", "outputs", "PEFT", "PEFT's of a convolution"])
def test_dora_gives_each_output_or_input_its_length(shape: Shape, kind: str, axis: str):
    """A1111 measures along the inputs, whichever axis the file means."""
    parts, weight, ones = every_kind(shape)[kind], 0.1 + random(9, *shape), [1 for _ in shape[2:]]
    lengths = 1 + random(5, 6 if axis == "inputs" else 8).abs()
    key, written = {
        "inputs": ("dora_scale", lengths.view(1, -1, *ones)),
        "outputs": ("dora_scale", lengths.view(-1, 1, *ones)),
        "PEFT": ("magnitude", lengths),
        "PEFT's of a convolution": ("magnitude", lengths.view(1, -1, *ones)),
    }[axis]
    direction = weight.double() + change(parts, weight)
    across = [dimension for dimension in range(len(shape)) if dimension != (1 if axis == "inputs" else 0)]
    norm = direction.pow(2).sum(across, keepdim=True).sqrt()
    exact = direction / norm * lengths.double().view(norm.shape) - weight.double()
    assert_exact(change({**parts, key: written}, weight, 0.8), 0.8 * exact, direction)


def test_dora_of_nothing_is_nothing_and_no_nan():
    parts = {"up": torch.zeros(8, 2), "down": torch.zeros(2, 6), "dora_scale": torch.ones(8, 1)}
    assert torch.equal(change(parts, torch.zeros(8, 6)), torch.zeros(8, 6, dtype=torch.float64))


def test_dora_on_an_inpainting_model_measures_the_inputs_that_it_was_made_for():
    narrow, wide = random(3, 8, 4, 3, 3), random(4, 8, 9, 3, 3)
    wide[:, :4] = narrow
    parts = {**lora((8, 4, 3, 3)), "dora_scale": random(5, 8, 1, 1, 1)}
    changed = change(parts, wide)
    torch.testing.assert_close(changed[:, :4], change(parts, narrow))
    assert not changed[:, 4:].any()


# ------------------------------------------------------------------ what is left over, biases, scales


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_decomposition_left_over_is_added_before_the_scale(shape: Shape, kind: str):
    parts, weight, left = {**every_kind(shape)[kind], "scale": torch.tensor(0.5)}, random(9, *shape), random(8, *shape)
    left[random(7, *shape) < 0.2] = 0
    sparse = left.to_sparse()
    entries = {"bias_indices": sparse.indices().to(torch.int16), "bias_values": sparse.values(), "bias_size": torch.tensor(shape, dtype=torch.int16)}
    exact = change(parts, weight, 0.7) + 0.7 * 0.5 * left.double()
    assert_exact(change({**parts, "bias": left}, weight, 0.7), exact, weight + exact)
    assert_exact(change({**parts, **entries}, weight, 0.7), exact, weight + exact)


@pytest.mark.parametrize(
    "bad",
    [
        {"bias": torch.zeros(7, 6)},
        {"bias": torch.zeros(())},
        {"bias_size": torch.tensor([8])},
        {"bias_size": torch.tensor([math.nan, 6])},
        {"bias_indices": torch.tensor([[8], [0]])},
        {"bias_indices": torch.tensor([[0], [-1]])},
        {"bias_indices": torch.tensor([0, 0])},
        {"bias_values": torch.zeros(1, 1)},
    ],
)
def test_a_rest_of_another_size_does_not_fit(bad: Parts):
    entries = {"bias_indices": torch.tensor([[1], [5]]), "bias_values": torch.ones(1), "bias_size": torch.tensor([8, 6])}
    assert fits({**lora((8, 6)), **entries}, (8, 6))
    assert not fits({**lora((8, 6)), **({} if "bias" in bad else entries), **bad}, (8, 6))


def test_pefts_bias_has_the_scale_of_its_lora():
    parts = {**lora((8, 6)), "alpha": torch.tensor(3.0), "up_bias": random(4, 8)}
    assert_exact(change(parts, torch.zeros(8), 0.5, leaf="bias"), 0.5 * 3 / 2 * parts["up_bias"].double(), torch.zeros(1))
    product = parts["up"].double() @ parts["down"].double()
    assert_exact(change(parts, torch.zeros(8, 6), 0.5), 0.5 * 3 / 2 * product, torch.zeros(1))


def test_a_difference_of_the_bias_comes_beside_any_kind_and_without_its_scale():
    for parts in every_kind((8, 6)).values():
        bias = random(4, 8)
        assert_exact(change({**parts, "alpha": torch.tensor(9.0), "diff_b": bias}, torch.zeros(8), 0.5, leaf="bias"), 0.5 * bias.double(), torch.zeros(1))


def test_a_scale_of_its_own_goes_before_alpha():
    parts = every_kind((8, 6))["LoHa"]
    torch.testing.assert_close(
        change({**parts, "alpha": torch.tensor(7.0), "scale": torch.tensor(2.0)}, torch.zeros(8, 6)), 2 * change(parts, torch.zeros(8, 6))
    )


# ------------------------------------------------------------------ whatever a file may hold


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"alpha": torch.tensor(1.0)},
        {"up": torch.zeros(8, 2)},
        {"up": torch.zeros(8, 2), "down": torch.zeros(2, 6), "mystery": torch.zeros(1)},
        {"up": torch.zeros(8, 2), "down": torch.zeros(2, 6), "hada_w1_a": torch.zeros(8, 2)},
        {"up": torch.zeros(8, 2), "down": torch.zeros(2, 6), "bias_values": torch.zeros(1)},
        {"up": torch.zeros(8, 2), "down": torch.zeros(2, 6), "up_bias": torch.zeros(8), "diff_b": torch.zeros(8)},
        {"dora_scale": torch.ones(8, 1)},
        {"up_bias": torch.ones(8)},
        {"bias": torch.ones(8)},
        {"weight": torch.zeros(8, 6)},
        {"oft_R": torch.zeros(2, 6)},
        {"w_norm": torch.zeros(8), "diff": torch.zeros(8)},
    ],
)
def test_parts_of_no_known_kind_are_not_applied_in_part(parts: Parts):
    assert read_deltas(parts) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_part_that_is_not_finite_is_told(kind: str, value: float):
    extras = {"dora_scale": torch.ones(8, 1, 1, 1), "diff_b": torch.ones(8), "scale": torch.tensor(1.0)}
    parts = {**every_kind((8, 6, 3, 3))[kind], **extras}
    for name in parts.keys() - {"alpha", "on_input"}:
        deltas = read_deltas({**parts, name: torch.full_like(parts[name], value)})
        assert deltas is not None and not all(delta.is_finite() for delta in deltas.values()), name
    deltas = read_deltas(parts)
    assert deltas is not None and all(delta.is_finite() for delta in deltas.values())


def test_kinds_that_read_the_weight_leave_it_alone_but_for_the_change():
    for kind, parts in every_kind((8, 6)).items():
        weight = random(9, 8, 6)
        before = {name: part.clone() for name, part in parts.items()}
        change({**parts, "dora_scale": torch.ones(1, 6), "scale": torch.tensor(2.0)}, weight)
        assert torch.equal(weight, random(9, 8, 6)), kind
        assert all(torch.equal(part, before[name]) for name, part in parts.items()), kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_tensor_is_brought_to_the_weights_device(kind: str):
    """The meta device stands for a GPU: it, too, refuses tensors of another one."""
    sparse = {"bias_indices": torch.tensor([[1], [5], [0], [2]]), "bias_values": torch.ones(1), "bias_size": torch.tensor([8, 6, 3, 3])}
    parts = {**every_kind((8, 6, 3, 3))[kind], "dora_scale": torch.ones(8, 1, 1, 1), **sparse}
    deltas = read_deltas(parts)
    assert deltas is not None and deltas["weight"].fits((8, 6, 3, 3))
    deltas["weight"].add_to(torch.empty(8, 54, device="meta"), 1.0, (8, 6, 3, 3), dyn=None)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_the_shapes_are_a_layer_fits_or_does_not(data: st.DataObject):
    """Never an error, neither in reading nor in applying what fits."""
    parts = dict(every_kind((8, 6))[data.draw(st.sampled_from(KINDS))])
    sizes, kinds_of_number = (
        st.lists(st.sampled_from([0, 1, 2, 3, 4, 6, 8]), max_size=5),
        st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bool]),
    )
    for name in data.draw(st.lists(st.sampled_from(sorted({*parts, *PARTS.values()})), max_size=3)):
        parts[name] = torch.ones(data.draw(sizes)).to(data.draw(kinds_of_number))
    shape = data.draw(st.sampled_from([(8, 6), (8,), (8, 6, 3, 3), (8, 9, 3, 3), (1, 1)]))
    for delta in (read_deltas(parts) or {}).values():
        delta.is_finite()
        if delta.fits(shape):
            delta.add_to(torch.ones(shape[0], math.prod(shape[1:])), 0.5, shape, dyn=None)

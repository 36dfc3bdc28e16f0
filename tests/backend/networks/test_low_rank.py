"""LoRA and LoCon against the formula in float64."""

import math

import pytest
import torch
from torch import Tensor

from backend.networks.deltas import read_deltas
from backend.networks.low_rank import LowRank
from backend.networks.parts import Parts
from tests.backend.networks.small import random

SHAPES = ((5, 3), (5, 3, 1, 1), (5, 3, 3, 3))


def read(parts: Parts) -> LowRank:
    """By the quick way that has nothing beside the product."""
    deltas = read_deltas(parts)
    assert deltas is not None and deltas.keys() == {"weight"}
    delta = deltas["weight"]
    assert isinstance(delta, LowRank)
    return delta


def added(delta, shape: tuple[int, ...], multiplier: float = 1.0, dyn: int | None = None) -> Tensor:
    """What it adds to a weight of zeros."""
    weight = torch.zeros(shape[0], math.prod(shape[1:]))
    delta.add_to(weight, multiplier, shape, dyn=dyn)
    return weight.view(shape)


def assert_equals(value: Tensor, formula: Tensor) -> None:
    torch.testing.assert_close(value.double(), formula, rtol=0, atol=float(formula.abs().max()) * 1e-6)


def parts(shape: tuple[int, ...], rank: int, *, mid: bool = False) -> dict[str, Tensor]:
    kernel = shape[2:]
    ones = [1 for _ in kernel]
    up, down = random(1, shape[0], rank, *ones), random(2, rank, shape[1], *(ones if mid else kernel))
    return {"up": up, "down": down, "mid": random(3, rank, rank, *kernel)} if mid else {"up": up, "down": down}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 4])
def test_lora_is_up_times_down_times_alpha_over_rank(shape: tuple[int, ...], rank: int):
    given = parts(shape, rank)
    delta = read({**given, "alpha": torch.tensor(0.5)})
    assert delta.fits(shape)
    product = given["up"].double().reshape(shape[0], rank) @ given["down"].double().reshape(rank, -1)
    assert_equals(added(delta, shape, multiplier=-0.7), (-0.7 * 0.5 / rank * product).view(shape))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_factors_in_half_precision_are_multiplied_in_float32(dtype: torch.dtype):
    given = {name: part.to(dtype) for name, part in parts((5, 3), 4).items()}
    delta = read(given)
    assert_equals(added(delta, (5, 3)), given["up"].double() @ given["down"].double())


def test_locon_with_mid_is_the_tucker_product():
    shape, given = (5, 3, 3, 3), parts((5, 3, 3, 3), 2, mid=True)
    delta = read({**given, "alpha": torch.tensor(1.0)})
    assert delta.fits(shape)
    up, down, mid = (given[name].double() for name in ("up", "down", "mid"))
    assert_equals(added(delta, shape), 0.5 * torch.einsum("klxy,ok,li->oixy", mid, up[:, :, 0, 0], down[:, :, 0, 0]))


def test_the_shape_is_the_weights_whatever_the_file_writes():
    given = parts((5, 3, 1, 1), 2)
    for flat in (given, {name: part.flatten(1) for name, part in given.items()}):
        delta = read(flat)
        assert delta.fits((5, 3)) and delta.fits((5, 3, 1, 1))
        assert torch.equal(added(delta, (5, 3)), given["up"].flatten(1) @ given["down"].flatten(1))


def test_without_alpha_the_scale_is_one_and_a_scale_of_its_own_goes_before_alpha():
    given = parts((5, 3), 2)
    assert read(given).scale == 1
    assert read({**given, "alpha": torch.tensor([3.0])}).scale == 1.5
    assert read({**given, "alpha": torch.tensor(3.0), "scale": torch.tensor(0.25)}).scale == 0.25


def test_dyn_takes_the_first_ranks_at_the_scale_of_all():
    given = parts((5, 3), 4)
    delta = read({**given, "alpha": torch.tensor(2.0)})
    assert_equals(added(delta, (5, 3), dyn=2), 0.5 * given["up"][:, :2].double() @ given["down"][:2].double())
    assert torch.equal(added(delta, (5, 3), dyn=9), added(delta, (5, 3)))


def test_it_adds_to_what_is_there():
    delta, weight = read(parts((5, 3), 2)), random(7, 5, 3)
    expected = weight.double() + added(delta, (5, 3)).double()
    delta.add_to(weight, 1.0, (5, 3), dyn=None)
    assert_equals(weight, expected)


def test_the_first_convolution_of_an_inpainting_model_gets_zeros_for_its_own_inputs():
    given = parts((6, 4, 3, 3), 2)
    delta, plain = read(given), read(given)
    assert delta.fits((6, 9, 3, 3)) and not delta.fits((6, 8, 3, 3))
    wide = added(delta, (6, 9, 3, 3))
    assert torch.equal(wide[:, :4], added(plain, (6, 4, 3, 3))) and not wide[:, 4:].any()


@pytest.mark.parametrize("shape", [(5, 4), (4, 3), (5, 3, 3, 3), (5,), (3, 5)])
def test_weights_of_another_size_do_not_fit(shape: tuple[int, ...]):
    assert not read(parts((5, 3), 2)).fits(shape)


@pytest.mark.parametrize(
    "bad",
    [
        {"up": torch.zeros(5, 3)},
        {"up": torch.zeros(())},
        {"down": torch.zeros(())},
        {"down": torch.zeros(0, 3)},
        {"mid": torch.zeros(3, 3, 1, 1)},
        {"mid": torch.zeros(2)},
    ],
)
def test_parts_that_contradict_each_other_do_not_fit(bad: dict[str, Tensor]):
    assert not read({**parts((5, 3), 2), **bad}).fits((5, 3))


@pytest.mark.parametrize("name", ["up", "down", "mid", "alpha", "scale"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_part_that_is_not_finite_is_told(name: str, value: float):
    given = {**parts((5, 3, 3, 3), 2, mid=True), "alpha": torch.tensor(1.0)}
    assert read(given).is_finite()
    broken = {**given, name: torch.full_like(given[name], value) if name in given else torch.tensor(value)}
    assert not read(broken).is_finite()

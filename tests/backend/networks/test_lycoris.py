"""LoHa, LoKr, GLoRA, IA3, Full and Norm against their formulas in float64."""

import math

import pytest
import torch
from torch import Tensor

from backend.networks.parts import Parts
from tests.backend.networks.small import assert_exact, change, fits, random

SHAPES = ((8, 6), (8, 6, 1, 1), (8, 6, 3, 3))
KERNELS = SHAPES[1:]
LOKR = [*((shape, way) for shape in SHAPES for way in ("whole", "flat")), *((shape, way) for shape in KERNELS for way in ("4-D", "Tucker"))]


def weight(shape: tuple[int, ...]) -> Tensor:
    return random(99, *shape)


def tucker(kernel: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """As LyCORIS' papers write it: Σ kernel[x, y, k, l] · a[x, o] · b[y, i]"""
    return torch.einsum("xykl,xo,yi->oikl", kernel.double(), a.double(), b.double())


# ------------------------------------------------------------------ LoHa


def loha(shape: tuple[int, ...], rank: int) -> Parts:
    columns = math.prod(shape[1:])
    factors = {f"hada_w{n}_{side}": random(n + ord(side), *size) for n in (1, 2) for side, size in (("a", (shape[0], rank)), ("b", (rank, columns)))}
    return {**factors, "alpha": torch.tensor(0.5)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_loha_is_the_product_of_two_products_entry_by_entry(shape: tuple[int, ...], dtype: torch.dtype):
    """In half precision, too, which A1111 multiplies in the file's own."""
    parts = {name: part.to(dtype) for name, part in loha(shape, 4).items()}
    a1, b1, a2, b2 = (parts[f"hada_w{n}_{side}"].double() for n in (1, 2) for side in "ab")
    assert_exact(change(parts, torch.zeros(shape), -0.7), -0.7 * 0.5 / 4 * (a1 @ b1) * (a2 @ b2), torch.zeros(1))


@pytest.mark.parametrize("shape", KERNELS)
def test_loha_with_kernels_is_two_tucker_products(shape: tuple[int, ...]):
    sides = (("a", shape[0]), ("b", shape[1]))
    parts = {f"hada_w{n}_{side}": random(n + ord(side), 3, size) for n in (1, 2) for side, size in sides}
    parts |= {f"hada_t{n}": random(n + 50, 3, 3, *shape[2:]) for n in (1, 2)} | {"alpha": torch.tensor(6.0)}
    first, second = (tucker(parts[f"hada_t{n}"], parts[f"hada_w{n}_a"], parts[f"hada_w{n}_b"]) for n in (1, 2))
    assert_exact(change(parts, torch.zeros(shape)), 2 * first * second, torch.zeros(1))


def test_the_convolution_of_a_loha_may_keep_its_kernel():
    parts = dict(loha((8, 6, 3, 3), 2))
    flat = change(parts, torch.zeros(8, 6, 3, 3))
    parts["hada_w1_b"], parts["hada_w2_b"] = (parts[name].view(2, 6, 3, 3) for name in ("hada_w1_b", "hada_w2_b"))
    assert torch.equal(change(parts, torch.zeros(8, 6, 3, 3)), flat)


# ------------------------------------------------------------------ LoKr


def lokr_factor(shape: tuple[int, ...], n: int, *, whole: bool, rank: int = 2, kernel: bool = False, flat: bool = True) -> Parts:
    if whole:
        return {f"lokr_w{n}": random(n, *shape)}
    if kernel:
        return {f"lokr_w{n}_a": random(n, rank, shape[0]), f"lokr_w{n}_b": random(n + 1, rank, shape[1]), f"lokr_t{n}": random(n + 2, rank, rank, *shape[2:])}
    right = random(n + 1, rank, *shape[1:])
    return {f"lokr_w{n}_a": random(n, shape[0], rank), f"lokr_w{n}_b": right.flatten(1) if flat else right}


def lokr_matrix(parts: Parts, n: int, shape: tuple[int, ...]) -> Tensor:
    if f"lokr_w{n}" in parts:
        return parts[f"lokr_w{n}"].double()
    a, b = parts[f"lokr_w{n}_a"], parts[f"lokr_w{n}_b"]
    return tucker(parts[f"lokr_t{n}"], a, b) if f"lokr_t{n}" in parts else (a.double() @ b.double().flatten(1)).view(shape)


@pytest.mark.parametrize("first_whole", [True, False])
@pytest.mark.parametrize(("shape", "second"), LOKR)
def test_lokr_is_the_kronecker_product_in_every_layout(shape: tuple[int, ...], first_whole: bool, second: str):
    small = (4, 3, *shape[2:])
    parts = {
        **lokr_factor((2, 2), 1, whole=first_whole),
        **lokr_factor(small, 2, whole=second == "whole", rank=5, kernel=second == "Tucker", flat=second == "flat"),
        "alpha": torch.tensor(3.0),
    }
    scale = 3 / 5 if second != "whole" else 1.0 if first_whole else 3 / 2
    first = lokr_matrix(parts, 1, (2, 2)).view(2, 2, *[1 for _ in shape[2:]])
    exact = torch.kron(first, lokr_matrix(parts, 2, small).contiguous())
    assert_exact(change(parts, torch.zeros(shape), 0.3), 0.3 * scale * exact, torch.zeros(1))


# ------------------------------------------------------------------ GLoRA


def glora(shape: tuple[int, ...], rank: int, *, kernel: bool = False) -> dict[str, Tensor]:
    ones = [1 for _ in shape[2:]]
    return {
        "a1": random(1, shape[1], rank, *ones),
        "a2": random(2, rank, shape[1], *ones),
        "b1": random(3, shape[0], rank, *ones),
        "b2": random(4, rank, shape[1], *(ones if kernel else shape[2:])),
        **({"bm": random(5, rank, rank, *shape[2:])} if kernel else {}),
        "alpha": torch.tensor(1.0),
    }


@pytest.mark.parametrize("shape", [*SHAPES, (6, 6)])
@pytest.mark.parametrize("rank", [1, 4])
@pytest.mark.parametrize("naming", ["new", "old"])
def test_glora_turns_the_inputs_and_adds_a_product(shape: tuple[int, ...], rank: int, naming: str):
    parts, w = glora(shape, rank), weight(shape)
    a, b = parts["a1"].double().flatten(1) @ parts["a2"].double().flatten(1), parts["b1"].double().flatten(1) @ parts["b2"].double().flatten(1)
    if naming == "old":
        parts |= {"a1": parts["a2"], "a2": parts["a1"], "b1": parts["b2"], "b2": parts["b1"]}
    turned = torch.einsum("oi...,ij->oj...", w.double(), a)
    assert_exact(change(parts, w, 0.6), 0.6 / rank * (turned + b.view(shape)), w)


@pytest.mark.parametrize("shape", KERNELS)
def test_glora_with_a_kernel_adds_a_tucker_product(shape: tuple[int, ...]):
    parts, w = glora(shape, 2, kernel=True), weight(shape)
    a = parts["a1"].double().flatten(1) @ parts["a2"].double().flatten(1)
    b = tucker(parts["bm"], parts["b1"].flatten(1).t(), parts["b2"].flatten(1))
    assert_exact(change(parts, w), (torch.einsum("oi...,ij->oj...", w.double(), a) + b) / 2, w)


# ------------------------------------------------------------------ IA3, Full, Norm


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("on_input", [False, True])
def test_ia3_multiplies_outputs_or_inputs(shape: tuple[int, ...], on_input: bool):
    vector, w = random(1, shape[1 if on_input else 0]), weight(shape)
    view = (1, -1) if on_input else (-1, 1)
    exact = 0.5 * w.double() * vector.double().view(*view, *[1 for _ in shape[2:]])
    for written in (vector, vector.view(*view), vector.view(*view, 1, 1)):
        assert_exact(change({"weight": written, "on_input": torch.tensor(on_input), "alpha": torch.tensor(4.0)}, w, 0.5), exact, w)


@pytest.mark.parametrize("shape", [*SHAPES, (8,)])
def test_a_full_difference_is_added_whatever_alpha_says(shape: tuple[int, ...]):
    difference, bias = random(1, *shape), random(2, shape[0])
    parts = {"diff": difference, "diff_b": bias, "alpha": torch.tensor(4.0)}
    assert_exact(change(parts, torch.zeros(shape), -0.5), -0.5 * difference.double(), torch.zeros(1))
    assert_exact(change(parts, torch.zeros(8), -0.5, leaf="bias"), -0.5 * bias.double(), torch.zeros(1))


def test_a_full_difference_leaves_the_file_as_it_is():
    difference = random(1, 8, 6)
    before = difference.clone()
    change({"diff": difference, "scale": torch.tensor(3.0)}, torch.zeros(8, 6))
    assert torch.equal(difference, before)


@pytest.mark.parametrize("names", [("w_norm",), ("b_norm",), ("w_norm", "b_norm")])
def test_a_norm_may_have_one_half_without_the_other(names: tuple[str, ...]):
    """A1111 refuses the whole file if b_norm is missing."""
    parts = {name: random(len(name), 8) for name in names}
    assert fits(parts, (8,)) == ("w_norm" in names) and fits(parts, (8,), "bias") == ("b_norm" in names)
    for name in names:
        leaf = "weight" if name == "w_norm" else "bias"
        assert_exact(change(parts, torch.ones(8), 0.5, leaf=leaf), 0.5 * parts[name].double(), torch.ones(1))


# ------------------------------------------------------------------ what does not fit


def every_kind(shape: tuple[int, ...]) -> dict[str, Parts]:
    return {
        "LoHa": loha(shape, 2),
        "LoKr": {**lokr_factor((2, 2), 1, whole=True), **lokr_factor((4, 3, *shape[2:]), 2, whole=False)},
        "GLoRA": glora(shape, 2),
        "IA3": {"weight": random(1, shape[0]), "on_input": torch.tensor(False)},
        "Full": {"diff": random(1, *shape)},
    }


@pytest.mark.parametrize("kind", every_kind((8, 6)))
@pytest.mark.parametrize("shape", [(6, 8), (9, 6), (8,), (4, 3), (12, 6, 3, 3)])
def test_weights_of_another_size_do_not_fit(kind: str, shape: tuple[int, ...]):
    assert not fits(every_kind((8, 6))[kind], shape)


@pytest.mark.parametrize("kind", every_kind((8, 6)))
def test_parts_that_contradict_each_other_do_not_fit(kind: str):
    parts = every_kind((8, 6))[kind]
    for name in parts.keys() - {"alpha", "on_input"}:
        for bad in (torch.zeros(()), torch.zeros(0, 3), torch.zeros(7, 5), torch.zeros(7)):
            assert not fits({**parts, name: bad}, (8, 6)), (name, bad.shape)


@pytest.mark.parametrize("kind", sorted(every_kind((8, 6)).keys() - {"Full"}))
def test_a_module_that_lacks_a_part_is_of_no_known_kind(kind: str):
    parts = every_kind((8, 6))[kind]
    for name in parts.keys() - {"alpha"}:
        assert not fits({part: tensor for part, tensor in parts.items() if part != name}, (8, 6)), name


@pytest.mark.parametrize("kind", ["LoHa", "LoKr", "Full"])
def test_the_first_convolution_of_an_inpainting_model_keeps_its_own_inputs(kind: str):
    shape, wide = (8, 4, 3, 3), (8, 9, 3, 3)
    parts = {
        "LoHa": loha(shape, 2),
        "LoKr": {**lokr_factor((2, 2), 1, whole=True), **lokr_factor((4, 2, 3, 3), 2, whole=False)},
        "Full": {"diff": random(1, *shape)},
    }[kind]
    changed = change(parts, torch.zeros(wide))
    assert torch.equal(changed[:, :4], change(parts, torch.zeros(shape))) and not changed[:, 4:].any()

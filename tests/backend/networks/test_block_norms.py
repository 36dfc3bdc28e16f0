import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.errors import WebUIError
from backend.networks.block_norms import block_norms
from tests.backend.networks.small import random, write_lora

IN01 = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
OUT11 = "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_attn1_to_q"
TE = "lora_te_text_model_encoder_layers_0_mlp_fc1"


def thin(seed: int, rank: int = 2, alpha: float = 1.0) -> dict[str, torch.Tensor]:
    return {"lora_up.weight": random(seed, 10, rank), "lora_down.weight": random(seed + 1, rank, 8), "alpha": torch.tensor(alpha)}


def length(parts: dict[str, torch.Tensor]) -> float:
    product = parts["lora_up.weight"].double() @ parts["lora_down.weight"].double()
    return float(product.norm()) * float(parts["alpha"]) / len(parts["lora_down.weight"])


def test_the_norm_of_a_block_is_that_of_all_its_changes(tmp_path: Path):
    query, key, late, text = thin(1), thin(5), thin(9, alpha=0.5), thin(13)
    path = write_lora(tmp_path / "a.safetensors", {IN01: query, IN01.replace("to_q", "to_k"): key, OUT11: late, TE: text})
    found = block_norms(path)
    assert [(row["block"], row["layers"]) for row in found["blocks"]] == [("TE", 1), ("IN01", 2), ("OUT11", 1)]
    norms = [row["norm"] for row in found["blocks"]]
    assert norms == pytest.approx([length(text), math.hypot(length(query), length(key)), length(late)], rel=1e-5)
    assert (found["family"], found["left_out"]) == ("SD1", 0)


def test_bfloat16_and_kinds_that_are_no_thin_product_are_measured_too(tmp_path: Path):
    a, b, c, d = (random(seed, 4, 4) for seed in range(4))
    hada = {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d, "alpha": torch.tensor(4.0)}
    path = write_lora(tmp_path / "a.safetensors", {IN01: hada}, dtype=torch.bfloat16)
    rounded = [part.bfloat16().float() for part in (a, b, c, d)]
    wanted = ((rounded[0] @ rounded[1]) * (rounded[2] @ rounded[3])).norm()
    assert block_norms(path)["blocks"][0]["norm"] == pytest.approx(float(wanted), rel=1e-4)


def test_layers_that_depend_on_the_checkpoint_are_counted_apart(tmp_path: Path):
    path = write_lora(tmp_path / "a.safetensors", {IN01: thin(1), OUT11: {**thin(3), "dora_scale": torch.ones(10, 1)}})
    found = block_norms(path)
    assert ([row["block"] for row in found["blocks"]], found["left_out"]) == (["IN01"], 1)


def test_a_file_without_layers_is_refused(tmp_path: Path):
    save_file({}, tmp_path / "a.safetensors")
    with pytest.raises(WebUIError, match="is no LoRA"):
        block_norms(tmp_path / "a.safetensors")

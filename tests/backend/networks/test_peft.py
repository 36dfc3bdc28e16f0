import json
import math

import pytest
import torch

from backend.networks.peft import KEY, PeftScales

LAYER = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


def scale(settings: object, module: str = LAYER, rank: int = 4, **parts: float) -> float | None:
    scales = PeftScales.read({KEY: settings if isinstance(settings, str) else json.dumps(settings)})
    found = {"down": torch.zeros(rank, 6), **{name: torch.tensor(value) for name, value in parts.items()}}
    if scales is not None:
        scales.complete(module, found)
    return float(found["scale"]) if "scale" in found else None


def test_alpha_is_divided_by_the_rank_that_the_layer_has():
    assert scale({"unet.lora_alpha": 16, "unet.r": 8}) == 4
    assert scale({"lora_alpha": 16, "r": 8}) == 4


def test_a_rank_stabilised_adapter_divides_by_the_root_of_it():
    assert scale({"unet.lora_alpha": 16, "unet.use_rslora": True}) == 8


def test_without_alpha_it_is_pefts_default():
    assert scale({"unet.r": 4}) == 2


@pytest.mark.parametrize("pattern", ["attn1.to_q", LAYER.removeprefix("unet."), r"^down_blocks\.0\.attentions\.0\.transformer_blocks\.0\.attn1\.to_q$"])
def test_layers_may_have_an_alpha_of_their_own(pattern: str):
    settings = {"unet.lora_alpha": 16, "unet.alpha_pattern": {pattern: 2, "attn1.to_k": 4}}
    assert scale(settings) == 0.5
    assert scale(settings, LAYER.replace("to_q", "to_k")) == 1
    assert scale(settings, LAYER.replace("attn1", "attn2")) == 4
    assert scale({"unet.lora_alpha": 16, "unet.alpha_pattern": {"ttn1.to_q": 2}}) == 4  # the end of a name, but no name


def test_each_model_has_its_own_settings():
    settings = {"unet.lora_alpha": 16, "text_encoder.lora_alpha": 8}
    assert scale(settings, "text_encoder.text_model.encoder.layers.0.mlp.fc1") == 2
    assert scale(settings, "text_encoder_2.text_model.encoder.layers.0.mlp.fc1") is None


@pytest.mark.parametrize("name", ["alpha", "scale"])
def test_what_the_file_has_as_a_tensor_stays(name: str):
    assert scale({"unet.lora_alpha": 16}, LAYER, 4, **{name: 3.0}) == (3 if name == "scale" else None)


def test_an_alpha_that_is_no_number_damages_the_layer():
    assert math.isnan(scale({"unet.lora_alpha": "much"}) or 0)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "3", '{"unet.target_modules": []}', "[" * 10_000])
def test_what_cannot_be_read_says_nothing(text: str):
    assert scale(text) is None

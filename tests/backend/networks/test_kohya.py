"""Names without a model are those of the models."""

from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from backend.networks.kohya import FAMILIES, Family, KohyaNames, by_family, family_of

SD1, SD2, SDXL = FAMILIES


def unet(family: Family) -> UNet2DConditionModel:
    """Narrow, but with all layers."""
    attention = [depth > 0 for depth in family.depth]
    config: dict[str, Any] = {"transformer_layers_per_block": tuple(max(1, depth) for depth in family.depth)}
    if family.compvis:
        config |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 8}
    with torch.device("meta"):
        return UNet2DConditionModel(
            block_out_channels=tuple(32 for _ in family.depth),
            down_block_types=tuple("CrossAttnDownBlock2D" if has else "DownBlock2D" for has in attention),
            up_block_types=tuple("CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(attention)),
            cross_attention_dim=8,
            **config,
        )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_layer_of_a_unet_has_a_name_of_its_own(family: Family):
    names = KohyaNames(family)
    paths = [path for path, module in unet(family).named_modules() if "weight" in module._parameters]
    found = [names.name(f"lora_unet_{path.replace('.', '_')}") for path in paths]
    assert None not in found and len(set(found)) == len(paths)
    assert found == [names.of("unet", path) for path in paths]


def test_sdxl_has_compvis_names_and_the_others_diffusers():
    path = "down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q"
    assert KohyaNames(SDXL).of("unet", path) == "lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q"
    assert KohyaNames(SD1).of("unet", "mid_block.attentions.0.proj_in") == "lora_unet_mid_block_attentions_0_proj_in"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"),
        ("diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q", "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"),
        ("base_model.model.text_encoder.text_model.encoder.layers.3.mlp.fc1", "lora_te_text_model_encoder_layers_3_mlp_fc1"),
        ("lora_te_encoder_layers_3_mlp_fc1", "lora_te_text_model_encoder_layers_3_mlp_fc1"),
        ("lora_unet_nowhere", None),
    ],
)
def test_the_names_of_all_trainers_become_one(module: str, name: str | None):
    assert KohyaNames(SD1).name(module) == name


@pytest.mark.parametrize(
    ("modules", "family", "missing"),
    [
        (["lora_unet_conv_in", "lora_te_text_model_encoder_layers_11_mlp_fc1"], "SD1", []),
        (["lora_te_text_model_encoder_layers_22_mlp_fc1"], "SD2", []),
        (["lora_te2_text_projection", "lora_unet_conv_in"], "SDXL", []),
        (["lora_unet_double_blocks_0_img_attn_proj"], "SD1", ["lora_unet_double_blocks_0_img_attn_proj"]),
    ],
)
def test_the_family_is_told_by_the_names(modules: list[str], family: str, missing: list[str]):
    names, strangers = family_of(modules)
    assert (names.family.name, strangers) == (family, missing)


def test_a_family_that_is_not_run_has_no_names():
    assert by_family("SDXL Refiner") is None

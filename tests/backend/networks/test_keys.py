import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from backend.checkpoints.sources import unet_sources
from backend.networks.keys import ModuleIndex, Target, split_key

SD1 = {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768}
SDXL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


def unet_paths(config: dict) -> list[str]:
    """Of full size, but without memory."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    return [path for path, module in unet.named_modules() if "weight" in module._parameters]


def text_paths(projection: bool) -> list[str]:
    config = CLIPTextConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, vocab_size=9)
    with torch.device("meta"):
        encoder = CLIPTextModelWithProjection(config) if projection else CLIPTextModel(config)
    return [path for path, module in encoder.named_modules() if "weight" in module._parameters]


@pytest.fixture(scope="module")
def sd1() -> ModuleIndex:
    return ModuleIndex({"unet": unet_paths(SD1), "text_encoders.0": text_paths(projection=False)})


@pytest.fixture(scope="module")
def sdxl() -> ModuleIndex:
    return ModuleIndex({"unet": unet_paths(SDXL), "text_encoders.0": text_paths(projection=False), "text_encoders.1": text_paths(projection=True)})


@pytest.mark.parametrize(("config", "layers", "attention"), [(SD1, 2, (False, True, True, True)), (SDXL, 2, (True, True, False))])
def test_every_module_of_the_unet_is_found_in_both_spellings(config: dict, layers: int, attention: tuple[bool, ...]):
    """The loader's table of CompVis names, by which whole checkpoints load, is the judge."""
    paths = unet_paths(config)
    index = ModuleIndex({"unet": paths})
    for path, source in zip(paths, unet_sources([f"{path}.weight" for path in paths], "", layers, attention).values(), strict=True):
        for spelling in (path, source.key.removesuffix(".weight")):
            assert index.find("lora_unet_" + spelling.replace(".", "_")) == Target("unet", path)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_ff_net_0_proj", "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj"),
        ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_out_0", "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0"),
        ("lora_unet_down_blocks_2_downsamplers_0_conv", "down_blocks.2.downsamplers.0.conv"),
        ("lora_unet_input_blocks_9_0_op", "down_blocks.2.downsamplers.0.conv"),
        ("lora_unet_output_blocks_2_1_conv", "up_blocks.0.upsamplers.0.conv"),
        ("lora_unet_output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"),
        ("lora_unet_time_embed_0", "time_embedding.linear_1"),
        ("lora_unet_out_2", "conv_out"),
    ],
)
def test_names_of_real_sd1_files(sd1: ModuleIndex, name: str, path: str):
    assert sd1.find(name) == Target("unet", path)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_k", Target("unet", "down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_k")),
        ("lora_unet_middle_block_1_proj_in", Target("unet", "mid_block.attentions.0.proj_in")),
        ("lora_unet_output_blocks_2_2_conv", Target("unet", "up_blocks.0.upsamplers.0.conv")),
        ("lora_unet_output_blocks_8_0_skip_connection", Target("unet", "up_blocks.2.resnets.2.conv_shortcut")),
        ("lora_unet_label_emb_0_2", Target("unet", "add_embedding.linear_2")),
        ("lora_te1_text_model_encoder_layers_1_self_attn_q_proj", Target("text_encoders.0", "encoder.layers.1.self_attn.q_proj")),
        ("lora_te2_text_model_encoder_layers_1_mlp_fc2", Target("text_encoders.1", "text_model.encoder.layers.1.mlp.fc2")),
        ("lora_te2_text_projection", Target("text_encoders.1", "text_projection")),
    ],
)
def test_names_of_real_sdxl_files(sdxl: ModuleIndex, name: str, target: Target):
    assert sdxl.find(name) == target


def test_text_model_may_be_part_of_the_name_or_not(sd1: ModuleIndex):
    for name in ("lora_te_text_model_encoder_layers_0_mlp_fc1", "lora_te_encoder_layers_0_mlp_fc1"):
        target = sd1.find(name)
        assert target is not None and target.component == "text_encoders.0" and target.path.endswith("encoder.layers.0.mlp.fc1")


@pytest.mark.parametrize("name", ["", "lora_unet_", "lora_te1_text_model_encoder_layers_0_mlp_fc1", "lora_unet_double_blocks_0_img_attn_proj", "bundle_emb"])
def test_foreign_names_are_not_found(sd1: ModuleIndex, name: str):
    assert sd1.find(name) is None


def test_a_key_is_split_behind_the_module():
    assert split_key("lora_unet_conv_in.lora_up.weight") == ("lora_unet_conv_in", "up")
    assert split_key("lora_unet_conv_in.alpha") == ("lora_unet_conv_in", "alpha")
    assert split_key("lora_unet_conv_in.hada_w1_a") == ("lora_unet_conv_in", "hada_w1_a")
    assert split_key("sks") == ("sks", "")


def test_the_parameter_of_a_target_has_the_models_name():
    assert Target("text_encoders.0", "encoder.layers.0.mlp.fc1").parameter == "text_encoders.0.encoder.layers.0.mlp.fc1.weight"

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


DOWN = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
LDM = "input_blocks.1.1.transformer_blocks.0.attn1.to_q"
FC1 = "encoder.layers.1.mlp.fc1"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (f"unet.{DOWN}", DOWN),
        (f"base_model.model.{DOWN}", DOWN),
        (f"base_model.model.unet.{DOWN}", DOWN),
        (DOWN, DOWN),
        (f"unet.{LDM}", DOWN),
        (f"diffusion_model.{LDM}", DOWN),
        (f"model.diffusion_model.{LDM}", DOWN),
        (f"lycoris_{DOWN}".replace(".", "_"), DOWN),
        (f"oft_unet_{DOWN}".replace(".", "_"), DOWN),
        (f"oft_unet_{LDM}".replace(".", "_"), DOWN),
        (f"unet.{OUT}", OUT),
        (f"unet.{OUT.removesuffix('.0')}", OUT),
    ],
)
def test_the_unets_modules_are_found_under_the_names_of_all_trainers(sd1: ModuleIndex, name: str, path: str):
    assert sd1.find(name) == Target("unet", path)


@pytest.mark.parametrize(
    "name",
    [
        f"text_encoder.text_model.{FC1}",
        f"base_model.model.text_model.{FC1}",
        f"text_encoders.clip_l.transformer.text_model.{FC1}",
        f"clip_l.transformer.text_model.{FC1}",
        f"lycoris_text_model.{FC1}".replace(".", "_"),
        "lora_te_transformer_resblocks_1_mlp_c_fc",
        "text_encoder.resblocks.1.mlp.c_fc",
    ],
)
def test_the_text_encoders_modules_are_found_under_the_names_of_all_trainers(sd1: ModuleIndex, name: str):
    target = sd1.find(name)
    assert target is not None and target.component == "text_encoders.0" and target.path.endswith(FC1)


@pytest.mark.parametrize(
    "name", [f"text_encoder_2.text_model.{FC1}", f"clip_g.transformer.text_model.{FC1}", "lora_te2_text_model_transformer_resblocks_1_mlp_c_fc"]
)
def test_the_second_text_encoder_is_told_from_the_first(sdxl: ModuleIndex, sd1: ModuleIndex, name: str):
    assert sdxl.find(name) == Target("text_encoders.1", f"text_model.{FC1}")
    assert sd1.find(name) is None


@pytest.mark.parametrize(
    ("own", "openclip"),
    [
        ("encoder.layers.1.self_attn.out_proj", "transformer.resblocks.1.attn.out_proj"),
        ("encoder.layers.1.layer_norm2", "transformer.resblocks.1.ln_2"),
        ("encoder.layers.1.mlp.fc2", "transformer.resblocks.1.mlp.c_proj"),
        ("final_layer_norm", "ln_final"),
    ],
)
def test_openclips_names_are_known(sdxl: ModuleIndex, own: str, openclip: str):
    assert sdxl.find(f"text_encoder_2.{openclip}") == Target("text_encoders.1", f"text_model.{own}")


@pytest.mark.parametrize("name", ["", "lora_unet_", "lora_te1_text_model_encoder_layers_0_mlp_fc1", "lora_unet_double_blocks_0_img_attn_proj", "bundle_emb"])
def test_foreign_names_are_not_found(sd1: ModuleIndex, name: str):
    assert sd1.find(name) is None


@pytest.mark.parametrize(
    ("tail", "part"),
    [
        ("lora_up.weight", "up"),
        ("lora_A.weight", "down"),
        ("lora_A.default.weight", "down"),
        ("lora_B.a name.weight", "up"),
        ("lora_B.bias", "up_bias"),
        ("lora.down.weight", "down"),
        ("lora_linear_layer.up.weight", "up"),
        ("lora_magnitude_vector", "magnitude"),
        ("lora_magnitude_vector.weight", "magnitude"),
        ("lora_magnitude_vector.default", "magnitude"),
        ("lora_magnitude_vector.default.weight", "magnitude"),
        ("alpha", "alpha"),
        ("hada_w1_a", "hada_w1_a"),
        ("lokr_t2", "lokr_t2"),
        ("a1.weight", "a1"),
        ("weight", "weight"),
        ("dora_scale", "dora_scale"),
        ("diff_b", "diff_b"),
        ("bias_indices", "bias_indices"),
        ("oft_blocks.3", "oft_blocks.3"),
        ("mystery", "mystery"),
    ],
)
@pytest.mark.parametrize("module", ["lora_unet_conv_in", "unet.conv_in", "base_model.model.down_blocks.0.resnets.0.conv1"])
def test_a_key_is_split_behind_the_module(module: str, tail: str, part: str):
    assert split_key(f"{module}.{tail}") == (module, part)


def test_the_first_names_of_diffusers_are_split_inside_of_a_word():
    assert split_key("unet.attn1.processor.to_q_lora.down.weight") == ("unet.attn1.to_q", "down")
    assert split_key("unet.attn1.processor.to_out_lora.up.weight") == ("unet.attn1.to_out", "up")


@pytest.mark.parametrize("key", ["sks", "", "bundle_emb", ".", "a..b"])
def test_any_key_is_split(key: str):
    module, part = split_key(key)
    assert f"{module}.{part}".rstrip(".") == key.rstrip(".")


def test_the_parameter_of_a_target_has_the_models_name():
    assert Target("text_encoders.0", "encoder.layers.0.mlp.fc1").parameter == "text_encoders.0.encoder.layers.0.mlp.fc1.weight"
    assert Target("unet", "conv_in", "bias").parameter == "unet.conv_in.bias"

"""Which family of models a file is made for, from tensor names and shapes. What they leave open is said so ("SD1/SD2"), never guessed."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from backend.networks.names import Names

UNKNOWN = "unknown"
NONE = "none"  # belongs to no family: an upscaler
Families = tuple[str, ...]  # those that are possible; one = certain; () = unknown

SD1, SD2, SDXL, REFINER, SSD = "SD1", "SD2", "SDXL", "SDXL refiner", "SSD-1B"
CONTEXT: Mapping[int, str] = MappingProxyType({768: SD1, 1024: SD2, 2048: SDXL, 1280: REFINER})  # width of the text that cross-attention sees
_SD_PLACES = (
    *("down_blocks_", "up_blocks_", "mid_block_", "input_blocks_", "middle_block_", "output_blocks_"),
    *("time_embedding_linear_", "unet_conv_in", "unet_conv_out", "unet_time_embed_", "unet_label_emb_", "unet_add_embedding_"),
)
# blocks of a U-Net of four levels with attention from the first (SD1, SD2), and of three without it in the first (SDXL)
_OF_SD1 = ("down_blocks_0_attentions", "down_blocks_3_", "up_blocks_3_", "input_blocks_1_1_", "input_blocks_2_1_")
_OF_FOUR_LEVELS = tuple(f"{side}put_blocks_{n}_" for side in ("in", "out") for n in (9, 10, 11))
_OF_SDXL = ("up_blocks_0_attentions", "output_blocks_0_1_", "output_blocks_1_1_", "add_embedding_", "label_emb_")
_DEEP = tuple(f"_transformer_blocks_{n}_" for n in range(1, 10))

_OF_ATTN1 = ("PixArt", "LTX-Video", "LTX-2", "LTX-2.3")
_Rows = Sequence[tuple[Families, tuple[str, ...]]]
# Of each table the first row counts whose words are all in the names ("." read as "_").
_FIRST: _Rows = (
    (("Stable Cascade",), ("lora_prior_",)),
    (("Chroma",), ("distilled_guidance_layer",)),
    (("HunyuanVideo",), ("individual_token_refiner",)),
    (("SD3.5",), ("joint_blocks_", "_x_block_attn2")),
    (("SD3",), ("joint_blocks_",)),
)
_BLOCKS: _Rows = (  # double_blocks, single_blocks
    (("HunyuanVideo",), ("single_blocks_", "_modulation_linear")),
    (("HunyuanVideo",), ("double_blocks_", "_mod_linear")),
    (("HunyuanVideo",), ("double_blocks_", "_mlp_fc1")),
    (("Flux2",), ("double_stream_modulation_",)),
    (("Flux2",), ("single_stream_modulation_",)),
)
_TRANSFORMERS: _Rows = (  # transformer_blocks, or blocks of diffusers' transformer
    (("HunyuanVideo",), ("context_embedder_token_refiner",)),
    (("MiniMax-H3",), ('"token_refiner_refiner_blocks_',)),
    (("LTX-2.3",), ("to_gate_logits",)),
    (("LTX-2", "LTX-2.3"), ("_audio_",)),
    (("AuraFlow",), ("joint_transformer_blocks_",)),
    (("AuraFlow",), ("single_transformer_blocks_", "_ff_linear_1")),
    (("Flux2",), ("to_qkv_mlp_proj",)),
    (("Flux2",), ("_ff_context_linear_in",)),
    (("Qwen-Image",), ("_img_mlp_net_",)),
    (("Qwen-Image",), ("_txt_mlp_net_",)),
    (("Qwen-Image",), ("_img_mod_1",)),
    (("SD3",), ("lora_te3_",)),
    (("Sana",), ("_ff_conv_inverted",)),
    (("Mochi",), ("_attn1_add_q_proj",)),
    (("Wan",), ("_ffn_",)),
)
_OTHERS: _Rows = (
    (("HiDream",), ("double_stream_blocks_",)),
    (("HiDream",), ("single_stream_blocks_",)),
    (("Krea2",), ("txtfusion_",)),
    (("Krea2",), ("blocks_", "_attn_wq")),
    (("Mochi",), ("blocks_", "_attn_qkv_x")),
    (("HunyuanDiT",), ("blocks_", "_attn1_Wqkv")),
    (("Anima",), ("llm_adapter_",)),
    (("Cosmos", "Anima"), ("blocks_", "_adaln_modulation_")),
    (("Cosmos", "Anima"), ("blocks_", "_attn_q_proj_")),
    (("Wan",), ("blocks_", "_ffn_")),
    (("Wan",), ("blocks_", "_self_attn_")),
    (("Wan",), ("blocks_", "_cross_attn_")),
    (("ERNIE-Image",), ("layers_", "_self_attention_to_")),
    (("ERNIE-Image",), ("layers_", "_mlp_linear_fc2")),
    (("Lumina2",), ("layers_", "_feed_forward_linear_1")),
    (("Lumina2",), ("layers_", "_norm1_linear")),
    (("Z-Image",), ("layers_", "_attention_to_")),
    (("LLM (DistilBERT)",), ("distilbert_",)),
    (("LLM (GPT-2)",), ("transformer_h_",)),
    (("LLM (BERT)",), ("bert_encoder_layer_",)),
    (("LLM (GPT-NeoX)",), ("gpt_neox_",)),
    (("LLM (T5)",), ("base_model_model_encoder_block_",)),
    (("LLM",), ("base_model_model_model_", "layers_")),
    (("LLM",), ('"model_layers_',)),
    (("ViT (other)",), ('"w_a_',)),
    (("ViT (other)",), ("vit_encoder_layer_",)),
)
# U-Nets of others
_UNET_ROWS: _Rows = ((("Stable Cascade",), ("_channelwise_",)), (("Kolors",), ("encoder_hid_proj_",)))
_WIDTHS: Mapping[int, str] = MappingProxyType({2304: "Lumina2", 3840: "Z-Image"})  # of the two that share fused names
# by the width of transformer_blocks with one attention, and with two
_OF_WIDTH: Mapping[int, Families] = MappingProxyType(
    {1536: ("SD3",), 2432: ("SD3.5",), 3072: ("Flux", "Flux2", "Qwen-Image"), 4096: ("Flux2",), 6144: ("Flux2",), 5376: ("MiniMax-H3",)}
)
_OF_TWO_WIDTH: Mapping[int, Families] = MappingProxyType({1152: ("PixArt",), 2048: ("LTX-Video",), 4096: ("LTX-Video", "LTX-2", "LTX-2.3")})
# text encoders alone: those that may have them
_TEXT_ROWS: _Rows = (
    (("Flux",), ("lora_te2_encoder_block_",)),
    (("SD3",), ("lora_te3_", "lora_te2_text_model_")),
    (("SD3", "Flux"), ("lora_te3_encoder_block_",)),
    ((SDXL, "SD3"), ("lora_te2_text_model_", "lora_te1_")),
    ((SDXL,), ("lora_te2_text_model_encoder_layers_",)),
    ((SDXL, "SD3"), ("lora_te2_",)),
    ((SDXL, "Flux", "SD3"), ("lora_te1_",)),
    ((SDXL, "SD3"), ("text_encoder_2_text_model_",)),
    ((SDXL, "SD3"), ("text_encoders_clip_g_",)),
    ((SD1, SDXL, "Flux", "SD3"), ("text_encoders_clip_l_",)),
    (("Flux", "SD3"), ("text_encoders_t5xxl_",)),
)
_LAYER = re.compile(r"layers[._](\d+)")
_INDEX: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "double": re.compile(r"double_blocks_(\d+)_"),
        "single": re.compile(r"single_blocks_(\d+)_"),
        "joint": re.compile(r"joint_blocks_(\d+)_"),
        "single_transformer": re.compile(r"single_transformer_blocks_(\d+)_"),
        "transformer": re.compile(r"(?<!single_)transformer_blocks_(\d+)_"),
    }
)
# what trainers write → family; the first that the text begins with or contains
_SAID: Sequence[tuple[str, str]] = (
    ("sdxl_refiner", REFINER), ("stable-diffusion-xl-v1-refiner", REFINER), ("sdxl", SDXL), ("stable-diffusion-xl", SDXL),
    ("sd_v1", SD1), ("sd1", SD1), ("sd_1", SD1), ("stable-diffusion-v1", SD1), ("sd_v2", SD2), ("sd2", SD2), ("sd_2", SD2), ("stable-diffusion-v2", SD2),
    ("sd3.5", "SD3.5"), ("sd3-5", "SD3.5"), ("sd3", "SD3"), ("stable-diffusion-3", "SD3"), ("flux2", "Flux2"), ("flux.2", "Flux2"), ("flux", "Flux"),
    ("lora_flux", "Flux"), ("chroma", "Chroma"), ("wan", "Wan"), ("lora_wan", "Wan"), ("hunyuan_video", "HunyuanVideo"), ("hunyuan-video", "HunyuanVideo"),
    ("qwen", "Qwen-Image"), ("lora_qwen", "Qwen-Image"), ("z_image", "Z-Image"), ("zimage", "Z-Image"), ("z-image", "Z-Image"), ("lumina", "Lumina2"),
    ("lora_lumina", "Lumina2"), ("ltx2", "LTX-2"), ("ltx", "LTX-Video"), ("krea2", "Krea2"),
    ("hidream", "HiDream"), ("anima", "Anima"), ("lora_anima", "Anima"),
    ("kolors", "Kolors"), ("pixart", "PixArt"), ("auraflow", "AuraFlow"), ("stable-cascade", "Stable Cascade"), ("lora_sd3", "SD3"),
)  # fmt: skip


def network_families(names: Names) -> Families:
    """What a LoRA or one of its kin may be for."""
    if '"unet:' in names.heads or '"text_encoder:' in names.heads:
        return _of_indexed(names)
    if any(place in names.flat for place in _SD_PLACES):
        return _row(names, _UNET_ROWS) or _unet(names)
    if families := _row(names, _FIRST):
        return _by_size(names, families)
    if "double_blocks_" in names.flat or "single_blocks_" in names.flat:
        return _row(names, _BLOCKS) or _flux(names)
    if "transformer_blocks_" in names.flat:
        return _by_size(names, _row(names, _TRANSFORMERS)) or _transformer(names)
    if families := _row(names, _OTHERS):
        return families
    if "layers_" in names.flat and ("_attention_qkv" in names.flat or "_feed_forward_w1" in names.flat):
        width = _width(names, ("attention_qkv", "attention.qkv", "feed_forward_w1", "feed_forward.w1"))
        return (_WIDTHS[width],) if width in _WIDTHS else ("Z-Image",) if "adaLN_modulation_0" in names.flat else ("Lumina2", "Z-Image")
    return _text(names)


def _row(names: Names, rows: _Rows) -> Families:
    return next((families for families, words in rows if all(word in names.flat for word in words)), ())


# --------------------------------------------------------------------------- SD's U-Net


def _unet(names: Names) -> Families:
    flat = names.flat
    contexts = {CONTEXT[width] for layer in _cross_attention(names) if (width := _columns(names, layer)) in CONTEXT}
    if len(contexts) == 1:
        return tuple(contexts)
    deep = any(word in flat for word in _DEEP)
    if deep and any(word in flat for word in _OF_FOUR_LEVELS):
        return (REFINER,)
    shallow = any(word in flat for word in _OF_SD1 + _OF_FOUR_LEVELS)
    wide = deep or any(word in flat for word in _OF_SDXL) or '"lora_te2_' in flat or '"text_encoder_2_' in flat
    if shallow and wide:
        return ()
    if wide:
        return (SDXL,)
    told = _sd1_or_sd2(names)
    if told or shallow:
        return told or (SD1, SD2)
    return (SDXL,) if '"lora_te1_' in flat else (SD1, SD2, SDXL)


def _cross_attention(names: Names) -> list[str]:
    for part in ("down", "hada_w1_b", "lokr_w1", "lokr_w1_b", "diff", "glora_b1"):
        if layers := [layer for layer in names.parts.get(part, ()) if "attn2" in layer and layer.endswith(("to_k", "to_v"))]:
            return layers[:4]
    return []


def _columns(names: Names, layer: str) -> int:
    size = names.size(layer)
    if size is not None:
        return size[1]
    shape = names.shape("down", layer)  # its half of a pair is enough
    return math.prod(shape[1:]) if len(shape) > 1 else 0


def _sd1_or_sd2(names: Names) -> Families:
    """By the text encoder, which has 12 layers of 768 or 23 of 1024; or by a projection that is a convolution in SD1 only."""
    if '"lora_te_' in names.flat or '"text_encoder_' in names.flat:
        layers = [layer for layer in names.layers if layer.startswith(("lora_te_", "text_encoder."))]
        widths = {_columns(names, layer) for layer in layers[:40] if layer.endswith("q_proj")}
        if widths & {768, 1024}:
            return (SD1,) if 768 in widths else (SD2,)
        numbers = {int(match[1]) for layer in layers if (match := _LAYER.search(layer))}
        if numbers and max(numbers) > 11:
            return (SD2,)
        if numbers == set(range(12)):
            return (SD1,)
    projections = [name for layer, name in names.parts.get("down", {}).items() if layer.endswith("proj_in")]
    return (SD1,) if projections and len(names.shapes[projections[0]]) == 4 else ()


def _of_indexed(names: Names) -> Families:
    """cloneofsimo's files have numbers for names; the widths are SD1's or SD2's."""
    widths = {names.shapes[name][-1] for name in names.parts.get("down", {}).values() if names.shapes[name]}
    found = [family for width, family in CONTEXT.items() if width in widths and family != REFINER]
    return tuple(found) if len(found) == 1 else (SDXL,) if SDXL in found else (SD1, SD2, SDXL)


# --------------------------------------------------------------------------- transformers


def _flux(names: Names) -> Families:
    """Names of Flux' own code, which HunyuanVideo, Chroma and Flux2 share."""
    if ".img_attn_qkv." in names.text:
        return ("HunyuanVideo",)
    linear = [size for layer in _layers(names, ("linear1",)) if (size := names.size(layer)) is not None]
    if any(rows == 9 * columns for rows, columns in linear):
        return ("Flux2",)  # its MLP is gated: 3 × width for attention and 6 × for it
    mlp = [size for layer in _layers(names, ("img_mlp_0", "img_mlp.0", "txt_mlp_0", "txt_mlp.0")) if (size := names.size(layer)) is not None]
    if any(rows == 6 * columns for rows, columns in mlp):
        return ("Flux2",)
    double, single = _numbers(names, "double"), _numbers(names, "single")
    if max(double, default=0) > 18 or max(single, default=0) > 37:
        return ("Flux2",) if double and max(double) < 8 else ("HunyuanVideo",)  # 8 + 48 blocks, 20 + 40 blocks
    if (double, single) in ((set(range(5)), set(range(20))), (set(range(8)), set(range(24)))) or _width(names, ("qkv",)) in (4096, 6144):
        return ("Flux2",)
    if 18 in double or 37 in single or 'txt_in_"' in names.flat or ".processor." in names.tails:
        return ("Flux",)  # has the last of 19 + 38 blocks, or what the others do not have
    siblings = ("Flux",) if linear or mlp else ("Flux", "Flux2")
    own = '"lora_unet_' in names.heads and any(word in names.flat for word in ("_mlp_0_", "_mod_lin_", "_modulation_lin_"))  # kohya's HunyuanVideo has others
    return siblings if own else (*siblings, "HunyuanVideo")


def _transformer(names: Names) -> Families:
    """transformer_blocks, with one attention or two."""
    if '"transformer.blocks.' in names.heads:
        return ("Wan", "HunyuanDiT")
    if "single_transformer_blocks_" in names.flat:
        return _single_transformer(names)
    text = "_add_k_proj" in names.flat or "_to_add_out" in names.flat
    if text and max(_numbers(names, "transformer"), default=0) > 37:
        return ("Qwen-Image",)
    if text:
        return ("SD3.5",) if "_attn2_" in names.flat else _OF_WIDTH.get(_width(names, ("to_q", "to_k", "to_v")), ("SD3", "Flux", "Flux2", "Qwen-Image"))
    if "_attn2_" in names.flat:
        return _OF_TWO_WIDTH.get(_width(names, ("attn1_to_q", "attn1.to_q")), ("SD3.5", *_OF_ATTN1))
    if "_attn1_" in names.flat:
        own = "_norm1_linear" in names.flat or _width(names, ("to_q",)) in (1920, 3072)
        return ("CogVideoX",) if own else ("CogVideoX", *_OF_ATTN1)
    return _OF_WIDTH.get(_width(names, ("to_q", "to_k", "to_v")), ())


def _single_transformer(names: Names) -> Families:
    last = max(_numbers(names, "single_transformer"), default=0)
    if last > 37:
        return ("HunyuanVideo",)
    own = last > 31 or any(word in names.flat for word in ("_proj_mlp", "_norm_linear", "_proj_out", '"lora_te'))
    return ("Flux",) if own or max(_numbers(names, "transformer"), default=0) > 3 else ("Flux", "AuraFlow", "Chroma")  # AuraFlow: 4 + 32 blocks


def _by_size(names: Names, families: Families) -> Families:
    """SD3.5 Large is SD3 with more and wider blocks."""
    if families != ("SD3",):
        return families
    count = max((*_numbers(names, "joint"), *_numbers(names, "transformer")), default=0)
    return ("SD3.5",) if count > 23 or _width(names, ("attn_qkv", "attn.qkv", "attn_to_q", "attn.to_q")) == 2432 else families


def _numbers(names: Names, blocks: str) -> set[int]:
    return {int(number) for number in _INDEX[blocks].findall(names.flat) if len(number) < 6}


def _layers(names: Names, ends: tuple[str, ...]) -> list[str]:
    return [layer for layer in names.parts.get("down", ()) if layer.endswith(ends)][:4]


def _width(names: Names, ends: tuple[str, ...]) -> int:
    return next((_columns(names, layer) for layer in _layers(names, ends)), 0)


# --------------------------------------------------------------------------- text encoders


def _text(names: Names) -> Families:
    flat = names.flat
    if "_mlp_gate_proj" in flat:
        return ()  # of some language model: many families have one
    if families := _row(names, _TEXT_ROWS):
        return families
    if '"lora_te_' in flat:
        return _sd1_or_sd2(names) or (SD1, SD2)
    return (SD1, SDXL) if '"text_encoder_' in flat else ()


# --------------------------------------------------------------------------- models and embeddings


def model_families(names: Names, kind: str) -> Families:
    """What a file that is no network is, or is for."""
    rule = _MODELS.get(kind)
    return rule(names) if rule else ()


def _checkpoint(names: Names) -> Families:
    text = names.text
    if "input_blocks." not in text:
        return network_families(names)
    if '"conditioner.embedders.1.' in text:
        return (SDXL,) if "middle_block.1.transformer_blocks." in text else (SSD,)
    if '"conditioner.embedders.0.model.' in text:
        return (REFINER,)
    contexts = {CONTEXT.get(shape[1]) for name, shape in names.shapes.items() if name.endswith("attn2.to_k.weight") and len(shape) > 1}
    if len(contexts) == 1 and None not in contexts:
        return tuple(family for family in contexts if family)
    if '"cond_stage_model.model.' in text:
        return (SD2,)
    return (SD1,) if '"cond_stage_model.transformer.' in text else _unet(names)


def _diffusers_unet(names: Names) -> Families:
    widths = {shape[1] for name, shape in names.shapes.items() if name.endswith(("attn2.to_k.weight", "to_k_ip.weight")) and len(shape) > 1}
    contexts = {CONTEXT[width] for width in widths if width in CONTEXT}
    return tuple(contexts) if len(contexts) == 1 else (SD1, SD2, SDXL) if "blocks_" in names.flat else ()


def _vae(names: Names) -> Families:
    shape = next((shape for name, shape in names.shapes.items() if name.endswith("decoder.conv_in.weight")), ())
    channels = shape[1] if len(shape) > 1 else 4
    return (SD1, SD2, SDXL) if channels == 4 else ("Flux", "SD3") if channels == 16 else ("Flux2",) if channels == 32 else ()


def _text_encoder(names: Names) -> Families:
    if "encoder.block.0.layer." in names.text:
        return ("T5",)
    widths = {shape[-1] for name, shape in names.shapes.items() if name.endswith("token_embedding.weight") and shape}
    return next((({768: ("CLIP-L",), 1024: ("CLIP-H (SD2)",), 1280: ("CLIP-bigG (SDXL/SD3)",)}[width]) for width in widths if width in (768, 1024, 1280)), ())


def _embedding(names: Names) -> Families:
    if "t5xxl" in names.shapes:
        return ("SD3",) if "clip_g" in names.shapes else ("T5-XXL (Flux/SD3/Chroma...)",)
    if "clip_g" in names.shapes:
        return (SDXL,)
    if "clip_l" in names.shapes:
        return (SDXL, "Flux", "SD3")
    widths = {shape[-1] for shape in names.shapes.values() if shape}
    return next((families for width, families in ((768, (SD1,)), (1024, (SD2,)), (1280, (SDXL,))) if widths == {width}), ())


_MODELS: Mapping[str, Callable[[Names], Families]] = MappingProxyType(
    {
        "checkpoint": _checkpoint,
        "diffusion model (UNet)": _diffusers_unet,
        "diffusion model (transformer)": network_families,
        "ControlNet": _diffusers_unet,
        "IP-Adapter": _diffusers_unet,
        "VAE": _vae,
        "text encoder": _text_encoder,
        "TI embedding": _embedding,
        "upscaler": lambda names: (NONE,),
        "CLIP (text+vision)": lambda names: (NONE,),
        "CLIP (vision)": lambda names: (NONE,),
    }
)


def said_families(metadata: Mapping[str, str]) -> Families:
    """What the trainer wrote down. Trainers err: it only chooses among what the tensors leave open."""
    for key in ("modelspec.architecture", "ss_base_model_version", "ss_network_module"):
        said = metadata.get(key, "").lower().removeprefix("networks.")
        if found := next((family for word, family in _SAID if said.startswith(word)), None):
            return (found,)
    return (SD2,) if metadata.get("ss_v2") == "True" else ()

"""diffusers' key names ↔ CompVis's, for the SD 1 layout. Both ways, so that a shipped file can be taken apart again."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel

from tools.demo_model.diffusion import ALPHAS_CUMPROD, BETAS
from tools.demo_model.modules import TEXT_CONFIG, UNET_CONFIG, VAE_CONFIG, make_text_encoder, make_unet, make_vae

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."
SCHEDULE = ("betas", "alphas_cumprod")  # stay float32
RESIDUAL = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"),
    ("conv_shortcut", "skip_connection"),
)
ENDS = (
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("conv_in", "input_blocks.0.0"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
)
VAE_NAMES = (
    ("conv_shortcut", "nin_shortcut"),
    ("conv_norm_out", "norm_out"),
    ("encoder.down_blocks", "encoder.down"),
    ("downsamplers.0", "downsample"),
    ("upsamplers.0", "upsample"),
    ("mid_block.resnets.0", "mid.block_1"),
    ("mid_block.resnets.1", "mid.block_2"),
    ("mid_block.attentions.0", "mid.attn_1"),
)
VAE_ATTENTION = (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"))


def unet_key(key: str) -> str:
    if found := re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions)\.(\d)\.(.*)", key):
        side, level, kind, i, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
        block = f"input_blocks.{1 + 3 * level + i}" if side == "down" else f"output_blocks.{3 * level + i}"
        return f"{block}.0.{_renamed(rest, RESIDUAL)}" if kind == "resnets" else f"{block}.1.{rest}"
    if found := re.match(r"down_blocks\.(\d)\.downsamplers\.0\.conv\.(.*)", key):
        return f"input_blocks.{3 * (int(found[1]) + 1)}.0.op.{found[2]}"
    if found := re.match(r"up_blocks\.(\d)\.upsamplers\.0\.conv\.(.*)", key):
        return f"output_blocks.{3 * int(found[1]) + 2}.{1 if found[1] == '0' else 2}.conv.{found[2]}"
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", key):
        return f"middle_block.{2 * int(found[2])}.{_renamed(found[3], RESIDUAL)}" if found[1] == "resnets" else f"middle_block.1.{found[3]}"
    for ours, theirs in ENDS:
        if key.startswith(f"{ours}."):
            return theirs + key.removeprefix(ours)
    raise KeyError(key)


def vae_key(key: str) -> str:
    key = re.sub(r"decoder\.up_blocks\.(\d)", lambda found: f"decoder.up.{3 - int(found[1])}", _renamed(key, VAE_NAMES))
    key = re.sub(r"(down|up)\.(\d)\.resnets", r"\1.\2.block", key)
    return _renamed(key, VAE_ATTENTION) if "attn_1" in key else key


def _renamed(key: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for ours, theirs in pairs:
        key = key.replace(ours, theirs)
    return key


def to_compvis(unet: Mapping[str, Tensor], vae: Mapping[str, Tensor], text_encoder: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """text_encoder with the full embedding table."""
    result = {UNET + unet_key(key): tensor for key, tensor in unet.items()}
    for key, tensor in vae.items():
        name = vae_key(key)
        result[VAE + name] = tensor[:, :, None, None] if "attn_1" in name and tensor.dim() == 2 else tensor  # 1 × 1 convolutions there
    result.update({TEXT + key: tensor for key, tensor in text_encoder.items() if "position_ids" not in key})
    result[f"{TEXT}embeddings.position_ids"] = torch.arange(77)[None]
    result["betas"], result["alphas_cumprod"] = BETAS.float(), ALPHAS_CUMPROD
    result["v_pred"] = torch.zeros(0)  # the marker that loaders of v-prediction checkpoints look for
    return result


def from_compvis(path: Path) -> tuple[UNet2DConditionModel, AutoencoderKL, CLIPTextModel]:
    """The demo checkpoint as diffusers' and transformers' modules, float32."""
    tensors = load_file(path)
    unet, vae, encoder = make_unet(skips=False), make_vae(skips=False), make_text_encoder()
    unet.load_state_dict({key: tensors[UNET + unet_key(key)].float() for key in unet.state_dict()})
    vae.load_state_dict({key: tensors[VAE + vae_key(key)].float().view(tensor.shape) for key, tensor in vae.state_dict().items()})
    encoder.load_state_dict({key: tensors[TEXT + key].float() for key in encoder.state_dict()})
    return unet.eval(), vae.eval(), encoder.eval()


def save_checkpoint(tensors: Mapping[str, Tensor], path: Path) -> None:
    """float16, with what a program may want to know in the header."""
    half = {key: (tensor.half() if tensor.is_floating_point() and key not in SCHEDULE else tensor).contiguous() for key, tensor in tensors.items()}
    metadata = {
        "format": "pt",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.title": "tiny emoji SD",
        "modelspec.resolution": "128x128",
        "modelspec.prediction_type": "v",
        "sd_config": json.dumps({"unet": dict(UNET_CONFIG), "vae": dict(VAE_CONFIG), "text_encoder": dict(TEXT_CONFIG)}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(half, path, metadata)

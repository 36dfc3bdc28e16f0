"""The three networks of SD 1.x, smaller: same modules and key names as SD 1.5.

Training starts from functions that already do something: the U-Net from eps = x / rms(x), the VAE from averaging down and interpolating up.
Some modules at high resolution stay exact identities (their last layer is zero, as in SD's own initialisation), so that training can leave
them out; the checkpoint has every key all the same.
"""

from collections.abc import Iterator
from types import MappingProxyType

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

CONTEXT = 128
VAE_CHANNELS = 96
LATENT_SCALE = 0.18215  # SD 1's

UNET_CONFIG = MappingProxyType(
    {
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 2,
        "block_out_channels": (96, 128, 160, 160),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "cross_attention_dim": CONTEXT,
        "attention_head_dim": 8,  # the number of heads: diffusers' name is a historical mistake
        "norm_num_groups": 32,
    }
)
VAE_CONFIG = MappingProxyType(
    {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "block_out_channels": (VAE_CHANNELS,) * 4,
        "layers_per_block": 2,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "norm_num_groups": 32,
        "sample_size": 128,
        "scaling_factor": LATENT_SCALE,
    }
)
TEXT_CONFIG = MappingProxyType(
    {
        "vocab_size": 49408,
        "hidden_size": CONTEXT,
        "intermediate_size": 4 * CONTEXT,
        "num_hidden_layers": 3,
        "num_attention_heads": CONTEXT // 64,
        "max_position_embeddings": 77,
        "hidden_act": "quick_gelu",
        "projection_dim": CONTEXT,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
        "pad_token_id": 49407,
    }
)
# (side, level, index) of what stays an identity; a longer training can simply switch it on
IDLE_RESIDUALS = frozenset({("down", 0, 1), ("up", 0, 0), ("down", 1, 1), ("up", 1, 0), ("down", 2, 1), ("up", 2, 0)})
IDLE_TRANSFORMERS = frozenset({("down", 0, 0), ("down", 0, 1), ("up", 0, 0), ("up", 0, 2), ("down", 1, 1), ("up", 1, 0), ("down", 2, 1), ("up", 2, 0)})


def make_text_encoder(**changes: int) -> CLIPTextModel:
    torch.manual_seed(0)
    return CLIPTextModel(CLIPTextConfig(**{**TEXT_CONFIG, **changes}))


def make_unet(skips: bool = True) -> UNet2DConditionModel:
    """skips=False: every module computes, as in the finished checkpoint."""
    unet = UNet2DConditionModel(**UNET_CONFIG)
    for module in unet.modules():  # zero at the end of each residual branch, as in SD's own training
        if type(module).__name__ == "ResnetBlock2D":
            _zero(module.conv2)
        elif type(module).__name__ == "Transformer2DModel":
            _zero(module.proj_out)
    _carry_input_to_output(unet)
    if skips:
        _skip_idle(unet)
    return unet


def make_vae(skips: bool = True) -> AutoencoderKL:
    vae = AutoencoderKL(**VAE_CONFIG)
    _average_and_interpolate(vae)
    if skips:
        down, up = vae.encoder.down_blocks, vae.decoder.up_blocks
        for block in (*down[0].resnets, down[1].resnets[1], *up[2].resnets[:2], *up[3].resnets):  # 128 and 64 pixels
            _make_identity(block)
    return vae


def idle_prefixes(unet: UNet2DConditionModel) -> tuple[str, ...]:
    """Name prefixes of the parameters that the skips leave unused."""
    prefixes = []
    for _, _, name, block in _levels(unet):
        for i, residual in enumerate(block.resnets):
            if "forward" in vars(residual):
                prefixes += [f"{name}.resnets.{i}.{part}." for part in ("norm1", "conv1", "time_emb_proj", "norm2", "conv2")]
        for i, transformer in enumerate(block.attentions):
            here = f"{name}.attentions.{i}."
            if "forward" in vars(transformer):
                prefixes.append(here)
            elif "forward" in vars(transformer.transformer_blocks[0].attn1):
                prefixes += [f"{here}transformer_blocks.0.attn1.", f"{here}transformer_blocks.0.norm1."]
    return tuple(prefixes)


def _levels(unet: UNet2DConditionModel) -> Iterator[tuple[str, int, str, nn.Module]]:
    for level in range(3):
        yield "down", level, f"down_blocks.{level}", unet.down_blocks[level]
        yield "up", level, f"up_blocks.{3 - level}", unet.up_blocks[3 - level]


def _skip_idle(unet: UNet2DConditionModel) -> None:
    for side, level, _, block in _levels(unet):
        for i, residual in enumerate(block.resnets):
            if (side, level, i) in IDLE_RESIDUALS:
                _make_identity(residual)
        for i, transformer in enumerate(block.attentions):
            if (side, level, i) in IDLE_TRANSFORMERS:
                _zero(transformer.proj_out)
                transformer.forward = lambda hidden, *args, **kwargs: (hidden,)
            elif level == 0:  # self-attention over 256 places: too slow on a CPU
                inner = transformer.transformer_blocks[0]
                _zero(inner.attn1.to_out[0])
                inner.attn1.forward = lambda *args, **kwargs: 0.0
                inner.norm1.forward = lambda hidden: hidden


def _make_identity(residual: nn.Module) -> None:
    _zero(residual.conv2)
    shortcut = residual.conv_shortcut
    residual.forward = lambda hidden, *args, **kwargs: hidden if shortcut is None else shortcut(hidden)


@torch.no_grad()
def _carry_input_to_output(unet: UNet2DConditionModel) -> None:
    """Start as eps = x / rms(x): conv_in's first 12 channels carry (x, −x, 0) per latent channel, the last skip connection hands them to
    the last group norm (3 channels a group), and silu(x) − silu(−x) = x."""
    _zero_rows(unet.conv_in, 12)
    last = unet.up_blocks[3].resnets[2].conv_shortcut
    _zero_rows(last, 12)
    first = last.in_channels - unet.conv_in.out_channels  # where the skip's channels start
    for i in range(12):
        last.weight[i, first + i, 0, 0] = 1
    _zero(unet.conv_out)
    for channel in range(4):
        unet.conv_in.weight[3 * channel, channel, 1, 1] = 1
        unet.conv_in.weight[3 * channel + 1, channel, 1, 1] = -1
        unet.conv_out.weight[channel, 3 * channel, 1, 1] = 0.816  # √(2/3): a third of the group is 0
        unet.conv_out.weight[channel, 3 * channel + 1, 1, 1] = -0.816


@torch.no_grad()
def _average_and_interpolate(vae: AutoencoderKL) -> None:
    """Channels (x, −x, constant) per colour survive each group norm and, as silu(x) − silu(−x) = x, the last SiLU."""
    for module in vae.modules():
        if type(module).__name__ == "ResnetBlock2D":
            _zero(module.conv2)
            if module.conv_shortcut is not None:
                _pass_on(module.conv_shortcut, torch.ones(1, 1))
        elif type(module).__name__ == "Attention":
            _zero(module.to_out[0])
    average, smooth = torch.zeros(3, 3), torch.tensor([1.0, 2, 1])
    average[:2, :2] = 0.25
    encoder, decoder = vae.encoder, vae.decoder
    _split(encoder.conv_in)
    for block in encoder.down_blocks[:3]:
        _pass_on(block.downsamplers[0].conv, average)
    _join(encoder.conv_out, 1.8, 4)
    vae.quant_conv.weight.mul_(0.1)
    vae.quant_conv.bias.zero_()
    vae.post_quant_conv.bias.zero_()
    for i in range(4):
        vae.quant_conv.weight[i, i] = 1
        vae.post_quant_conv.weight[i].zero_()
        vae.post_quant_conv.weight[i, i] = 1
    vae.quant_conv.weight[4:].mul_(0.1)
    vae.quant_conv.bias[4:] = -5.0
    _split(decoder.conv_in)
    for block in decoder.up_blocks[:3]:
        _pass_on(block.upsamplers[0].conv, smooth[:, None] * smooth[None] / 16)
    _join(decoder.conv_out, 2.5, 3)


def _pass_on(conv: nn.Conv2d, kernel: Tensor) -> None:
    """The first 9 channels to themselves."""
    _zero_rows(conv, 9)
    conv.weight[:9, :9] = torch.eye(9)[:, :, None, None] * kernel


def _split(conv: nn.Conv2d) -> None:
    _zero_rows(conv, 9)
    for channel in range(3):
        conv.weight[3 * channel, channel, 1, 1] = 1
        conv.weight[3 * channel + 1, channel, 1, 1] = -1
        conv.bias[3 * channel + 2] = 2.0


def _join(conv: nn.Conv2d, gain: float, damped: int) -> None:
    conv.weight.mul_(0.1)
    conv.bias.zero_()
    conv.weight[:damped].mul_(0.1)
    for channel in range(3):
        conv.weight[channel].zero_()
        conv.weight[channel, 3 * channel, 1, 1] = gain
        conv.weight[channel, 3 * channel + 1, 1, 1] = -gain


@torch.no_grad()
def _zero(layer: nn.Module) -> None:
    layer.weight.zero_()
    layer.bias.zero_()


def _zero_rows(conv: nn.Conv2d, count: int) -> None:
    conv.weight[:count].zero_()
    conv.bias[:count].zero_()

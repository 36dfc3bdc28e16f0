"""Small random checkpoints in the CompVis layout, the same bits on every machine.

Every tensor is drawn from a generator seeded by crc32(key) ^ seed and rounded to float16. The U-Net is not trained, but behaves as if:
eight channels of the first skip connection carry (+x, −x) to the output, so that eps ≈ 0.95 · x / std(x) + r(x, t, prompt) with r the random
network. The latent contracts while the noise falls, and r, which depends on the prompt, makes the picture.
"""

import zlib
from collections.abc import Callable

import torch
from torch import Tensor

UNET, VAE, TEXT, OPEN_TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.", "cond_stage_model.model."
TOKENS, POSITIONS = 49408, 77


class Weights:
    """A state dict in the making."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.tensors: dict[str, Tensor] = {}

    def randn(self, key: str, *shape: int) -> Tensor:
        generator = torch.Generator().manual_seed((zlib.crc32(key.encode()) ^ self.seed) & 0x7FFFFFFF)
        return torch.randn(shape, generator=generator)

    def put(self, key: str, tensor: Tensor) -> None:
        self.tensors[key] = tensor.to(torch.float16).contiguous() if tensor.is_floating_point() else tensor

    def layer(self, key: str, out: int, into: int, gain: float = 1.0, bias: float | None = 0.03, kernel: int | None = None) -> None:
        """A linear layer, or with a kernel a convolution; gain 1 keeps the variance."""
        shape, fan = ((out, into), into) if kernel is None else ((out, into, kernel, kernel), into * kernel * kernel)
        self.put(f"{key}.weight", self.randn(f"{key}.weight", *shape) * (gain / fan**0.5))
        if bias is not None:
            self.put(f"{key}.bias", self.randn(f"{key}.bias", out) * bias)

    def norm(self, key: str, channels: int) -> None:
        self.put(f"{key}.weight", 1 + 0.1 * self.randn(f"{key}.weight", channels))
        self.put(f"{key}.bias", 0.1 * self.randn(f"{key}.bias", channels))


def tiny_sd1() -> dict[str, Tensor]:
    """SD 1.5 with 64 U-Net channels and 32 VAE channels, the text encoder at full size: 332 MB."""
    weights = Weights(seed=1)
    add_unet(weights, channels=64, context=768)
    add_vae(weights, channels=32)
    add_clip(weights)
    return weights.tensors


def tiny_sd2_v() -> dict[str, Tensor]:
    """SD 2.1 with v-prediction, as small; OpenCLIP's text encoder at full size: 796 MB."""
    weights = Weights(seed=4)
    add_unet(weights, channels=64, context=1024, linear_projection=True)
    add_vae(weights, channels=32)
    add_open_clip(weights)
    return weights.tensors


def add_unet(weights: Weights, channels: int, context: int, linear_projection: bool = False) -> None:
    """input_blocks, middle_block and output_blocks at 1, 2, 4, 4 times the channels; attention on the first three levels."""
    multiples, levels_with_attention, embedding = (1, 2, 4, 4), (0, 1, 2), 4 * channels
    projection = None if linear_projection else 1
    weights.layer(f"{UNET}time_embed.0", embedding, channels)
    weights.layer(f"{UNET}time_embed.2", embedding, embedding, gain=1.4)
    weights.layer(f"{UNET}input_blocks.0.0", channels, 4, kernel=3)
    skips, width, block = [channels], channels, 1
    for level, multiple in enumerate(multiples):
        for _ in range(2):
            _residual(weights, f"{UNET}input_blocks.{block}.0", width, multiple * channels, embedding)
            width = multiple * channels
            if level in levels_with_attention:
                _transformer(weights, f"{UNET}input_blocks.{block}.1", width, context, projection)
            skips.append(width)
            block += 1
        if level != len(multiples) - 1:
            weights.layer(f"{UNET}input_blocks.{block}.0.op", width, width, kernel=3)
            skips.append(width)
            block += 1
    _residual(weights, f"{UNET}middle_block.0", width, width, embedding)
    _transformer(weights, f"{UNET}middle_block.1", width, context, projection)
    _residual(weights, f"{UNET}middle_block.2", width, width, embedding)
    block = 0
    for level, multiple in reversed(list(enumerate(multiples))):
        for i in range(3):
            _residual(weights, f"{UNET}output_blocks.{block}.0", width + skips.pop(), multiple * channels, embedding)
            width = multiple * channels
            if level in levels_with_attention:
                _transformer(weights, f"{UNET}output_blocks.{block}.1", width, context, projection)
            if level and i == 2:
                place = 2 if level in levels_with_attention else 1
                weights.layer(f"{UNET}output_blocks.{block}.{place}.conv", width, width, kernel=3)
            block += 1
    weights.norm(f"{UNET}out.0", channels)
    weights.layer(f"{UNET}out.2", 4, channels, gain=0.6, bias=0.0, kernel=3)
    _carry_input_to_output(weights.tensors, channels)


def _residual(weights: Weights, key: str, into: int, out: int, embedding: int) -> None:
    weights.norm(f"{key}.in_layers.0", into)
    weights.layer(f"{key}.in_layers.2", out, into, gain=1.4, kernel=3)
    weights.layer(f"{key}.emb_layers.1", out, embedding, gain=0.6)
    weights.norm(f"{key}.out_layers.0", out)
    weights.layer(f"{key}.out_layers.3", out, out, gain=0.7, kernel=3)
    if into != out:
        weights.layer(f"{key}.skip_connection", out, into, kernel=1)


def _transformer(weights: Weights, key: str, width: int, context: int, projection: int | None) -> None:
    weights.norm(f"{key}.norm", width)
    weights.layer(f"{key}.proj_in", width, width, kernel=projection)
    block = f"{key}.transformer_blocks.0"
    for attention, keys_from, out_gain in (("attn1", width, 0.5), ("attn2", context, 1.5)):
        weights.layer(f"{block}.{attention}.to_q", width, width, gain=1.5, bias=None)
        weights.layer(f"{block}.{attention}.to_k", width, keys_from, gain=1.5, bias=None)
        weights.layer(f"{block}.{attention}.to_v", width, keys_from, bias=None)
        weights.layer(f"{block}.{attention}.to_out.0", width, width, gain=out_gain)
    weights.layer(f"{block}.ff.net.0.proj", 8 * width, width)
    weights.layer(f"{block}.ff.net.2", width, 4 * width, gain=0.7)
    for i in (1, 2, 3):
        weights.norm(f"{block}.norm{i}", width)
    weights.layer(f"{key}.proj_out", width, width, gain=0.5, kernel=projection)


def _carry_input_to_output(tensors: dict[str, Tensor], channels: int) -> None:
    """Free the first channels of the last block for (+x, −x), which the last skip connection hands to the output."""
    last, group = f"{UNET}output_blocks.11", channels // 32
    reserved = -(-8 // group) * group  # whole groups of the group norm
    first = tensors[f"{UNET}input_blocks.0.0.weight"]
    skip = tensors[f"{last}.0.skip_connection.weight"]
    out = tensors[f"{UNET}out.2.weight"]
    for key in (f"{UNET}input_blocks.0.0", f"{last}.0.skip_connection", f"{last}.0.out_layers.3", f"{last}.1.proj_out"):
        tensors[f"{key}.weight"][:reserved] = 0
        tensors[f"{key}.bias"][:reserved] = 0
    tensors[f"{UNET}out.0.weight"][:reserved] = 1
    tensors[f"{UNET}out.0.bias"][:reserved] = 0
    out[:, :reserved] = 0
    skip_part = skip.shape[1] - channels  # where the skip's channels start in the concatenation
    for channel in range(4):
        for row, sign in ((2 * channel, 1), (2 * channel + 1, -1)):
            first[row, channel, 1, 1] = sign
            skip[row, skip_part + row] = 1
            out[channel, row, 1, 1] = sign * 0.95 * (8 / reserved) ** 0.5


def add_vae(weights: Weights, channels: int) -> None:
    """Encoder with a log variance of −20, as small as a trained one's, and decoder."""
    encoder, decoder, multiples = f"{VAE}encoder.", f"{VAE}decoder.", (1, 2, 4, 4)
    weights.layer(f"{encoder}conv_in", channels, 3, kernel=3)
    width = channels
    for level, multiple in enumerate(multiples):
        for i in range(2):
            _vae_residual(weights, f"{encoder}down.{level}.block.{i}", width, multiple * channels)
            width = multiple * channels
        if level != 3:
            weights.layer(f"{encoder}down.{level}.downsample.conv", width, width, kernel=3)
    _vae_middle(weights, f"{encoder}mid.", width)
    weights.norm(f"{encoder}norm_out", width)
    weights.layer(f"{encoder}conv_out", 8, width, gain=1.4, kernel=3)
    weights.layer(f"{VAE}quant_conv", 8, 8, kernel=1)
    quant = weights.tensors[f"{VAE}quant_conv.weight"]
    quant[:4] = (quant[:4].float() * 5.0).half()
    quant[4:] = 0
    weights.tensors[f"{VAE}quant_conv.bias"][4:] = -20.0
    weights.layer(f"{VAE}post_quant_conv", 4, 4, kernel=1)
    weights.layer(f"{decoder}conv_in", width, 4, kernel=3)
    _vae_middle(weights, f"{decoder}mid.", width)
    for level in (3, 2, 1, 0):
        for i in range(3):
            _vae_residual(weights, f"{decoder}up.{level}.block.{i}", width, multiples[level] * channels)
            width = multiples[level] * channels
        if level:
            weights.layer(f"{decoder}up.{level}.upsample.conv", width, width, kernel=3)
    weights.norm(f"{decoder}norm_out", width)
    weights.layer(f"{decoder}conv_out", 3, width, gain=0.55, bias=0.05, kernel=3)


def _vae_residual(weights: Weights, key: str, into: int, out: int) -> None:
    weights.norm(f"{key}.norm1", into)
    weights.layer(f"{key}.conv1", out, into, gain=1.4, kernel=3)
    weights.norm(f"{key}.norm2", out)
    weights.layer(f"{key}.conv2", out, out, gain=0.7, kernel=3)
    if into != out:
        weights.layer(f"{key}.nin_shortcut", out, into, kernel=1)


def _vae_middle(weights: Weights, key: str, width: int) -> None:
    _vae_residual(weights, f"{key}block_1", width, width)
    weights.norm(f"{key}attn_1.norm", width)
    for name in "qkv":
        weights.layer(f"{key}attn_1.{name}", width, width, kernel=1)
    weights.layer(f"{key}attn_1.proj_out", width, width, gain=0.5, kernel=1)
    _vae_residual(weights, f"{key}block_2", width, width)


def add_clip(weights: Weights, width: int = 768, layers: int = 12) -> None:
    """CLIP-L as transformers names it."""
    text = f"{TEXT}text_model."
    weights.put(f"{text}embeddings.position_ids", torch.arange(POSITIONS)[None])
    weights.put(f"{text}embeddings.token_embedding.weight", weights.randn(f"{text}tok", TOKENS, width) * 0.03)
    weights.put(f"{text}embeddings.position_embedding.weight", weights.randn(f"{text}pos", POSITIONS, width) * 0.01)
    for i in range(layers):
        layer = f"{text}encoder.layers.{i}."
        for name, gain in (("q_proj", 1.2), ("k_proj", 1.2), ("v_proj", 1.0), ("out_proj", 0.03)):
            weights.layer(f"{layer}self_attn.{name}", width, width, gain=gain, bias=0.02)
        weights.norm(f"{layer}layer_norm1", width)
        weights.norm(f"{layer}layer_norm2", width)
        weights.layer(f"{layer}mlp.fc1", 4 * width, width, bias=0.02)
        weights.layer(f"{layer}mlp.fc2", width, 4 * width, gain=0.03, bias=0.002)
    _last_norm(weights, f"{text}final_layer_norm", width)


def add_open_clip(weights: Weights, width: int = 1024, layers: int = 24) -> None:
    """CLIP-H as OpenCLIP names it."""
    weights.put(f"{OPEN_TEXT}token_embedding.weight", weights.randn(f"{OPEN_TEXT}tok", TOKENS, width) * 0.03)
    weights.put(f"{OPEN_TEXT}positional_embedding", weights.randn(f"{OPEN_TEXT}pos", POSITIONS, width) * 0.01)
    weights.put(f"{OPEN_TEXT}text_projection", weights.randn(f"{OPEN_TEXT}text_projection", width, width) / width**0.5)
    weights.put(f"{OPEN_TEXT}logit_scale", torch.tensor(4.6052))
    for i in range(layers):
        layer = f"{OPEN_TEXT}transformer.resblocks.{i}."
        weights.put(f"{layer}attn.in_proj_weight", weights.randn(f"{layer}ipw", 3 * width, width) * (1.1 / width**0.5))
        weights.put(f"{layer}attn.in_proj_bias", weights.randn(f"{layer}ipb", 3 * width) * 0.02)
        weights.layer(f"{layer}attn.out_proj", width, width, gain=0.03, bias=0.002)
        weights.norm(f"{layer}ln_1", width)
        weights.norm(f"{layer}ln_2", width)
        weights.layer(f"{layer}mlp.c_fc", 4 * width, width, bias=0.02)
        weights.layer(f"{layer}mlp.c_proj", width, 4 * width, gain=0.03, bias=0.002)
    _last_norm(weights, f"{OPEN_TEXT}ln_final", width)


def _last_norm(weights: Weights, key: str, width: int) -> None:
    """With a mean of −0.12, as in the trained encoders: emphasis restores the mean, so it must not be 0."""
    weights.norm(key, width)
    bias = weights.tensors[f"{key}.bias"].float()
    weights.tensors[f"{key}.bias"] = (bias - bias.mean() - 0.12).half()


CHECKPOINTS: dict[str, Callable[[], dict[str, Tensor]]] = {"tiny-sd1": tiny_sd1, "tiny-sd2-v": tiny_sd2_v}

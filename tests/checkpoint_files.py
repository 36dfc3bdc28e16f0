"""Tiny random checkpoints in the layouts that people have on disk (CompVis, Stability's sgm), a few MB each; random weights, the same for the same seed.

The vocabulary has its full 49408 rows, so the real tokenizer works on them; a picture depends on the prompt and the seed and is not saturated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

VOCABULARY = 49408
UNET, VAE = "model.diffusion_model.", "first_stage_model."
Tensors = dict[str, Tensor]


@dataclass
class _Writer:
    """Collects tensors; one generator, so the file is a function of the seed."""

    seed: int
    tensors: Tensors = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def random(self, key: str, *shape: int, scale: float) -> None:
        self.tensors[key] = torch.randn(shape, generator=self.generator) * scale

    def linear(self, key: str, out: int, inner: int, *, gain: float = 1.0, bias: bool = True) -> None:
        self.random(f"{key}.weight", out, inner, scale=gain / inner**0.5)
        if bias:
            self.random(f"{key}.bias", out, scale=0.03)

    def conv(self, key: str, out: int, inner: int, size: int = 3, *, gain: float = 1.0) -> None:
        self.random(f"{key}.weight", out, inner, size, size, scale=gain / (inner * size * size) ** 0.5)
        self.random(f"{key}.bias", out, scale=0.03)

    def norm(self, key: str, width: int) -> None:
        self.tensors[f"{key}.weight"] = 1 + 0.1 * torch.randn(width, generator=self.generator)
        self.random(f"{key}.bias", width, scale=0.1)


# --------------------------------------------------------------------------- the parts


def unet_tensors(
    *,
    seed: int = 0,
    channels: int = 32,
    mult: Sequence[int] = (1, 1, 2, 2),
    depth: Sequence[int] = (1, 1, 1, 0),
    mid_depth: int = 1,
    context: int = 64,
    in_channels: int = 4,
    adm: int = 0,
    linear_projection: bool = False,
) -> Tensors:
    """The U-Net with CompVis names; depth = transformer blocks per level (0 = no attention there)."""
    w, p, emb, layers = _Writer(seed), UNET, 4 * channels, 2

    def resnet(key: str, inner: int, out: int) -> None:
        w.norm(f"{key}.in_layers.0", inner)
        w.conv(f"{key}.in_layers.2", out, inner, gain=1.4)
        w.linear(f"{key}.emb_layers.1", out, emb, gain=0.6)
        w.norm(f"{key}.out_layers.0", out)
        w.conv(f"{key}.out_layers.3", out, out, gain=0.7)
        if inner != out:
            w.conv(f"{key}.skip_connection", out, inner, 1)

    def transformer(key: str, width: int, blocks: int) -> None:
        w.norm(f"{key}.norm", width)
        for side in ("proj_in", "proj_out"):
            if linear_projection:
                w.linear(f"{key}.{side}", width, width, gain=0.7)
            else:
                w.conv(f"{key}.{side}", width, width, 1, gain=0.7)
        for n in range(blocks):
            block = f"{key}.transformer_blocks.{n}"
            for name, source, gain in (("attn1", width, 0.5), ("attn2", context, 1.5)):
                for part, inner in (("to_q", width), ("to_k", source), ("to_v", source)):
                    w.linear(f"{block}.{name}.{part}", width, inner, bias=False, gain=1.5)
                w.linear(f"{block}.{name}.to_out.0", width, width, gain=gain)
            w.linear(f"{block}.ff.net.0.proj", 8 * width, width)
            w.linear(f"{block}.ff.net.2", width, 4 * width, gain=0.7)
            for norm in (1, 2, 3):
                w.norm(f"{block}.norm{norm}", width)

    w.linear(f"{p}time_embed.0", emb, channels)
    w.linear(f"{p}time_embed.2", emb, emb)
    if adm:
        w.linear(f"{p}label_emb.0.0", emb, adm)
        w.linear(f"{p}label_emb.0.2", emb, emb)
    w.conv(f"{p}input_blocks.0.0", channels, in_channels)
    skips, width, n = [channels], channels, 1
    for level, m in enumerate(mult):
        for _ in range(layers):
            resnet(f"{p}input_blocks.{n}.0", width, m * channels)
            width = m * channels
            if depth[level]:
                transformer(f"{p}input_blocks.{n}.1", width, depth[level])
            skips.append(width)
            n += 1
        if level < len(mult) - 1:
            w.conv(f"{p}input_blocks.{n}.0.op", width, width)
            skips.append(width)
            n += 1
    resnet(f"{p}middle_block.0", width, width)
    transformer(f"{p}middle_block.1", width, mid_depth)
    resnet(f"{p}middle_block.2", width, width)
    n = 0
    for level, m in reversed(list(enumerate(mult))):
        for layer in range(layers + 1):
            resnet(f"{p}output_blocks.{n}.0", width + skips.pop(), m * channels)
            width = m * channels
            if depth[level]:
                transformer(f"{p}output_blocks.{n}.1", width, depth[level])
            if level and layer == layers:
                w.conv(f"{p}output_blocks.{n}.{2 if depth[level] else 1}.conv", width, width)
            n += 1
    w.norm(f"{p}out.0", channels)
    w.conv(f"{p}out.2", 4, channels)
    return w.tensors


def vae_tensors(*, seed: int = 1, channels: int = 32, mult: Sequence[int] = (1, 1, 1, 1), prefix: str = VAE) -> Tensors:
    """The VAE with CompVis names; prefix "" as in files under models/VAE."""
    w, p, layers = _Writer(seed), prefix, 2

    def resnet(key: str, inner: int, out: int) -> None:
        w.norm(f"{key}.norm1", inner)
        w.conv(f"{key}.conv1", out, inner, gain=1.4)
        w.norm(f"{key}.norm2", out)
        w.conv(f"{key}.conv2", out, out, gain=0.7)
        if inner != out:
            w.conv(f"{key}.nin_shortcut", out, inner, 1)

    def middle(key: str, width: int) -> None:
        resnet(f"{key}.block_1", width, width)
        w.norm(f"{key}.attn_1.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            w.conv(f"{key}.attn_1.{part}", width, width, 1)
        resnet(f"{key}.block_2", width, width)

    w.conv(f"{p}encoder.conv_in", channels, 3)
    width = channels
    for level, m in enumerate(mult):
        for layer in range(layers):
            resnet(f"{p}encoder.down.{level}.block.{layer}", width, m * channels)
            width = m * channels
        if level < len(mult) - 1:
            w.conv(f"{p}encoder.down.{level}.downsample.conv", width, width)
    middle(f"{p}encoder.mid", width)
    w.norm(f"{p}encoder.norm_out", width)
    w.conv(f"{p}encoder.conv_out", 8, width)
    w.conv(f"{p}quant_conv", 8, 8, 1)
    w.tensors[f"{p}quant_conv.bias"][4:] = -20.0  # a posterior as narrow as a trained one
    w.conv(f"{p}post_quant_conv", 4, 4, 1)
    w.conv(f"{p}decoder.conv_in", width, 4)
    middle(f"{p}decoder.mid", width)
    for level in reversed(range(len(mult))):
        for layer in range(layers + 1):
            resnet(f"{p}decoder.up.{level}.block.{layer}", width, mult[level] * channels)
            width = mult[level] * channels
        if level:
            w.conv(f"{p}decoder.up.{level}.upsample.conv", width, width)
    w.norm(f"{p}decoder.norm_out", width)
    w.conv(f"{p}decoder.conv_out", 3, width, gain=0.5)
    return w.tensors


def hf_text_tensors(prefix: str, *, seed: int = 2, width: int = 64, layers: int = 2) -> Tensors:
    """A CLIP text encoder with transformers' names; prefix ends with "text_model." or with what stands in its place."""
    w = _Writer(seed)
    w.tensors[f"{prefix}embeddings.position_ids"] = torch.arange(77)[None]
    w.random(f"{prefix}embeddings.token_embedding.weight", VOCABULARY, width, scale=0.3)
    w.random(f"{prefix}embeddings.position_embedding.weight", 77, width, scale=0.1)
    for n in range(layers):
        key = f"{prefix}encoder.layers.{n}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            w.linear(f"{key}.self_attn.{part}", width, width)
        w.norm(f"{key}.layer_norm1", width)
        w.norm(f"{key}.layer_norm2", width)
        w.linear(f"{key}.mlp.fc1", 4 * width, width)
        w.linear(f"{key}.mlp.fc2", width, 4 * width)
    w.norm(f"{prefix}final_layer_norm", width)
    return w.tensors


def openclip_text_tensors(prefix: str, *, seed: int = 3, width: int = 64, layers: int = 3, projection: int | None = None) -> Tensors:
    """A CLIP text encoder with OpenCLIP's names: q, k and v stacked, the projection stored as (width, projection)."""
    w = _Writer(seed)
    w.random(f"{prefix}token_embedding.weight", VOCABULARY, width, scale=0.3)
    w.random(f"{prefix}positional_embedding", 77, width, scale=0.1)
    w.random(f"{prefix}text_projection", width, projection or width, scale=width**-0.5)
    w.tensors[f"{prefix}logit_scale"] = torch.tensor(4.6052)
    for n in range(layers):
        key = f"{prefix}transformer.resblocks.{n}"
        w.random(f"{key}.attn.in_proj_weight", 3 * width, width, scale=width**-0.5)
        w.random(f"{key}.attn.in_proj_bias", 3 * width, scale=0.03)
        w.linear(f"{key}.attn.out_proj", width, width)
        w.norm(f"{key}.ln_1", width)
        w.norm(f"{key}.ln_2", width)
        w.linear(f"{key}.mlp.c_fc", 4 * width, width)
        w.linear(f"{key}.mlp.c_proj", width, 4 * width)
    w.norm(f"{prefix}ln_final", width)
    return w.tensors


# --------------------------------------------------------------------------- whole files


def sd1_tensors(*, seed: int = 0, inpaint: bool = False, edit: bool = False, text_prefix: str = "cond_stage_model.transformer.text_model.") -> Tensors:
    """SD 1.x: 1×1 convolutions around the transformers, CLIP-L in transformers' layout, context 64."""
    return {
        **unet_tensors(seed=seed, in_channels=9 if inpaint else 8 if edit else 4),
        **vae_tensors(seed=seed + 1),
        **hf_text_tensors(text_prefix, seed=seed + 2),
    }


def sd2_tensors(*, seed: int = 0, inpaint: bool = False) -> Tensors:
    """SD 2.x: linear projections, OpenCLIP-H in OpenCLIP's layout, context 64."""
    return {
        **unet_tensors(seed=seed, channels=64, mult=(1, 1, 1, 1), linear_projection=True, in_channels=9 if inpaint else 4),
        **vae_tensors(seed=seed + 1),
        **openclip_text_tensors("cond_stage_model.model.", seed=seed + 2),
    }


def sdxl_tensors(*, seed: int = 0, inpaint: bool = False) -> Tensors:
    """SDXL base: two encoders of width 64, so context 128; vector = 64 pooled + 6 × 256 size values."""
    return {
        **unet_tensors(
            seed=seed,
            channels=64,
            mult=(1, 1, 1),
            depth=(0, 1, 2),
            mid_depth=2,
            context=128,
            adm=64 + 6 * 256,
            linear_projection=True,
            in_channels=9 if inpaint else 4,
        ),
        **vae_tensors(seed=seed + 1),
        **hf_text_tensors("conditioner.embedders.0.transformer.text_model.", seed=seed + 2),
        **openclip_text_tensors("conditioner.embedders.1.model.", seed=seed + 3),
    }


def refiner_tensors(*, seed: int = 0) -> Tensors:
    """The SDXL refiner: one OpenCLIP encoder; vector = 64 pooled + 5 × 256 size and score values."""
    return {
        **unet_tensors(seed=seed, channels=64, mult=(1, 1, 1, 1), depth=(0, 1, 1, 0), mid_depth=1, context=64, adm=64 + 5 * 256, linear_projection=True),
        **vae_tensors(seed=seed + 1),
        **openclip_text_tensors("conditioner.embedders.0.model.", seed=seed + 3),
    }


def with_ema(tensors: Tensors) -> Tensors:
    """The same and a copy of the U-Net under its EMA names, with other values."""
    ema = {"model_ema." + key.removeprefix("model.").replace(".", ""): value + 1 for key, value in tensors.items() if key.startswith(UNET)}
    return {**tensors, **ema, "model_ema.decay": torch.tensor(0.9999)}


def write(path: Path, tensors: Tensors, *, dtype: torch.dtype = torch.float16, metadata: dict[str, str] | None = None) -> Path:
    """By suffix: .safetensors, or .ckpt / .pt as a pickle with the usual "state_dict" level. The alphas table stays float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cast = {k: v.to(dtype).contiguous() if v.is_floating_point() and k != "alphas_cumprod" else v for k, v in tensors.items()}
    if path.suffix == ".safetensors":
        save_file(cast, path, {"format": "pt", **(metadata or {})})
    else:
        torch.save({"state_dict": cast, "global_step": 1}, path)
    return path


def write_sd1(path: Path, *, seed: int = 0, dtype: torch.dtype = torch.float16) -> Path:
    return write(path, sd1_tensors(seed=seed), dtype=dtype)


def write_sd2_v(path: Path, *, seed: int = 0, dtype: torch.dtype = torch.float16) -> Path:
    """Marked as v-prediction by an empty tensor."""
    return write(path, {**sd2_tensors(seed=seed), "v_pred": torch.zeros(0)}, dtype=dtype)


def write_sdxl(path: Path, *, seed: int = 0, dtype: torch.dtype = torch.float16) -> Path:
    return write(path, sdxl_tensors(seed=seed), dtype=dtype)


def write_vae(path: Path, *, seed: int = 50, dtype: torch.dtype = torch.float16) -> Path:
    return write(path, vae_tensors(seed=seed, prefix=""), dtype=dtype)

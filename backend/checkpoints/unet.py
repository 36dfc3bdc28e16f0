"""One call of the U-Net: diffusers' modules, walked through directly.

diffusers' own forward() serves many models; this walk does the same sums for SD's U-Nets without the passes over memory that change nothing
(divisions by one, copies, signatures read at each call), and gives token merging and upcast attention their place.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.checkpoints.token_merging import merging

Block = Any  # a module of diffusers, whose parts torch types as "Tensor or Module"


@dataclass(frozen=True, kw_only=True)
class UNetOptions:
    """How a call is made."""

    token_merging_ratio: float = 0.0  # 0 = off
    upcast_attention: bool = False  # attention in float32 whatever the model's precision


class UNetCall:
    """(x, t, cross, vector) → the U-Net's output, in its own dtype. bring(block) is told which block comes next (--lowvram)."""

    def __init__(self, unet: Block, bring: Callable[[nn.Module], None] | None = None) -> None:
        self.options = UNetOptions()
        self._unet = unet
        self._ends = nn.ModuleList(
            module for module in (unet.time_embedding, getattr(unet, "add_embedding", None), unet.conv_in, unet.conv_norm_out, unet.conv_out) if module
        )
        self._bring = bring or (lambda block: None)
        half = unet.conv_in.out_channels // 2
        self._frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)

    def __call__(self, x: Tensor, t: Tensor, cross: Tensor, vector: Tensor | None) -> Tensor:
        """x: (N, C, h, w), t: (N,) float32, cross: (N, tokens, width), vector: (N, adm) or None. No input is written to."""
        unet, pixels = self._unet, x.shape[2] * x.shape[3]
        self._bring(self._ends)
        emb = self._embed(t, vector, x.dtype)
        x = unet.conv_in(x)
        skips = [x]
        for block in unet.down_blocks:
            self._bring(block)
            attentions = getattr(block, "attentions", None)
            for i, resnet in enumerate(block.resnets):
                x = _resnet(resnet, x, emb)
                if attentions is not None:
                    x = self._transformer(attentions[i], x, cross, pixels)
                skips.append(x)
            if block.downsamplers is not None:
                x = block.downsamplers[0].conv(x)
                skips.append(x)
        middle = unet.mid_block
        self._bring(middle)
        x = _resnet(middle.resnets[0], x, emb)
        x = self._transformer(middle.attentions[0], x, cross, pixels)
        x = _resnet(middle.resnets[1], x, emb)
        for block in unet.up_blocks:
            self._bring(block)
            attentions = getattr(block, "attentions", None)
            for i, resnet in enumerate(block.resnets):
                x = _resnet(resnet, _join(x, skips.pop()), emb)
                if attentions is not None:
                    x = self._transformer(attentions[i], x, cross, pixels)
            if block.upsamplers is not None:
                x = block.upsamplers[0].conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        self._bring(self._ends)
        x = F.silu(unet.conv_norm_out(x), inplace=True)
        return unet.conv_out(x)

    def blocks(self) -> list[nn.Module]:
        """What bring() is called with, all of the U-Net's weights together."""
        return [self._ends, *self._unet.down_blocks, self._unet.mid_block, *self._unet.up_blocks]

    def _embed(self, t: Tensor, vector: Tensor | None, dtype: torch.dtype) -> Tensor:
        """Fractional t → SiLU of the time embedding (N, 4·width), as every resnet wants it."""
        if self._frequencies.device != t.device:
            self._frequencies = self._frequencies.to(t.device)
        angles = t[:, None] * self._frequencies[None]
        emb = self._unet.time_embedding(torch.cat([angles.cos(), angles.sin()], dim=-1).to(dtype))
        if vector is not None:
            emb = emb + self._unet.add_embedding(vector)
        return F.silu(emb)

    def _transformer(self, module: Block, x: Tensor, cross: Tensor, pixels: int) -> Tensor:
        batch, channels, height, width = x.shape
        h = module.norm(x)
        if module.use_linear_projection:
            h = module.proj_in(h.permute(0, 2, 3, 1).reshape(batch, height * width, channels))
        else:
            h = module.proj_in(h).permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        full_size = height * width == pixels
        for block in module.transformer_blocks:
            h = self._block(block, h, cross, (height, width) if full_size else None)
        if module.use_linear_projection:
            h = module.proj_out(h).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
        else:
            h = module.proj_out(h.reshape(batch, height, width, channels).permute(0, 3, 1, 2))
        return h.add_(x) if h.stride() == x.stride() else x + h  # the sum keeps the picture's layout

    def _block(self, block: Block, x: Tensor, cross: Tensor, size: tuple[int, int] | None) -> Tensor:
        """size: of the picture in tokens where tokens may be merged."""
        normed = block.norm1(x)
        if size is not None and self.options.token_merging_ratio > 0:
            merge, unmerge = merging(x, *size, self.options.token_merging_ratio)
            normed = merge(normed)
            x = unmerge(self._attention(block.attn1, normed, normed)).add_(x)
        else:
            x = self._attention(block.attn1, normed, normed).add_(x)
        x = self._attention(block.attn2, block.norm2(x), cross).add_(x)
        value, gate = block.ff.net[0].proj(block.norm3(x)).chunk(2, dim=-1)
        return block.ff.net[2](F.gelu(gate).mul_(value)).add_(x)

    def _attention(self, attention: Block, x: Tensor, source: Tensor) -> Tensor:
        heads = attention.heads
        q, k, v = _split(attention.to_q(x), heads), _split(attention.to_k(source), heads), _split(attention.to_v(source), heads)
        if self.options.upcast_attention and v.dtype != torch.float32:
            out = F.scaled_dot_product_attention(q.float(), k.float(), v.float()).to(v.dtype)
        else:
            out = F.scaled_dot_product_attention(q, k, v)
        return attention.to_out[0](out.transpose(1, 2).flatten(2))


def _split(x: Tensor, heads: int) -> Tensor:
    """(N, tokens, heads·d) → (N, heads, tokens, d)"""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def _resnet(block: Block, x: Tensor, emb: Tensor) -> Tensor:
    """emb: behind its SiLU."""
    h = block.conv1(F.silu(block.norm1(x), inplace=True))
    h.add_(block.time_emb_proj(emb)[:, :, None, None])
    h = block.conv2(F.silu(block.norm2(h), inplace=True))
    return h.add_(x if block.conv_shortcut is None else block.conv_shortcut(x))


def _join(x: Tensor, skip: Tensor) -> Tensor:
    """At sizes that are no multiple of 64 pixels the way up is a row or column larger than the way down: A1111 shrinks it here."""
    if x.shape[-2:] != skip.shape[-2:]:
        x = F.interpolate(x, skip.shape[-2:], mode="nearest")
    return torch.cat([x, skip], dim=1)

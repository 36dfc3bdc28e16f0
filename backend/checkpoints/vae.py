"""Latents ↔ pixels by diffusers' AutoencoderKL: scaling, decode in tiles, float32 when half precision is not enough."""

import logging
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backend.errors import WebUIError

log = logging.getLogger(__name__)


class Vae:
    """An AutoencoderKL on its device. tiles, retry_float32: plain switches, see ModelOptions."""

    def __init__(self, module: nn.Module, *, scale: float, device: torch.device, dtype: torch.dtype, bring: Callable[[nn.Module], None]) -> None:
        self.module: Any = module
        self.dtype = dtype
        self.tiles = False
        self.retry_float32 = True
        self._scale, self._device, self._bring = scale, device, bring

    def decode(self, latent: Tensor) -> Tensor:
        """(B, 4, h, w) → (B, 3, 8h, 8w) float32, about −1…1. Raises WebUIError if the latent or the picture is not a number."""
        if latent.isnan().any():
            raise WebUIError(
                "The U-Net gave a latent that is not a number: try the setting “Upcast cross attention layer to float32”, or start with --no-half."
            )
        return self._safely(lambda: self._decode((1 / self._scale) * latent.to(self._device)))

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """(B, 3, H, W), −1…1 → (B, 4, H/8, W/8) float32: the posterior's mean, or a draw from it by standard normal noise."""
        return self._safely(lambda: self._encode(pixels.to(self._device), noise))

    def _safely(self, run: Callable[[], Tensor]) -> Tensor:
        self._bring(self.module)
        result = run()
        if not result.isnan().any():
            return result
        if self.dtype != torch.float32 and self.retry_float32:
            log.warning("The VAE gave NaN in %s: it goes on in float32 from now on.", str(self.dtype).removeprefix("torch."))
            self.module.to(torch.float32)
            self.dtype = torch.float32
            result = run()
        if result.isnan().any():
            raise WebUIError("The VAE gave a picture that is not a number: start with --no-half-vae, or choose another one in SD VAE.")
        return result

    def _decode(self, latent: Tensor) -> Tensor:
        z, vae = latent.to(self.dtype), self.module
        if self.tiles and max(z.shape[-2:]) > vae.tile_latent_min_size:
            return vae.tiled_decode(z, return_dict=False)[0].float()
        return _walk_decoder(vae, z).float()

    def _encode(self, pixels: Tensor, noise: Tensor | None) -> Tensor:
        posterior = self.module.encode(pixels.to(self.dtype), return_dict=False)[0]
        latent = posterior.mean.float()
        if noise is not None:
            latent = latent + posterior.std.float() * noise.to(latent.device)
        return self._scale * latent


def _walk_decoder(vae: Any, z: Tensor) -> Tensor:
    """What vae.decode() computes, without the passes over memory that change nothing."""
    decoder = vae.decoder
    x = decoder.conv_in(vae.post_quant_conv(z))
    middle = decoder.mid_block
    x = _resnet(middle.resnets[0], x)
    x = _resnet(middle.resnets[1], middle.attentions[0](x))
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            x = _resnet(resnet, x)
        if block.upsamplers is not None:
            x = block.upsamplers[0].conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
    return decoder.conv_out(F.silu(decoder.conv_norm_out(x), inplace=True))


def _resnet(block: Any, x: Tensor) -> Tensor:
    h = block.conv1(F.silu(block.norm1(x), inplace=True))
    h = block.conv2(F.silu(block.norm2(h), inplace=True))
    return h.add_(x if block.conv_shortcut is None else block.conv_shortcut(x))

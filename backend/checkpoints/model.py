"""A loaded checkpoint: U-Net, VAE and text encoders on their device, and how they are called."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.checkpoints.architecture import Architecture
from backend.checkpoints.offload import Offload
from backend.checkpoints.parts import Part
from backend.checkpoints.placement import Placement
from backend.checkpoints.small_vae import Small, SmallVaes, Way
from backend.checkpoints.tiling import set_tiling
from backend.checkpoints.unet import UNetCall, UNetOptions
from backend.checkpoints.vae import Vae
from backend.errors import WebUIError
from backend.job import ModelOptions


class Model:
    """Parts that are filled with weights. Parameters keep their memory as long as the model lives (but with --medvram and --lowvram).

    text_encoders: transformers' CLIPTextModel, or CLIPTextModelWithProjection (its modules lie under text_model.), with all layers of the file.
    """

    def __init__(self, path: Path, architecture: Architecture, placement: Placement, parts: Mapping[str, Part], vae: Part, alphas_cumprod: Tensor) -> None:
        self.path = path
        self.name = path.stem
        self.architecture = architecture
        self.placement = placement
        self.alphas_cumprod = alphas_cumprod  # (1000,) float32 on the CPU
        self._parts = parts  # "unet", "text_encoders.0", …: those that networks may change
        self._copies: dict[str, Tensor] = {}  # pristine weights where the file cannot be asked again
        self._tiling = False
        self._options: ModelOptions | None = None
        self._small: dict[Way, Small] = {}  # what stands in for the VAE
        self._offload = Offload(placement.device)
        self.unet = parts["unet"].module
        self.text_encoders = tuple(part.module for name, part in parts.items() if name.startswith("text_encoders."))
        self._call = UNetCall(self.unet, self._offload.bring)
        self._register_offload()
        self.use_vae(vae)

    # ------------------------------------------------------------------ drawing

    def predict(self, x: Tensor, t: Tensor, cross: Tensor, vector: Tensor | None = None) -> Tensor:
        """One U-Net call. x: (N, C, h, w) already scaled, inpainting channels included; t: (N,), fractional; cross: (N, tokens, width);
        vector: (N, adm) for SDXL → (N, 4, h, w) float32: ε or v, whichever the model predicts."""
        place, dtype = self.placement.device, self.placement.unet_dtype
        layout = torch.channels_last if self.placement.channels_last else torch.contiguous_format
        x = x.to(place, dtype, memory_format=layout)
        out = self._call(x, t.to(place, torch.float32), cross.to(place, dtype), None if vector is None else vector.to(place, dtype))
        return out.to(torch.float32, memory_format=torch.contiguous_format)

    def decode(self, latent: Tensor) -> Tensor:
        """(B, 4, h, w) float32 → (B, 3, 8h, 8w) float32, about −1…1; in float32 if half precision gives NaN."""
        if "decoder" in self._small:
            return self._small["decoder"](latent)
        return self._vae.decode(latent)

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """(B, 3, H, W), −1…1 → (B, 4, H/8, W/8) float32; noise: draws from the posterior instead of its mean, where there is one."""
        if "encoder" in self._small:
            return self._small["encoder"](pixels)
        return self._vae.encode(pixels, noise)

    @property
    def vae(self) -> nn.Module:
        return self._vae.module

    def set_options(self, options: ModelOptions) -> None:
        """Tiling, token merging, attention's precision, VAE tiles: afterwards all of them are as wanted, whatever they were."""
        self._options = options
        self._call.options = UNetOptions(token_merging_ratio=options.token_merging_ratio, upcast_attention=options.upcast_attention)
        self._vae.tiles = options.vae_tiling and not options.tiling  # a tile would be made seamless in itself
        self._vae.retry_float32 = options.vae_retry_float32
        if options.tiling != self._tiling:
            self._tiling = options.tiling
            set_tiling(self.unet, self._tiling)
            set_tiling(self._vae.module, self._tiling)

    def use_small(self, small: SmallVaes) -> None:
        """Lets small networks stand in for the VAE where the options want it and the files are there."""
        assert self._options is not None
        self._small = {}
        for way, method in self._wanted_small().items():
            if found := small.find(method, way, self.architecture.family, self.placement.device):
                self._small[way] = found

    def _wanted_small(self) -> dict[Way, str]:
        options = self._options
        return {} if options is None else {"decoder": options.vae_decoder, "encoder": options.vae_encoder}

    @property
    def small(self) -> dict[str, str]:
        """What stands in for the VAE, as A1111's infotext has it: {"VAE Decoder": "TAESD"}."""
        return {f"VAE {way.capitalize()}": method for way, method in self._wanted_small().items() if way in self._small}

    @property
    def missed(self) -> tuple[str, ...]:
        """What was wanted so and is not there, as sentences for the person."""
        missing = [(way, method) for way, method in self._wanted_small().items() if method != "Full" and way not in self._small]
        return tuple(f"The VAE's {way} {method} has no file here (docs/models.md): the VAE itself was used." for way, method in missing)

    def use_vae(self, part: Part) -> None:
        """Another VAE, filled, in place of the one so far."""
        place = self.placement
        self._vae = Vae(part.module, scale=self.architecture.latent_scale, device=place.device, dtype=place.vae_dtype, bring=self._offload.bring)
        set_tiling(part.module, self._tiling)
        if place.offload != "none":
            self._offload.register([part.module], part.module)

    # ------------------------------------------------------------------ weights

    def named_modules(self) -> dict[str, dict[str, nn.Module]]:
        """Component ("unet", "text_encoders.0", "text_encoders.1") → module path → module."""
        return {name: dict(part.module.named_modules()) for name, part in self._parts.items()}

    def as_loaded(self, parameter_name: str) -> Tensor:
        """What a weight held when it was loaded ("unet.conv_in.weight"), in its shape and in the file's precision. Not to be written: it is the file itself.

        Has to be asked before the weight is first written. Raises WebUIError if the file was overwritten since it was loaded.
        """
        part, name = self._part(parameter_name)
        parameter = part.module.get_parameter(name)
        if not part.file.mapped:
            if parameter_name not in self._copies:
                self._copies[parameter_name] = parameter.detach().clone()
            return self._copies[parameter_name]
        if not part.file.unchanged():
            raise WebUIError(f"{part.file.path.name} was overwritten while it was loaded: choose the checkpoint again.")
        return part.loaded(name, parameter)

    def _part(self, parameter_name: str) -> tuple[Part, str]:
        """The part that has the parameter, and its name in there."""
        component = next(name for name in self._parts if parameter_name.startswith(f"{name}."))
        return self._parts[component], parameter_name.removeprefix(f"{component}.")

    def close(self) -> None:
        """Gives the memory back, even if somebody still holds the model."""
        for module in (self.unet, self._vae.module, *self.text_encoders):
            for parameter in module.parameters():
                parameter.data = torch.empty(0, dtype=parameter.dtype)
        self._copies.clear()

    def _register_offload(self) -> None:
        if self.placement.offload == "none":
            return
        blocks = self._call.blocks()
        for block in blocks:
            self._offload.register([block], block if self.placement.offload == "low" else self.unet)
        for encoder in self.text_encoders:
            self._offload.register(encoder.modules(), encoder)
            self._offload.hook(encoder.modules())

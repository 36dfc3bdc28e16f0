"""diffusers' and transformers' modules: built empty on the meta device, then filled once from the file."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from backend.checkpoints import sources
from backend.checkpoints.architecture import UNET, TextShape, UNetShape, VaeShape, is_diffusers_vae, vae_prefix
from backend.checkpoints.cast import copy_into
from backend.checkpoints.sources import Source
from backend.checkpoints.weight_file import WeightFile
from backend.errors import WebUIError

VAE_TILE = 512  # pixels a side, where a decode in tiles is asked for


@dataclass
class Part:
    """One module and where each of its parameters comes from."""

    what: str  # for messages: "U-Net", "VAE", "text encoder"
    module: nn.Module
    sources: dict[str, Source]
    file: WeightFile

    def check(self) -> None:
        """Raises WebUIError if the file lacks a parameter or holds one of another shape."""
        shapes = self.file.shapes
        missing = [source.key for source in self.sources.values() if source.key not in shapes]
        if missing:
            raise WebUIError(f"{self.file.path.name} lacks {len(missing)} tensors of its {self.what} ({missing[0]}): it is incomplete; get it again.")
        for name, parameter in self.module.named_parameters():
            source = self.sources[name]
            if not source.fits(shapes[source.key], tuple(parameter.shape)):
                found, wanted = _words(shapes[source.key]), _words(tuple(parameter.shape))
                raise WebUIError(f"{self.file.path.name} holds {source.key} as {found} instead of {wanted}: its {self.what} is of an unknown layout.")

    def loaded(self, name: str, parameter: Tensor) -> Tensor:
        """The mapped file itself, seen in the parameter's shape."""
        source = self.sources[name]
        return source.view(self.file.tensor(source.key), tuple(parameter.shape))

    def fill(self, device: torch.device, dtype: torch.dtype, *, channels_last: bool = False) -> None:
        """Gives every parameter memory of its own, which from then on never moves, and the file's values, cast once."""
        filled = {}
        with torch.inference_mode(False), torch.no_grad():
            for name, empty in self.module.named_parameters():
                source = self.sources[name]
                layout = torch.channels_last if channels_last and empty.ndim == 4 else torch.contiguous_format
                filled[name] = torch.empty(empty.shape, dtype=dtype, device=device, memory_format=layout)
                copy_into(filled[name], source.view(self.file.tensor(source.key), tuple(empty.shape)))
            for name, empty in self.module.named_buffers():
                filled[name] = _buffer(name, empty, device)
            self.module.requires_grad_(False).eval()
            _assign(self.module, filled)


def _buffer(name: str, empty: Tensor, device: torch.device) -> Tensor:
    assert name.endswith("position_ids"), name  # the only buffer of all these modules
    return torch.arange(empty.shape[-1], device=device)[None]


def _assign(module: nn.Module, values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        path, _, leaf = name.rpartition(".")
        owner = module.get_submodule(path)
        if leaf in owner._parameters:
            owner._parameters[leaf] = nn.Parameter(value, requires_grad=False)
        else:
            owner._buffers[leaf] = value


def _words(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a number"


def unet_part(file: WeightFile, shape: UNetShape) -> Part:
    attention = [depth > 0 for depth in shape.depth]
    depth = [*shape.depth[:-1], shape.mid_depth]  # diffusers takes the middle's from the last level
    config: dict[str, Any] = {
        "in_channels": shape.in_channels,
        "block_out_channels": shape.channels,
        "layers_per_block": shape.layers,
        "down_block_types": tuple("CrossAttnDownBlock2D" if has else "DownBlock2D" for has in attention),
        "up_block_types": tuple("CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(attention)),
        "transformer_layers_per_block": tuple(max(1, blocks) for blocks in depth),
        "attention_head_dim": shape.heads,  # diffusers' name for the number of heads
        "cross_attention_dim": shape.context_width,
        "use_linear_projection": shape.linear_projection,
    }
    if shape.vector_width:
        config |= {"addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": shape.vector_width}
    with torch.device("meta"):
        module = UNet2DConditionModel(**config)
    names = [name for name, _ in module.named_parameters()]
    return Part("U-Net", module, sources.unet_sources(names, UNET, shape.layers, tuple(reversed(attention))), file)


def vae_part(file: WeightFile, shape: VaeShape) -> Part:
    levels = len(shape.channels)
    config: dict[str, Any] = {
        "block_out_channels": shape.channels,
        "layers_per_block": shape.layers,
        "latent_channels": shape.latent_channels,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "sample_size": VAE_TILE,
    }
    with torch.device("meta"):
        module = AutoencoderKL(**config)
    names = [name for name, _ in module.named_parameters()]
    own_names = file.shapes.__contains__ if is_diffusers_vae(file.shapes) else None
    return Part("VAE", module, sources.vae_sources(names, vae_prefix(file.shapes) or "", levels, diffusers_names=own_names), file)


def text_part(file: WeightFile, shape: TextShape) -> Part:
    """All layers, also where only the last but one is read."""
    config = CLIPTextConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.mlp_width,
        projection_dim=shape.projection or shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.tokens,
        hidden_act=shape.activation,
    )
    with torch.device("meta"):
        module = CLIPTextModelWithProjection(config) if shape.projection else CLIPTextModel(config)
    return Part("text encoder", module, sources.text_sources([name for name, _ in module.named_parameters()], shape), file)

"""Which tensor of the file, seen how, is a parameter of diffusers' or transformers' module. Every conversion is a view."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from backend.checkpoints.architecture import TextShape
from backend.compvis_names import OPENCLIP_LAYER, UNET_ENDS, UNET_RESNET

# CompVis name of a part ← diffusers' name of it
_VAE_ATTENTION: Mapping[str, str] = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OLD_DIFFUSERS_ATTENTION: Mapping[str, str] = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
_STACKED = ("q_proj", "k_proj", "v_proj")  # their order in OpenCLIP's in_proj


@dataclass(frozen=True)
class Source:
    """A file tensor, a slice of its rows if part is given ((index, of how many)), transposed if asked; then the parameter's shape."""

    key: str
    part: tuple[int, int] | None = None
    transposed: bool = False

    def view(self, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        if self.part is not None:
            rows = tensor.shape[0] // self.part[1]
            tensor = tensor[self.part[0] * rows : (self.part[0] + 1) * rows]
        return (tensor.t() if self.transposed else tensor).view(shape)

    def fits(self, file_shape: tuple[int, ...], shape: tuple[int, ...]) -> bool:
        """Whether the view exists: same shape but for 1×1 kernels, which are linear layers elsewhere."""
        if self.part is not None:
            file_shape = (file_shape[0] // self.part[1], *file_shape[1:])
        if self.transposed:
            file_shape = file_shape[::-1]
        return _without_kernel(file_shape) == _without_kernel(shape)


def _without_kernel(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:2] if len(shape) > 2 and set(shape[2:]) == {1} else shape


def unet_sources(names: Iterable[str], prefix: str, layers: int, attention: tuple[bool, ...]) -> dict[str, Source]:
    """attention: whether the up blocks, in diffusers' order, have any; a block's upsampler comes behind it."""
    return {name: Source(prefix + _unet_key(name, layers, attention)) for name in names}


def _unet_key(name: str, layers: int, attention: tuple[bool, ...]) -> str:
    path, leaf = name.rsplit(".", 1)
    if path in UNET_ENDS:
        return f"{UNET_ENDS[path]}.{leaf}"
    if match := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)", path):
        side, block, kind, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
        place = f"input_blocks.{1 + (layers + 1) * block + index}" if side == "down" else f"output_blocks.{(layers + 1) * block + index}"
        return f"{place}.{_inside(kind, rest)}.{leaf}"
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", path):
        place = 1 + 2 * int(match[2]) if match[1] == "attentions" else 2 * int(match[2])
        return f"middle_block.{place}.{_inside(match[1], match[3]).split('.', 1)[1]}.{leaf}"
    if match := re.fullmatch(r"down_blocks\.(\d+)\.downsamplers\.0\.conv", path):
        return f"input_blocks.{(layers + 1) * (int(match[1]) + 1)}.0.op.{leaf}"
    if match := re.fullmatch(r"up_blocks\.(\d+)\.upsamplers\.0\.conv", path):
        block = int(match[1])
        return f"output_blocks.{(layers + 1) * block + layers}.{2 if attention[block] else 1}.conv.{leaf}"
    raise AssertionError(name)


def _inside(kind: str, rest: str) -> str:
    return f"0.{UNET_RESNET[rest]}" if kind == "resnets" else f"1.{rest}"


def vae_sources(names: Iterable[str], prefix: str, levels: int, *, diffusers_names: Callable[[str], bool] | None = None) -> dict[str, Source]:
    """diffusers_names: whether the file has a name, if it is in diffusers' own layout."""
    if diffusers_names is None:
        return {name: Source(prefix + _vae_key(name, levels)) for name in names}
    return {name: Source(name if diffusers_names(name) else _renamed(name, _OLD_DIFFUSERS_ATTENTION)) for name in names}


def _vae_key(name: str, levels: int) -> str:
    """The decoder's levels count from the other end."""
    name = re.sub(r"encoder\.down_blocks\.(\d+)\.", r"encoder.down.\1.", name)
    name = re.sub(r"decoder\.up_blocks\.(\d+)\.", lambda match: f"decoder.up.{levels - 1 - int(match[1])}.", name)
    name = re.sub(r"\.(down|up)samplers\.0\.", r".\1sample.", name)
    name = re.sub(r"\bmid_block\.resnets\.(\d+)\.", lambda match: f"mid.block_{int(match[1]) + 1}.", name)
    name = name.replace(".resnets.", ".block.").replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    if "mid_block.attentions.0." in name:
        name = _renamed(name.replace("mid_block.attentions.0.", "mid.attn_1."), _VAE_ATTENTION)
    return name


def _renamed(name: str, table: Mapping[str, str]) -> str:
    return next((name.replace(f".{ours}.", f".{theirs}.") for ours, theirs in table.items() if f".{ours}." in name), name)


def text_sources(names: Iterable[str], shape: TextShape) -> dict[str, Source]:
    """The names of CLIPTextModel, or of CLIPTextModelWithProjection (text_model. and text_projection)."""
    return {name: (_openclip_source if shape.openclip else _hf_source)(name, shape.prefix) for name in names}


def _hf_source(name: str, prefix: str) -> Source:
    if name == "text_projection.weight":
        return Source(f"{prefix.removesuffix('text_model.')}{name}")
    return Source(prefix + name.removeprefix("text_model."))


def _openclip_source(name: str, prefix: str) -> Source:
    name = name.removeprefix("text_model.")
    if name == "text_projection.weight":
        return Source(f"{prefix}text_projection", transposed=True)
    if name == "embeddings.position_embedding.weight":
        return Source(f"{prefix}positional_embedding")
    if match := re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.(q_proj|k_proj|v_proj)\.(weight|bias)", name):
        key = f"{prefix}transformer.resblocks.{match[1]}.attn.in_proj_{match[3]}"
        return Source(key, part=(_STACKED.index(match[2]), len(_STACKED)))
    if match := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name):
        return Source(f"{prefix}transformer.resblocks.{match[1]}.{OPENCLIP_LAYER[match[2]]}.{match[3]}")
    return Source(prefix + name.replace("embeddings.token_embedding", "token_embedding").replace("final_layer_norm", "ln_final"))

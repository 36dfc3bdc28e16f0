"""The layers of a checkpoint and their shapes, from its header alone, under the names that the loaded modules have."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backend.compvis_names import OPENCLIP_LAYER, UNET_ENDS, UNET_RESNET, reversed_names
from backend.networks.keys import ModuleIndex
from backend.networks.names import Shape, Shapes

_UNET = "model.diffusion_model."
_TEXT = ("cond_stage_model.", "conditioner.embedders.0.", "conditioner.embedders.1.")
_ENDS = reversed_names(UNET_ENDS)
_RESNET = reversed_names(UNET_RESNET)
_OPENCLIP = reversed_names(OPENCLIP_LAYER)
_OPENCLIP_ENDS: Mapping[str, str] = {
    "token_embedding": "text_model.embeddings.token_embedding",
    "ln_final": "text_model.final_layer_norm",
}
_BLOCK = re.compile(r"(input_blocks|output_blocks|middle_block)\.(\d+)\.(?:(\d+)\.)?(.+)")
_RESBLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
_DIFFUSERS = re.compile(r"(?:unet\.)?((?:(?:down|up)_blocks|mid_block|time_embedding|add_embedding)\..+|conv_in|conv_out|conv_norm_out)")


@dataclass(frozen=True)
class Layout:
    """component ("unet", "text_encoders.0") → path of a module → shape of its weight; index: every spelling of them."""

    modules: Mapping[str, Mapping[str, Shape]]
    index: ModuleIndex

    @classmethod
    def read(cls, shapes: Shapes) -> "Layout | None":
        """shapes: of a checkpoint or of a U-Net alone; None for what is neither."""
        weights = {name.removesuffix(".weight"): shape for name, shape in shapes.items() if name.endswith(".weight")}
        unet = dict(_unet(weights))
        if "conv_in" not in unet:
            return None
        texts = [text for place in _TEXT if (text := dict(_text(place, weights, shapes)))]
        modules = {"unet": unet, **{f"text_encoders.{n}": text for n, text in enumerate(texts)}}
        return cls(modules, ModuleIndex(modules))


def _unet(weights: Shapes) -> Iterator[tuple[str, Shape]]:
    inner = {name.removeprefix(_UNET): shape for name, shape in weights.items() if name.startswith(_UNET)}
    if not inner:  # a U-Net alone, in CompVis' names or diffusers'
        yield from ((match[1], shape) for name, shape in weights.items() if (match := _DIFFUSERS.fullmatch(name)))
        inner = {name: shape for name, shape in weights.items() if name.startswith(("input_blocks.", "middle_block.", "output_blocks.", "out.", "time_embed."))}
    downsamplers = [int(name.split(".")[1]) for name in inner if name.startswith("input_blocks.") and name.endswith(".0.op")]
    step = min(downsamplers, default=3)  # input blocks per level: its resnets and the downsampler
    for name, shape in inner.items():
        if name in _ENDS:
            yield _ENDS[name], shape
        elif match := _BLOCK.fullmatch(name):
            yield _block(match[1], int(match[2]), match[3] or "", match[4], step), shape


def _block(side: str, number: int, place: str, rest: str, step: int) -> str:
    if side == "middle_block":
        kind = "attentions" if number == 1 else "resnets"
        return f"mid_block.{kind}.{number // 2}.{_RESNET.get(rest, rest)}"
    if side == "input_blocks":
        level, index = divmod(number - 1, step)
        if rest == "op":
            return f"down_blocks.{level}.downsamplers.0.conv"
        side = "down_blocks"
    else:
        level, index = divmod(number, step)
        if rest == "conv":
            return f"up_blocks.{level}.upsamplers.0.conv"
        side = "up_blocks"
    return f"{side}.{level}.resnets.{index}.{_RESNET.get(rest, rest)}" if place == "0" else f"{side}.{level}.attentions.{index}.{rest}"


def _text(place: str, weights: Shapes, shapes: Shapes) -> Iterator[tuple[str, Shape]]:
    for name, shape in weights.items():
        if name.startswith(f"{place}transformer."):
            path = name.removeprefix(f"{place}transformer.")
            yield path if path.startswith(("text_model.", "text_projection")) else f"text_model.{path}", shape
        elif name.startswith(f"{place}model."):
            yield from _openclip(name.removeprefix(f"{place}model."), shape)
    for name, shape in shapes.items():
        if name.startswith(f"{place}model.") and name.endswith(".attn.in_proj_weight"):
            layer = name.removeprefix(f"{place}model.transformer.resblocks.").removesuffix(".attn.in_proj_weight")
            yield from ((f"text_model.encoder.layers.{layer}.self_attn.{part}_proj", (shape[0] // 3, *shape[1:])) for part in "qkv" if shape)
    if projection := shapes.get(f"{place}model.text_projection"):
        yield "text_projection", projection[::-1]


def _openclip(path: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
    if path in _OPENCLIP_ENDS:
        yield _OPENCLIP_ENDS[path], shape
    elif (match := _RESBLOCK.fullmatch(path)) and match[2] in _OPENCLIP:
        yield f"text_model.encoder.layers.{match[1]}.{_OPENCLIP[match[2]]}", shape

"""Names in LoRA files → modules of a loaded model. Strings only: what a file fits can be told without tensors."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

# The tail of a key, behind the module's name → what deltas call it.
PARTS: Mapping[str, str] = MappingProxyType(
    {
        "lora_up.weight": "up",
        "lora_down.weight": "down",
        "lora_mid.weight": "mid",
        "alpha": "alpha",
        "scale": "scale",
    }
)
# kohya's prefixes of the text encoders: by how many the model has
_TEXT_PREFIXES: Mapping[int, tuple[str, ...]] = MappingProxyType({1: ("lora_te_",), 2: ("lora_te1_", "lora_te2_")})
_UNET_PREFIX = "lora_unet_"

# CompVis' name ← diffusers'
_ENDS: Mapping[str, str] = MappingProxyType(
    {
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
    }
)
_RESNET: Mapping[str, str] = MappingProxyType(
    {
        "norm1": "in_layers.0",
        "conv1": "in_layers.2",
        "time_emb_proj": "emb_layers.1",
        "norm2": "out_layers.0",
        "conv2": "out_layers.3",
        "conv_shortcut": "skip_connection",
    }
)
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")
_DOWNSAMPLER = re.compile(r"down_blocks\.(\d+)\.downsamplers\.0\.conv")
_UPSAMPLER = re.compile(r"up_blocks\.(\d+)\.upsamplers\.0\.conv")


@dataclass(frozen=True)
class Target:
    """A module of the model: "unet" or "text_encoders.0", and its path in there."""

    component: str
    path: str

    @property
    def parameter(self) -> str:
        return f"{self.component}.{self.path}.weight"


def split_key(key: str) -> tuple[str, str]:
    """A file's key → the module as the file calls it, and the part: ("lora_unet_conv_in", "up"). Unknown parts are left as they are."""
    module, _, part = key.partition(".")
    return module, PARTS.get(part, part)


class ModuleIndex:
    """Every spelling of every module of a model. modules: component → paths of the modules that have a weight."""

    def __init__(self, modules: Mapping[str, Collection[str]]) -> None:
        self._targets: dict[str, Target] = {}
        encoders = sorted(component for component in modules if component.startswith("text_encoders."))
        for component, prefix in zip(encoders, _TEXT_PREFIXES.get(len(encoders), ()), strict=False):
            self._add(component, modules[component], lambda path, prefix=prefix: (prefix + name for name in _text_names(path)))
        layout = _Layout.read(modules["unet"])
        self._add("unet", modules["unet"], lambda path: (_UNET_PREFIX + name for name in layout.names(path)))

    def find(self, module: str) -> Target | None:
        """module: as split_key gives it."""
        return self._targets.get(module)

    def _add(self, component: str, paths: Collection[str], names: Callable[[str], Iterable[str]]) -> None:
        for path in paths:
            target = Target(component, path)
            self._targets.update((name.replace(".", "_"), target) for name in names(path))


def _text_names(path: str) -> Iterator[str]:
    """With text_model. in front, as trainers write it, and without, as some versions of transformers have it."""
    bare = path.removeprefix("text_model.")
    yield bare
    yield f"text_model.{bare}"


@dataclass(frozen=True)
class _Layout:
    """What the CompVis numbering depends on."""

    layers: int  # resnets of a down block
    with_attention: frozenset[int]  # up blocks, in diffusers' order

    @classmethod
    def read(cls, paths: Collection[str]) -> "_Layout":
        blocks = [match for path in paths if (match := _BLOCK.fullmatch(path))]
        layers = 1 + max((int(match[4]) for match in blocks if match[1] == "down" and match[3] == "resnets"), default=0)
        return cls(layers, frozenset(int(match[2]) for match in blocks if match[1] == "up" and match[3] == "attentions"))

    def names(self, path: str) -> Iterator[str]:
        yield path
        if (compvis := self._compvis(path)) is not None:
            yield compvis

    def _compvis(self, path: str) -> str | None:
        if path in _ENDS:
            return _ENDS[path]
        if match := _BLOCK.fullmatch(path):
            side, block, kind, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
            number = (self.layers + 1) * block + index
            place = f"input_blocks.{number + 1}" if side == "down" else f"output_blocks.{number}"
            return f"{place}.0.{_RESNET.get(rest, rest)}" if kind == "resnets" else f"{place}.1.{rest}"
        if match := _MIDDLE.fullmatch(path):
            kind, index, rest = match[1], int(match[2]), match[3]
            return f"middle_block.{2 * index}.{_RESNET.get(rest, rest)}" if kind == "resnets" else f"middle_block.{2 * index + 1}.{rest}"
        if match := _DOWNSAMPLER.fullmatch(path):
            return f"input_blocks.{(self.layers + 1) * (int(match[1]) + 1)}.0.op"
        if match := _UPSAMPLER.fullmatch(path):
            block = int(match[1])
            return f"output_blocks.{(self.layers + 1) * block + self.layers}.{2 if block in self.with_attention else 1}.conv"
        return None

"""Names in LoRA files → modules of a loaded model. Strings only: what a file fits can be told without tensors."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from backend.compvis_names import OPENCLIP_LAYER, UNET_ENDS, UNET_RESNET

# The tail of a key, behind the module's name → what deltas call it.
PARTS: Mapping[str, str] = MappingProxyType(
    {
        **{f"{word}.weight": "up" for word in ("lora_up", "lora_B", "lora.up", "lora_linear_layer.up")},
        **{f"{word}.weight": "down" for word in ("lora_down", "lora_A", "lora.down", "lora_linear_layer.down")},
        "lora_mid.weight": "mid",
        "lora_B.bias": "up_bias",
        "lora_magnitude_vector": "magnitude",
        "lora_magnitude_vector.weight": "magnitude",
        **{f"{word}.weight": word for word in ("a1", "a2", "b1", "b2", "bm", "oft_R")},
        **{word: word for word in ("alpha", "scale", "dora_scale", "bias", "bias_indices", "bias_values", "bias_size")},
        **{f"hada_{word}": f"hada_{word}" for word in ("w1_a", "w1_b", "t1", "w2_a", "w2_b", "t2")},
        **{f"lokr_{word}": f"lokr_{word}" for word in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
        **{word: word for word in ("diff", "diff_b", "w_norm", "b_norm", "weight", "on_input", "oft_blocks", "oft_diag", "rescale")},
    }
)
_ONE_WORD = ("lora_", "oft_", "lycoris_")  # trainers that write a module's name without dots
_PAIR = ("up", "down")
_OWN = frozenset({"lora_A", "lora_B", "lora_magnitude_vector"})  # PEFT puts the adapter's name behind these

# How names begin, by the encoders that the model has: what a trainer puts before a module's path, with "_" for "."
_WRAPPERS = ("base_model_model_", "lycoris_", "model_diffusion_model_", "diffusion_model_")
_UNET_PREFIXES = ("lora_unet_", "oft_unet_", "unet_", "")
_TEXT_PREFIXES: Mapping[int, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        1: (("lora_te_", "oft_te_", "text_encoder_", "text_encoders_clip_l_transformer_", "text_encoders_clip_h_transformer_", "clip_l_", "clip_h_", ""),),
        2: (
            ("lora_te1_", "oft_te1_", "text_encoder_", "text_encoders_clip_l_transformer_", "clip_l_", ""),
            ("lora_te2_", "oft_te2_", "text_encoder_2_", "text_encoders_clip_g_transformer_", "clip_g_"),
        ),
    }
)

_TEXT_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")
_DOWNSAMPLER = re.compile(r"down_blocks\.(\d+)\.downsamplers\.0\.conv")
_UPSAMPLER = re.compile(r"up_blocks\.(\d+)\.upsamplers\.0\.conv")


@dataclass(frozen=True)
class Target:
    """A parameter of the model, the weight of a module if nothing else is said: "unet" or "text_encoders.0", and the module's path in there."""

    component: str
    path: str
    leaf: str = "weight"

    @property
    def parameter(self) -> str:
        return f"{self.component}.{self.path}.{self.leaf}"


def split_key(key: str) -> tuple[str, str]:
    """A file's key → the module as the file calls it, and the part: ("lora_unet_conv_in", "up"). Unknown parts are left as they are."""
    module, _, part = key.partition(".")
    if part in PARTS and module.startswith(_ONE_WORD):
        return module, PARTS[part]
    words = key.split(".")
    if (split := _known(words, 3) or _known(words, 2) or _adapter(words) or _processor(words) or _numbered(words) or _known(words, 1)) is not None:
        return split
    return (module, part) if module.startswith(_ONE_WORD) or len(words) < 2 else (".".join(words[:-1]), words[-1])


def _known(words: list[str], length: int) -> tuple[str, str] | None:
    """A tail of so many words."""
    known = PARTS.get(".".join(words[-length:])) if length < len(words) else None
    return None if known is None else (".".join(words[:-length]), known)


def _adapter(words: list[str]) -> tuple[str, str] | None:
    """PEFT with the adapter's name: ….to_q.lora_A.default.weight, ….to_q.lora_magnitude_vector.default"""
    for at in (len(words) - 3, len(words) - 2):
        if at > 0 and words[at] in _OWN and (known := PARTS.get(".".join((words[at], *words[at + 2 :])))):
            return ".".join(words[:at]), known
    return None


def _processor(words: list[str]) -> tuple[str, str] | None:
    """diffusers, at first: ….attn1.processor.to_q_lora.down.weight"""
    if len(words) < 4 or not words[-3].endswith("_lora") or words[-2] not in _PAIR or words[-1] != "weight":
        return None
    outer = words[:-4] if words[-4] == "processor" else words[:-3]
    return ".".join((*outer, words[-3].removesuffix("_lora"))), words[-2]


def _numbered(words: list[str]) -> tuple[str, str] | None:
    """kohya's list of blocks: lora_unet_conv_in.oft_blocks.3"""
    return (".".join(words[:-2]), ".".join(words[-2:])) if len(words) > 2 and words[-2] == "oft_blocks" and words[-1].isdecimal() else None


class ModuleIndex:
    """Every spelling of every module of a model. modules: component → paths of the modules that have a weight."""

    def __init__(self, modules: Mapping[str, Collection[str]]) -> None:
        layout = _Layout.read(modules["unet"])
        self._names = {"unet": _by_name("unet", modules["unet"], layout.names)}
        self._prefixes = [(prefix, "unet") for prefix in _UNET_PREFIXES]
        encoders = sorted(component for component in modules if component.startswith("text_encoders."))
        for component, prefixes in zip(encoders, _TEXT_PREFIXES.get(len(encoders), ()), strict=False):
            self._names[component] = _by_name(component, modules[component], _text_names)
            self._prefixes += [(prefix, component) for prefix in prefixes]

    def find(self, module: str) -> Target | None:
        """module: as split_key gives it."""
        name = module.replace(".", "_")
        for wrapper in _WRAPPERS:
            name = name.removeprefix(wrapper)
        for prefix, component in self._prefixes:
            if name.startswith(prefix) and (target := self._names[component].get(name[len(prefix) :])) is not None:
                return target
        return None


def _by_name(component: str, paths: Collection[str], names: Callable[[str], Iterable[str]]) -> dict[str, Target]:
    return {name.replace(".", "_"): Target(component, path) for path in paths for name in names(path)}


def _text_names(path: str) -> Iterator[str]:
    """With text_model. in front, as trainers write it, and without, as some versions of transformers have it; and OpenCLIP's."""
    bare = path.removeprefix("text_model.")
    yield bare
    yield f"text_model.{bare}"
    yield f"transformer.text_model.{bare}"
    if (match := _TEXT_LAYER.fullmatch(bare)) and match[2] in OPENCLIP_LAYER:
        for start in ("", "transformer.", "model.transformer.", "text_model.transformer."):
            yield f"{start}resblocks.{match[1]}.{OPENCLIP_LAYER[match[2]]}"
    elif bare == "final_layer_norm":
        yield from ("ln_final", "model.ln_final", "text_model.ln_final")


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
        if path.endswith(".to_out.0"):  # diffusers, at first
            yield path.removesuffix(".0")
        if (compvis := self.compvis(path)) is not None:
            yield compvis

    def compvis(self, path: str) -> str | None:
        if path in UNET_ENDS:
            return UNET_ENDS[path]
        if match := _BLOCK.fullmatch(path):
            side, block, kind, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
            number = (self.layers + 1) * block + index
            place = f"input_blocks.{number + 1}" if side == "down" else f"output_blocks.{number}"
            return f"{place}.0.{UNET_RESNET.get(rest, rest)}" if kind == "resnets" else f"{place}.1.{rest}"
        if match := _MIDDLE.fullmatch(path):
            kind, index, rest = match[1], int(match[2]), match[3]
            return f"middle_block.{2 * index}.{UNET_RESNET.get(rest, rest)}" if kind == "resnets" else f"middle_block.{2 * index + 1}.{rest}"
        if match := _DOWNSAMPLER.fullmatch(path):
            return f"input_blocks.{(self.layers + 1) * (int(match[1]) + 1)}.0.op"
        if match := _UPSAMPLER.fullmatch(path):
            block = int(match[1])
            return f"output_blocks.{(self.layers + 1) * block + self.layers}.{2 if block in self.with_attention else 1}.conv"
        return None


def compvis_names(paths: Collection[str]) -> Mapping[str, str]:
    """CompVis' names of the modules of diffusers' U-Net; without those that have none."""
    layout = _Layout.read(paths)
    return {path: name for path in paths if (name := layout.compvis(path)) is not None}

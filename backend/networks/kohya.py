"""Any trainer's name of a layer → kohya's, without a model: by the layout that all models of a family share."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from backend.compvis_names import UNET_RESNET
from backend.networks.keys import ModuleIndex, Target, compvis_names

_SELF = tuple(f"attn{n}.{name}" for n in (1, 2) for name in ("to_q", "to_k", "to_v", "to_out.0"))
_IN_BLOCK = (*_SELF, "ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3")
_TEXT_LAYER = (*(f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")), "layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2")
_LAYERS = 2  # resnets of a down block, in all families


@dataclass(frozen=True)
class Family:
    """depth: transformer blocks of each attention by level; text: layers of the text encoders."""

    name: str
    depth: tuple[int, ...]
    mid_depth: int
    text: tuple[int, ...]
    prefixes: tuple[str, ...]  # of the text encoders
    version: str  # what trainers call it in ss_base_model_version
    compvis: bool  # kohya's names of the U-Net are CompVis'


FAMILIES = (
    Family("SD1", (1, 1, 1, 0), 1, (12,), ("lora_te_",), "sd_v1", False),
    Family("SD2", (1, 1, 1, 0), 1, (24,), ("lora_te_",), "sd_v2", False),
    Family("SDXL", (0, 2, 10), 10, (12, 32), ("lora_te1_", "lora_te2_"), "sdxl_base_v1-0", True),
)


class KohyaNames:
    """Of one family."""

    def __init__(self, family: Family) -> None:
        self.family = family
        modules = {"unet": tuple(_unet(family)), **{f"text_encoders.{n}": tuple(_text(layers)) for n, layers in enumerate(family.text)}}
        self._index = ModuleIndex(modules)
        self._compvis = compvis_names(modules["unet"]) if family.compvis else {}

    def name(self, module: str) -> str | None:
        """module: as split_key gives it. None: the family has no such layer."""
        target = self.target(module)
        return None if target is None else self.of(target.component, target.path)

    def target(self, module: str) -> Target | None:
        """Where it lies in a model of the family. module: as split_key gives it."""
        return self._index.find(module)

    def of(self, component: str, path: str) -> str:
        """component and path as a loaded model has them."""
        if component == "unet":
            return f"lora_unet_{self._compvis.get(path, path).replace('.', '_')}"
        prefix = self.family.prefixes[int(component.rpartition(".")[2])]
        path = path if path == "text_projection" else f"text_model.{path.removeprefix('text_model.')}"
        return prefix + path.replace(".", "_")


def family_of(modules: Collection[str]) -> tuple[KohyaNames, list[str]]:
    """The family that has the most of these, the first of equal ones; and those that it has not."""
    names = [KohyaNames(family) for family in FAMILIES]
    missing = [[module for module in modules if one.name(module) is None] for one in names]
    fewest = min(range(len(names)), key=lambda n: len(missing[n]))
    return names[fewest], missing[fewest]


def by_family(name: str) -> KohyaNames | None:
    return next((KohyaNames(family) for family in FAMILIES if family.name == name), None)


def _unet(family: Family) -> Iterator[str]:
    """Paths of diffusers' U-Net."""
    levels = len(family.depth)
    yield from ("conv_in", "conv_norm_out", "conv_out", "time_embedding.linear_1", "time_embedding.linear_2")
    if family.compvis:
        yield from ("add_embedding.linear_1", "add_embedding.linear_2")
    for level, depth in enumerate(family.depth):
        for n in range(_LAYERS):
            yield from _pair(f"down_blocks.{level}", n, depth)
        if level < levels - 1:
            yield f"down_blocks.{level}.downsamplers.0.conv"
    for level, depth in enumerate(reversed(family.depth)):
        for n in range(_LAYERS + 1):
            yield from _pair(f"up_blocks.{level}", n, depth)
        if level < levels - 1:
            yield f"up_blocks.{level}.upsamplers.0.conv"
    yield from _pair("mid_block", 0, family.mid_depth)
    yield from (f"mid_block.resnets.1.{name}" for name in UNET_RESNET)


def _pair(block: str, number: int, depth: int) -> Iterator[str]:
    yield from (f"{block}.resnets.{number}.{name}" for name in UNET_RESNET)
    if depth:
        yield from (f"{block}.attentions.{number}.{name}" for name in ("norm", "proj_in", "proj_out"))
        yield from (f"{block}.attentions.{number}.transformer_blocks.{n}.{name}" for n in range(depth) for name in _IN_BLOCK)


def _text(layers: int) -> Iterator[str]:
    yield from ("embeddings.token_embedding", "embeddings.position_embedding", "final_layer_norm", "text_projection")
    yield from (f"encoder.layers.{n}.{name}" for n in range(layers) for name in _TEXT_LAYER)

"""What may be asked of the tools that make model files of others, and A1111's words for it."""

from collections.abc import Mapping
from dataclasses import dataclass

NO_INTERPOLATION, WEIGHTED_SUM, ADD_DIFFERENCE = "No interpolation", "Weighted sum", "Add difference"
METHODS: Mapping[str, int] = {NO_INTERPOLATION: 1, WEIGHTED_SUM: 2, ADD_DIFFERENCE: 3}  # label → how many models
PRECISIONS = ("fp16", "bf16", "fp32")
RULES = ("", "sv_fro", "sv_ratio", "sv_cumulative")
FIRST_INPUT = "model.diffusion_model.input_blocks.0.0.weight"
NORMAL_CHANNELS = 4  # of a latent; inpainting models read 9, instruct-pix2pix 8
MOST_RANK = 1024


@dataclass(frozen=True, kw_only=True)
class MergeRequest:
    """Checkpoints by any of their names. metadata: a JSON object."""

    primary: str
    secondary: str = ""
    tertiary: str = ""
    method: str = WEIGHTED_SUM
    multiplier: float = 0.3
    name: str = ""  # of the new file, without suffix; "" = made of the models' names
    half: bool = False
    vae: str = ""  # "" = A's own
    discard: str = ""
    save_metadata: bool = True
    add_recipe: bool = True
    copy_metadata: bool = True
    metadata: str = "{}"
    replace: bool = False


@dataclass(frozen=True, kw_only=True)
class WeightedLora:
    name: str
    te_weight: float = 1.0
    unet_weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class BakeRequest:
    """Loras → one; with a checkpoint: into that. rank 0: exact. rule, value: as in networks.decompose."""

    loras: tuple[WeightedLora, ...]
    name: str
    checkpoint: str = ""
    rank: int = 0
    conv_rank: int = 0  # 0: as the others
    rule: str = ""
    value: float = 0.0
    precision: str = "fp16"
    half: bool = False  # of a checkpoint
    replace: bool = False


@dataclass(frozen=True, kw_only=True)
class ExtractRequest:
    """What `tuned` has over `base`."""

    tuned: str
    base: str
    name: str
    rank: int = 32
    conv_rank: int = 0
    text: bool = True
    precision: str = "fp16"
    replace: bool = False


@dataclass(frozen=True, kw_only=True)
class BlockMapRequest:
    lora: str


ToolRequest = MergeRequest | BakeRequest | ExtractRequest | BlockMapRequest


def merged_name(method: str, models: tuple[str, ...], multiplier: float, *, inpainting: bool = False) -> str:
    """What A1111 calls the result, without suffix: "0.7(a) + 0.3(b)". models: names of files without theirs."""
    weight = f"{round(multiplier, 2):g}"
    if method == WEIGHTED_SUM:
        name = f"{round(1 - multiplier, 2):g}({models[0]}) + {weight}({models[1]})"
    elif method == ADD_DIFFERENCE:
        name = f"{models[0]} + {weight}({models[1]} - {models[2]})"
    else:
        name = models[0]
    return name + (".inpainting" if inpainting else "")

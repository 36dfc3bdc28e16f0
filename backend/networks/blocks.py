"""Block weights, lbw=…: the notation of the LoRA Block Weight extension → a weight for each block; a module's path → its block. Strings only."""

import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from backend.errors import WebUIError

BASE, MIDDLE = "BASE", "M00"
INPUTS = tuple(f"IN{n:02}" for n in range(12))
OUTPUTS = tuple(f"OUT{n:02}" for n in range(12))
BLOCKS = (BASE, *INPUTS, MIDDLE, *OUTPUTS)  # BASE: the text encoders, and what is in no block of the U-Net
Weights = tuple[float | None, ...]  # in the order of BLOCKS; None: not named, which counts as 0


def _blocks(inputs: Sequence[int], outputs: Sequence[int]) -> tuple[str, ...]:
    return (BASE, *(INPUTS[n] for n in inputs), MIDDLE, *(OUTPUTS[n] for n in outputs))


# How many numbers → the blocks that they are for. 17 and 12: those that have attention, which is where plain LoRAs are; 26 and 20: all that there are.
NOTATIONS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        17: _blocks((1, 2, 4, 5, 7, 8), range(3, 12)),  # SD 1 and 2
        26: BLOCKS,
        12: _blocks((4, 5, 7, 8), range(6)),  # SDXL
        20: _blocks(range(9), range(9)),
    }
)
# The extension's, which has them in 17 numbers; here the blocks in between belong to them, so that they mean the same for LoCon and SDXL.
PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "NONE": "",
        "ALL": "BASE-OUT11",
        "INS": "BASE-IN04",
        "IND": "BASE IN05-IN11",
        "INALL": "BASE-IN11",
        "MIDD": "BASE IN05-OUT06",
        "OUTD": "BASE OUT00-OUT06",
        "OUTS": "BASE OUT07-OUT11",
        "OUTALL": "BASE OUT00-OUT11",
        "MID": "M00",
    }
)
_HALF = "ALL0.5"
_RANDOM = re.compile(r"[RUX].*")  # the extension's numbers that are drawn, or taken from another argument
_LEVEL = 3  # blocks on a level of the U-Net: two of layers, and the one that changes the size
_PLACE = re.compile(r"(down|up)_blocks\.(\d+)\.(?:(?:resnets|attentions)\.(\d+)|(?:downsamplers|upsamplers)\.\d+)\..+")


def read_blocks(text: str, own: str = "") -> Weights:
    """text: numbers, the name of a preset, or of one block, which stands alone. own: the person's presets, a line "NAME:numbers" each.

    Raises WebUIError for what is none of these.
    """
    text = text.strip()
    numbers = _presets(own).get(text, text)
    if numbers == _HALF:
        return (0.5,) * len(BLOCKS)
    if numbers in PRESETS or numbers in BLOCKS:
        wanted = _spread(PRESETS.get(numbers, numbers))
        return tuple(1.0 if block in wanted else 0.0 for block in BLOCKS)
    parts = [part.strip() for part in numbers.split(",")]
    if len(parts) == 1 and not _is_number(parts[0]):
        raise WebUIError(f"{text!r} is no preset of block weights. Known: {', '.join((*PRESETS, _HALF, *_presets(own)))}, and blocks as IN04.")
    if len(parts) not in NOTATIONS:
        raise WebUIError(f"{len(parts)} block weight{'s' if len(parts) > 1 else ''}: 17 or 26 numbers are needed, for SDXL 12 or 20.")
    weights = dict(zip(NOTATIONS[len(parts)], map(_number, parts), strict=True))
    return tuple(weights.get(block) for block in BLOCKS)


def block_of(component: str, path: str) -> int:
    """Place in BLOCKS. component: "unet" or a text encoder; path: of a module, as diffusers names it."""
    if component != "unet":
        return 0
    if path.startswith("mid_block."):
        return BLOCKS.index(MIDDLE)
    if path.startswith("conv_in"):
        return 1
    if match := _PLACE.fullmatch(path):
        number = _LEVEL * int(match[2]) + (int(match[3]) if match[3] else _LEVEL - 1)
        return BLOCKS.index(INPUTS[number + 1] if match[1] == "down" else OUTPUTS[number])
    return 0


def _presets(lines: str) -> dict[str, str]:
    """Lines without a colon, and those that start with a #, are passed over."""
    pairs = (line.split(":", 1) for line in lines.splitlines() if ":" in line and not line.lstrip().startswith("#"))
    return {name.strip(): numbers.strip() for name, numbers in pairs}


def _spread(ranges: str) -> frozenset[str]:
    """ "BASE IN05-IN11" → BASE, IN05, IN06, … IN11"""
    places = [[BLOCKS.index(end) for end in part.split("-")] for part in ranges.split()]
    return frozenset(block for ends in places for block in BLOCKS[ends[0] : ends[-1] + 1])


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(text: str) -> float:
    if not _is_number(text):
        more = " (weights that are drawn at random are not supported)" if _RANDOM.fullmatch(text) else ""
        raise WebUIError(f"{text!r} is no number{more}.")
    return float(text)

"""What PEFT writes about scales into a file's metadata, as diffusers puts it there: alpha, rank-stabilised or not, and exceptions by layer."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.networks.parts import length

KEY = "lora_adapter_metadata"
_DEFAULT_ALPHA = 8.0  # PEFT's
_KNOWN = ("lora_alpha", "r", "use_rslora", "alpha_pattern")


@dataclass(frozen=True)
class _Scale:
    alpha: float
    rank_stabilised: bool
    patterns: Mapping[str, float]  # name of a layer, or its end → alpha

    @classmethod
    def read(cls, settings: Mapping[str, object]) -> "_Scale":
        patterns = settings.get("alpha_pattern")
        alphas = {str(name): _number(alpha) for name, alpha in patterns.items()} if isinstance(patterns, dict) else {}
        return cls(
            _number(settings.get("lora_alpha", _DEFAULT_ALPHA)), settings.get("use_rslora") is True, {_plain(name): alpha for name, alpha in alphas.items()}
        )

    def of(self, module: str, rank: int) -> float:
        """Kalajdzievski 2023 divides by the root of the rank."""
        alpha = next((alpha for name, alpha in self.patterns.items() if f".{module}".endswith(f".{name}")), self.alpha)
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)


@dataclass(frozen=True)
class PeftScales:
    """By component as the file calls it, "unet" or "text_encoder"; "" for a file of one."""

    components: Mapping[str, _Scale]

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> "PeftScales | None":
        """None where there is nothing of it, or nothing readable."""
        try:
            content = json.loads(metadata.get(KEY, ""))
        except (ValueError, RecursionError):
            return None
        found: dict[str, dict[str, object]] = {}
        for key, value in content.items() if isinstance(content, dict) else ():
            component, _, name = key.rpartition(".")
            if name in _KNOWN:
                found.setdefault(component, {})[name] = value
        return cls({component: _Scale.read(settings) for component, settings in found.items()}) if found else None

    def complete(self, module: str, parts: dict[str, Tensor]) -> None:
        """Adds the scale of a LoRA whose file doesn't have it as a tensor."""
        if "down" not in parts or "alpha" in parts or "scale" in parts:
            return
        component = next((name for name in self.components if name and module.startswith(f"{name}.")), "")
        if component in self.components:
            parts["scale"] = torch.tensor(self.components[component].of(module, max(1, length(parts["down"]))), dtype=torch.float64)


def _plain(pattern: str) -> str:
    """Patterns are names; as regular expressions, which PEFT takes them for, they differ by marks at both ends and before dots."""
    return pattern.removeprefix("^").removesuffix("$").replace("\\.", ".")


def _number(value: object) -> float:
    """NaN for what is none: the layer then counts as damaged."""
    return float(value) if isinstance(value, int | float) else math.nan

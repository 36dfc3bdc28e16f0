"""Fields of a request that A1111's API lists as always-on scripts, too. What is given to those does nothing, there and here."""

from collections.abc import Mapping
from types import MappingProxyType

from backend.controls import Control
from backend.fields import BY_KEY


def _slider(key: str, least: float, most: float, step: float, default: float) -> Control:
    return Control(key=key, kind="slider", label=BY_KEY[key].label, default=default, minimum=least, maximum=most, step=step)


def _seed(key: str) -> Control:
    return Control(key=key, kind="number", label=BY_KEY[key].label, default=-1, step=1)


def _dropdown(key: str, of: str, default: str) -> Control:
    return Control(key=key, kind="dropdown", label=BY_KEY[key].label, default=default, choices_of=of)


# In A1111's order of arguments.
BUILTIN: Mapping[str, tuple[Control, ...]] = MappingProxyType(
    {
        "refiner": (
            Control(key="enabled", kind="checkbox", label="Refiner", default=False),
            _dropdown("refiner_checkpoint", "checkpoint", ""),
            _slider("refiner_switch_at", 0.01, 1.0, 0.01, 0.8),
        ),
        "sampler": (
            _slider("steps", 1, 150, 1, 20),
            _dropdown("sampler_name", "sampler", "DPM++ 2M"),
            _dropdown("scheduler", "scheduler", "Automatic"),
        ),
        "seed": (
            _seed("seed"),
            Control(key="extra", kind="checkbox", label="Extra", default=False),
            _seed("subseed"),
            _slider("subseed_strength", 0, 1, 0.01, 0.0),
            _slider("seed_resize_from_w", 0, 2048, 8, 0),
            _slider("seed_resize_from_h", 0, 2048, 8, 0),
        ),
    }
)

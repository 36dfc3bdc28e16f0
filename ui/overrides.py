"""The "Override settings" chips: "Clip skip: 2" ↔ a setting for one picture."""

from collections.abc import Iterable, Mapping
from typing import Any

from backend.errors import WebUIError
from backend.settings import SETTINGS

LABELS: Mapping[str, str] = {setting.infotext: setting.key for setting in SETTINGS.values() if setting.infotext}


def read(chips: Iterable[str]) -> dict[str, Any]:
    """Values by setting, as text; the request's reader gives them their types. Raises WebUIError for a chip that names no setting."""
    found: dict[str, Any] = {}
    for chip in chips:
        label, colon, value = chip.partition(":")
        key = LABELS.get(label.strip()) or (label.strip() if label.strip() in SETTINGS else None)
        if key is None or not colon:
            raise WebUIError(f"Override settings: {chip!r} is none. Wanted: a name and a value, like 'Clip skip: 2'.")
        found[key] = value.strip()
    return found


def chips(values: Mapping[str, Any]) -> list[str]:
    """The inverse of read."""
    return [f"{SETTINGS[key].infotext or key}: {value}" for key, value in values.items() if key in SETTINGS]


def choices() -> list[str]:
    """A chip for each setting that an infotext carries, with its default."""
    return [f"{setting.infotext}: {setting.default}" for setting in SETTINGS.values() if setting.infotext and setting.key != "sd_model_checkpoint"]

"""What a person writes about a model file, as A1111's metadata editor has it: read from name.json, checked, and written there."""

import math
from collections.abc import Mapping
from pathlib import Path

from backend.errors import WebUIError
from backend.shelf import FIELDS
from backend.sidecar import read_sidecar, write_sidecar

WEIGHT = "preferred weight"
LONGEST = 100_000  # characters of a text
_WIDEST = 100.0  # weight, either way


def read_notes(model: Path) -> dict[str, object]:
    """A1111's fields: texts, and the preferred weight (0 = none)."""
    sidecar = read_sidecar(model)
    weight = sidecar.get(WEIGHT)
    return {**{key: str(sidecar.get(key) or "") for key in FIELDS}, WEIGHT: weight if _is_weight(weight) else 0}


def write_notes(model: Path, changes: Mapping[str, object]) -> None:
    """Those fields, and no others; None takes one away. Raises WebUIError, with nothing written, for what no field takes."""
    for key, value in changes.items():
        if key not in (*FIELDS, WEIGHT):
            raise WebUIError(f"Unknown field {key!r}. Known: {', '.join((*FIELDS, WEIGHT))}.")
        if key == WEIGHT and value is not None and not _is_weight(value):
            raise WebUIError(f"The preferred weight cannot be {value!r}: a number from {-_WIDEST:g} to {_WIDEST:g} is needed.")
        if key != WEIGHT and value is not None and not (isinstance(value, str) and len(value) <= LONGEST):
            raise WebUIError(f"{key!r} must be a text of at most {LONGEST} characters.")
    write_sidecar(model, changes)


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) <= _WIDEST

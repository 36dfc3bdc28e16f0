"""What a person writes about a model file, as A1111's metadata editor has it, and a rating: read from name.json, checked, and written there."""

import math
from collections.abc import Mapping
from pathlib import Path

from backend.errors import WebUIError
from backend.shelf import FIELDS, RATING, rating_of
from backend.sidecar import read_sidecar, write_sidecar

WEIGHT = "preferred weight"
RATINGS = range(1, 6)  # stars
LONGEST = 100_000  # characters of a text
_WIDEST = 100.0  # weight, either way
KEYS = (*FIELDS, WEIGHT, RATING)


def read_notes(model: Path) -> dict[str, object]:
    """A1111's fields: texts, and the preferred weight (0 = none); and the rating, likewise."""
    sidecar = read_sidecar(model)
    weight = sidecar.get(WEIGHT)
    return {**{key: str(sidecar.get(key) or "") for key in FIELDS}, WEIGHT: weight if _is_weight(weight) else 0, RATING: rating_of(sidecar)}


def write_notes(model: Path, changes: Mapping[str, object]) -> None:
    """Those fields, and no others; None takes one away. Raises WebUIError, with nothing written, for what no field takes."""
    for key, value in changes.items():
        if key not in KEYS:
            raise WebUIError(f"Unknown field {key!r}. Known: {', '.join(KEYS)}.")
        if key == WEIGHT and value is not None and not _is_weight(value):
            raise WebUIError(f"The preferred weight cannot be {value!r}: a number from {-_WIDEST:g} to {_WIDEST:g} is needed.")
        if key == RATING and (isinstance(value, bool | float) or value not in (None, 0, *RATINGS)):
            raise WebUIError(f"The rating cannot be {value!r}: {RATINGS[0]} to {RATINGS[-1]} stars are needed, or 0 for none.")
        if key in FIELDS and value is not None and not (isinstance(value, str) and len(value) <= LONGEST):
            raise WebUIError(f"{key!r} must be a text of at most {LONGEST} characters.")
    write_sidecar(model, {key: value or None if key == RATING else value for key, value in changes.items()})


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) <= _WIDEST

"""What is typed for an axis → its values: "1, 5-8", "1-5 (+2)", "1-10 [5]", and commas in quotes as in CSV."""

import csv
import math
import re
from collections.abc import Sequence
from itertools import permutations

from backend.errors import WebUIError

MOST_VALUES = 5000  # of one axis
_NUMBER = r"[+-]?\s*\d+(?:\.\d*)?|[+-]?\s*\.\d+"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*-\s*({_NUMBER})\s*(?:\(\s*({_NUMBER})\s*\)|\[\s*(\d+)\s*\])?\s*")


def split(text: str) -> tuple[str, ...]:
    """At commas and line ends, without blanks around; a value that has a comma itself stands in double quotes. Nothing between two commas is a value, too."""
    if not text.strip():
        return ()
    try:
        rows = list(csv.reader(text.splitlines(), skipinitialspace=True))
    except csv.Error as error:
        raise WebUIError(f"These values cannot be read: {error}.") from error
    return tuple(value.strip() for row in rows for value in row)


def join(values: Sequence[str]) -> str:
    """The inverse of split, without blanks: "Euler,DDIM"."""
    return ",".join(_quoted(value) for value in values)


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if re.search(r'[,"\n\r]', value) or value != value.strip() else value


def whole_numbers(values: Sequence[str]) -> tuple[int, ...]:
    """Ranges written out: "1-5" has five numbers, "1-5 (+2)" three, "1-10 [4]" four that are evenly spread and cut to whole ones. "" is -1.

    Raises WebUIError for what is no whole number.
    """
    return tuple(int(number) for value in values for number in (_range(value, whole=True) or [_number(value or "-1", whole=True)]))


def numbers(values: Sequence[str]) -> tuple[float, ...]:
    """Likewise; without a step a range goes up by 1."""
    return tuple(number for value in values for number in (_range(value, whole=False) or [_number(value, whole=False)]))


def orders(values: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """All orders in which these can stand."""
    if math.factorial(len(values)) > MOST_VALUES:
        raise WebUIError(f"{len(values)} parts can stand in {math.factorial(len(values))} orders: an axis has at most {MOST_VALUES} values.")
    return tuple(permutations(values))


def _range(text: str, *, whole: bool) -> list[float] | None:
    """None: it is none."""
    match = _RANGE.fullmatch(text)
    if match is None or (whole and "." in (match[1] + match[2])):
        return None
    start, end = _number(match[1], whole=False), _number(match[2], whole=False)
    if match[4] is not None:
        return [int(number) if whole else number for number in _spread(start, end, int(match[4]))]
    step = _number(match[3], whole=False) if match[3] else 1.0
    if step == 0:
        raise WebUIError(f"{text!r} never arrives: a step other than 0 is needed.")
    count = math.floor((end - start) / step + 1e-9) + 1
    _check(count, text)
    return [round(start + number * step, 10) for number in range(count)]


def _spread(start: float, end: float, count: int) -> list[float]:
    _check(count, f"[{count}]")
    return [round(start + (end - start) * number / max(count - 1, 1), 10) for number in range(count)]


def _check(count: int, text: str) -> None:
    if count < 1:
        raise WebUIError(f"{text!r} has no values: for a range that falls, give a step like (-1).")
    if count > MOST_VALUES:
        raise WebUIError(f"{text!r} has {count} values: an axis has at most {MOST_VALUES}.")


def _number(text: str, *, whole: bool) -> float:
    try:
        number = float(text.replace(" ", ""))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (whole and not number.is_integer()):
        raise WebUIError(f"{text!r} is no {'whole ' if whole else ''}number.")
    return int(text.replace(" ", "")) if whole and text.strip().lstrip("+-").isdecimal() else number

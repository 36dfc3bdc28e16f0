"""Who stands where after so many comparisons: each contestant is put into the ranking by halving, so that few questions are needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Judgement:
    """Of two contestants, by number; better None: they are equally good."""

    first: int
    second: int
    better: int | None


@dataclass(frozen=True)
class Standing:
    """places: best first, those of one place equal. pair: who is to be compared next. left: comparisons, at most, with those that are still to be drawn."""

    places: tuple[tuple[int, ...], ...]
    pair: tuple[int, int] | None
    left: int


def standing(drawn: Sequence[int], judged: Iterable[Judgement], coming: int = 0) -> Standing:
    """drawn: in the order in which they came. coming: how many more may come. The same judgements give the same standing, whenever it is asked for."""
    known = {frozenset((one.first, one.second)): one.better for one in judged}
    places: list[list[int]] = []
    for position, newcomer in enumerate(drawn):
        low, high = 0, len(places)
        while low < high:
            middle = (low + high) // 2
            rival = places[middle][0]
            if (pair := frozenset((newcomer, rival))) not in known:
                later = len(drawn) - position - 1 + coming
                return Standing(_frozen(places), (newcomer, rival), (high - low).bit_length() + most(len(places) + 1, later))
            better = known[pair]
            if better is None:
                places[middle].append(newcomer)
                break
            low, high = (low, middle) if better == newcomer else (middle + 1, high)
        else:
            places.insert(low, [newcomer])
    return Standing(_frozen(places), None, most(len(places), coming))


def most(places: int, coming: int) -> int:
    """Comparisons that so many more may need, if none are equal."""
    return sum((places + number).bit_length() for number in range(coming))


def _frozen(places: Iterable[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(place) for place in places)

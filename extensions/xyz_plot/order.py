"""In which order the cells of a plot are drawn."""

from collections.abc import Iterator, Sequence


def order(lengths: Sequence[int], costs: Sequence[float]) -> Iterator[tuple[int, ...]]:
    """Every place once. The dearer the change of an axis is, the more seldom it changes; dear ones go to and fro, so that a turn costs nothing.

    Of equally dear axes the first changes most often: row by row.
    """
    ranked = sorted(range(len(lengths)), key=lambda axis: (-costs[axis], -axis))
    walked = [0] * len(lengths)

    def walk(axes: Sequence[int], place: dict[int, int]) -> Iterator[tuple[int, ...]]:
        if not axes:
            yield tuple(place[axis] for axis in range(len(lengths)))
            return
        axis, others = axes[0], axes[1:]
        back = costs[axis] > 0 and walked[axis] % 2 == 1
        walked[axis] += 1
        for step in reversed(range(lengths[axis])) if back else range(lengths[axis]):
            yield from walk(others, {**place, axis: step})

    return walk(ranked, {})

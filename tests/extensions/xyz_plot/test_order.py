from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from extensions.xyz_plot.order import order


def changes(places: list[tuple[int, ...]], axis: int) -> int:
    return sum(one[axis] != other[axis] for one, other in pairwise(places))


def test_equally_dear_axes_are_walked_row_by_row():
    assert list(order([2, 2, 1], [0, 0, 0])) == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)]


def test_the_dearest_axis_changes_most_seldom():
    places = list(order([3, 4, 2], [1.0, 0.5, 0.0]))
    assert (changes(places, 0), changes(places, 1)) == (2, 3 * 3)  # the second goes to and fro: no change at the first one's turns


@given(st.lists(st.integers(1, 4), min_size=3, max_size=3), st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=3, max_size=3))
def test_every_place_comes_once(lengths: list[int], costs: list[float]):
    places = list(order(lengths, costs))
    assert sorted(places) == sorted(product(*map(range, lengths)))

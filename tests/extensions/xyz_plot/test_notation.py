import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import WebUIError
from extensions.xyz_plot.notation import MOST_VALUES, join, numbers, orders, split, whole_numbers


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", ()),
        ("  ", ()),
        ("a", ("a",)),
        (" a ,b,  c d", ("a", "b", "c d")),
        ('a, "b, c", d', ("a", "b, c", "d")),
        ('"say ""hi"", please", x', ('say "hi", please', "x")),
        ("a,,b", ("a", "", "b")),
        ("a,b\nc", ("a", "b", "c")),
    ],
)
def test_values_are_separated_as_in_csv(text: str, values: tuple[str, ...]):
    assert split(text) == values


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\0")), min_size=1).filter(
        lambda values: any(values)
    )
)
def test_joining_and_splitting_are_inverses(values: list[str]):
    values = [value.strip() for value in values]
    if any(values):
        assert list(split(join(values))) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1-5", (1, 2, 3, 4, 5)),
        ("1-5 (+2)", (1, 3, 5)),
        ("10-5 (-3)", (10, 7)),
        ("1-3 (+1), 7", (1, 2, 3, 7)),
        ("1-10 [5]", (1, 3, 5, 7, 10)),
        ("0-100 [6]", (0, 20, 40, 60, 80, 100)),
        ("-1", (-1,)),
        ("-2-1", (-2, -1, 0, 1)),
        ("5, -1,", (5, -1, -1)),
        ("3000000000", (3000000000,)),
        ("9007199254740993", (9007199254740993,)),
    ],
)
def test_whole_numbers_and_their_ranges(text: str, values: tuple[int, ...]):
    found = whole_numbers(split(text))
    assert found == values
    assert all(type(number) is int for number in found)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,7.5", (1.0, 7.5)),
        ("0-1 (+0.25)", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("0.1-0.3 (+0.1)", (0.1, 0.2, 0.3)),
        ("1-3", (1.0, 2.0, 3.0)),
        ("1-0.5 (-0.25)", (1.0, 0.75, 0.5)),
        ("0-1 [3]", (0.0, 0.5, 1.0)),
        ("-1-2 [4]", (-1.0, 0.0, 1.0, 2.0)),
        ("-0.5", (-0.5,)),
        ("2-2 [1]", (2.0,)),
    ],
)
def test_numbers_and_their_ranges(text: str, values: tuple[float, ...]):
    assert numbers(split(text)) == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "error"),
    [("1, two", "'two' is no number"), ("1-5 (0)", "never arrives"), ("5-1", "has no values"), (f"1-{MOST_VALUES * 10}", "at most"), ("1-2 [0]", "no values")],
)
def test_what_is_no_number_is_named(text: str, error: str):
    with pytest.raises(WebUIError, match=error.replace("(", r"\(")):
        numbers(split(text))


def test_a_broken_whole_number_is_named():
    with pytest.raises(WebUIError, match=r"'7\.5' is no whole number"):
        whole_numbers(split("1, 7.5"))


def test_orders_are_all_permutations():
    assert orders(("a", "b")) == (("a", "b"), ("b", "a"))
    with pytest.raises(WebUIError, match="orders"):
        orders(tuple("abcdefghij"))

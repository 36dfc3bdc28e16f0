import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.prompts.attention import BREAK, parse_attention


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", [("", 1.0)]),
        ("a cat", [("a cat", 1.0)]),
        ("a (cat) x", [("a ", 1.0), ("cat", 1.1), (" x", 1.0)]),
        ("a [cat]", [("a ", 1.0), ("cat", 1 / 1.1)]),
        ("a (cat:1.3)", [("a ", 1.0), ("cat", 1.3)]),
        ("(cat: -0.5 )", [("cat", -0.5)]),
        ("((cat))", [("cat", 1.1 * 1.1)]),
        ("(a (b:1.5) c:2)", [("a ", 2.0), ("b", 3.0), (" c", 2.0)]),
        ("a (cat", [("a ", 1.0), ("cat", 1.1)]),
        ("a) cat]", [("a) cat]", 1.0)]),
        (r"a cat \(animal\) \[tag\] \\", [("a cat (animal) [tag] \\", 1.0)]),
        (r"cat/dog\cow", [("cat/dogcow", 1.0)]),
        ("a photo: cat, dog:1.3)", [("a photo: cat, dog:1.3)", 1.0)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
    ],
)
def test_brackets_become_weights(text: str, pieces: list[tuple[str, float]]):
    parsed = parse_attention(text)
    assert [piece for piece, _ in parsed] == [piece for piece, _ in pieces]
    assert [weight for _, weight in parsed] == pytest.approx([weight for _, weight in pieces])


def test_break_stands_alone_and_takes_the_blanks_around_it():
    assert parse_attention("a cat BREAK  dog") == [("a cat", 1.0), BREAK, ("dog", 1.0)]
    assert parse_attention("a catBREAKdog") == [("a catBREAKdog", 1.0)]


def test_break_inside_emphasis_is_a_weighted_word_as_in_a1111():
    assert parse_attention("(a BREAK b:2)") == [("a", 2.0), ("BREAK", -2.0), ("b", 2.0)]


@given(st.text())
def test_escaped_text_comes_back_as_it_was(text: str):
    text = text.replace("BREAK", "")
    escaped = re.sub(r"[\\()\[\]]", r"\\\g<0>", text)
    assert parse_attention(escaped) == [(text, 1.0)]

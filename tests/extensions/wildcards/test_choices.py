import random
from collections import Counter

import pytest

from extensions.wildcards.choices import Chooser, has_choices

LINES = {
    "color": ("red", "blue"),
    "heavy": ("9::a", "b"),
    "nested": ("__color__ {x|y}",),
    "round": ("__round__!",),
    "double": ("__double__ __double__",),
    "empty": (),
}


def made(template: str, seed: int = 0) -> str:
    return Chooser(random.Random(seed), LINES.get).text(template)


def all_of(template: str, seeds: int = 300) -> set[str]:
    return {made(template, seed) for seed in range(seeds)}


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("a {b|c} d", {"a b d", "a c d"}),
        ("{a|}", {"a", ""}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("{a|b}{c|d}", {"ac", "ad", "bc", "bd"}),
        ("a __color__ cat", {"a red cat", "a blue cat"}),
        ("__nested__", {"red x", "red y", "blue x", "blue y"}),
        ("{__color__|green}", {"red", "blue", "green"}),
        ("{2$$a|b|c}", {"a, b", "b, a", "a, c", "c, a", "b, c", "c, b"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{1-2$$, $$a|b}", {"a", "b", "a, b", "b, a"}),
        ("{1-$$ $$a|b}", {"a", "b", "a b", "b a"}),
        ("{-1$$a|b}", {"", "a", "b"}),
        ("{5$$a|b}", {"a, b", "b, a"}),
        ("{2$$__color__}", {"red, blue", "blue, red"}),
        ("{0::a|b}", {"b"}),
        ("<lora:{a|b}:0.5>", {"<lora:a:0.5>", "<lora:b:0.5>"}),
        ("[{a|b}:c:0.5]", {"[a:c:0.5]", "[b:c:0.5]"}),
    ],
)
def test_every_choice_comes_and_no_other(template: str, texts: set[str]):
    assert all_of(template) == texts


@pytest.mark.parametrize("text", ["plain (words:1.2), [a|b], <lora:x:1>", "{braces}", "{open", "a } b", "a__b", "snake_case__ and more", "{{deep}}", "{a:1.1}"])
def test_what_is_no_choice_stays_as_it_is(text: str):
    assert made(text) == text


def test_escaped_braces_are_braces():
    assert made(r"\{a|b\} {c|c}") == "{a|b} c"


def test_weights_decide_how_often():
    counts = Counter(made("{3::a|b}", seed) for seed in range(2000))
    assert 0.70 < counts["a"] / 2000 < 0.80
    counts = Counter(made("__heavy__", seed) for seed in range(2000))
    assert counts["a"] > 1700


def test_the_same_seed_gives_the_same_text():
    template = "{a|b|c} __color__ {2$$x|y|z}"
    assert [made(template, seed) for seed in range(50)] == [made(template, seed) for seed in range(50)]
    assert made(template, 4) == "a red y, x"  # and so in every version of the program


@pytest.mark.parametrize(
    ("template", "text", "sentence"),
    [
        ("a __none__ b", "a __none__ b", "There is no wildcard none."),
        ("__empty__", "__empty__", "has no lines"),
        ("__round__", "__round__" + "!" * 24, "leads back to itself"),
    ],
)
def test_a_wildcard_that_gives_nothing_stays_as_it_is_and_is_told(template: str, text: str, sentence: str):
    chooser = Chooser(random.Random(0), LINES.get)
    assert chooser.text(template) == text
    assert len(chooser.comments) == 1
    assert sentence in chooser.comments[0]


def test_a_wildcard_that_multiplies_itself_comes_to_an_end():
    assert len(made("__double__")) < 100_000


def test_what_has_choices_is_known_beforehand():
    assert all(map(has_choices, ("__a__", "{a|b}", "{a|{b}}", "{2$$a|b}", r"\{", "{{x}|y}")))
    assert not any(map(has_choices, ("a cat", "{a}", "a__b", "[a|b]", "(a:1.2)")))

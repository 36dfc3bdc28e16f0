import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.prompts.schedule import entry_at, prompt_schedule, split_and


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("test", ((10, "test"),)),
        ("a [b:3]", ((3, "a "), (10, "a b"))),
        ("a [b: 3 ]", ((3, "a "), (10, "a b"))),
        ("a [b::3]", ((3, "a b"), (10, "a "))),
        ("a [b : c : 1] d", ((1, "a b  d"), (10, "a  c  d"))),
        ("a [b:.5] c", ((5, "a  c"), (10, "a b c"))),
        ("a [b:1.0]", ((10, "a "),)),
        ("a [b:1.5]", ((10, "a "),)),
        ("a [b:c:0]", ((10, "a c"),)),
        ("a [b:c:-1]", ((10, "a c"),)),
        ("a [b:c:1e1]", ((10, "a b"),)),
        ("a [[[b]]:2]", ((2, "a "), (10, "a [[b]]"))),
        ("[(a:2):3]", ((3, ""), (10, "(a:2)"))),
        ("a[b:[c:d:2]:1]e", ((1, "abe"), (2, "ace"), (10, "ade"))),
        ("a (x:1.3) (y:z) [w]", ((10, "a (x:1.3) (y:z) [w]"),)),
    ],
)
def test_editing_changes_the_text_at_its_step(text: str, schedule: tuple):
    assert prompt_schedule(text, 10) == schedule


def test_alternation_changes_the_text_at_each_step():
    assert prompt_schedule("[a|(b:1.1)]", 4) == ((1, "a"), (2, "(b:1.1)"), (3, "a"), (4, "(b:1.1)"))
    assert prompt_schedule("[fe|||]male", 5) == ((1, "female"), (2, "male"), (3, "male"), (4, "male"), (5, "female"))
    assert prompt_schedule("[a|b][c:2]", 3) == ((1, "a"), (2, "b"), (3, "ac"))


@pytest.mark.parametrize("text", ["a [unbalanced", "a [cat:dog:x]", "a [cat:dog:0.5", "a [b:c:d:3]", "(a [b:3)]", "a ]b:[ c:", "(a:b:c)", "[a:b]"])
def test_brackets_that_make_no_sense_are_text(text: str):
    assert prompt_schedule(text, 10) == ((10, text),)


def test_a_construct_among_loose_brackets_still_works():
    assert prompt_schedule("((a][:b:c [d:3]", 10) == ((3, "((a][:b:c "), (10, "((a][:b:c d"))


@pytest.mark.parametrize("text", ["a | b [c:3]", "a [b|d:3]", "[c:3] \\", "[c:3] (a|b)", "[c:3] \\\nx"])
def test_a_stray_bar_or_backslash_makes_everything_text(text: str):
    assert prompt_schedule(text, 10) == ((10, text),)


def test_escaped_brackets_are_kept_for_the_emphasis_parser():
    assert prompt_schedule(r"\[a:b:3\] [c:3]", 10) == ((3, r"\[a:b:3\] "), (10, r"\[a:b:3\] c"))


def test_old_scheduling_takes_numbers_below_one_as_fractions_and_others_as_steps():
    assert prompt_schedule("[a:b:1.0]", 8, old=True) == ((1, "a"), (8, "b"))
    assert prompt_schedule("[a:b:0.5]", 8, old=True) == ((4, "a"), (8, "b"))


def test_many_nested_brackets_are_no_problem():
    text = "(" * 5000 + "a" + ")" * 5000 + "[" * 5000
    assert prompt_schedule(text, 10) == ((10, text),)


def test_an_entry_holds_one_call_more_than_its_number_and_the_first_again_after_the_end():
    schedule = prompt_schedule("[a:b:3]", 8)
    assert [schedule[entry_at(schedule, call)][1] for call in (0, 3, 4, 8, 9)] == ["a", "a", "b", "b", "a"]


@given(st.text("ab []():|0.5\\", max_size=30), st.integers(1, 30))
def test_last_steps_rise_up_to_the_number_of_steps(text: str, steps: int):
    lasts = [last for last, _ in prompt_schedule(text, steps)]
    assert lasts == sorted(set(lasts))
    assert lasts[-1] == steps
    assert lasts[0] >= 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a cat", (("a cat", 1.0),)),
        ("a cat AND a dog :0.7", (("a cat", 1.0), (" a dog", 0.7))),
        ("cat :1.2 AND dog:-.5 AND sofa :3.", (("cat", 1.2), (" dog", -0.5), (" sofa", 3.0))),
        ("a photo: cat", (("a photo: cat", 1.0),)),
        ("a cat : 0.5 \n", (("a cat", 0.5),)),
        ("SAND ANDy", (("SAND ANDy", 1.0),)),
        ("a :1e3 AND ", (("a :1e3", 1.0), ("", 1.0))),
    ],
)
def test_and_splits_and_a_number_at_the_end_is_the_weight(text: str, parts: tuple):
    assert split_and(text) == parts


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("[cat:dog:1.5]", ((5, "cat"), (10, "dog"))),
        ("[cat:dog:0.5]", ((10, "dog"),)),
        ("[cat:dog:23]", ((3, "cat"), (10, "dog"))),
        ("[cat:dog:7]", ((10, "dog"),)),
        ("[cat:dog:2.0]", ((10, "cat"),)),
    ],
)
def test_the_hires_pass_goes_on_where_the_first_ended(text: str, schedule: tuple):
    assert prompt_schedule(text, 10, before=20) == schedule


def test_old_scheduling_knows_no_second_pass():
    assert prompt_schedule("[cat:dog:0.5]", 10, old=True, before=20) == prompt_schedule("[cat:dog:0.5]", 10, old=True)

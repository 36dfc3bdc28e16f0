from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from backend.prompts.extra_networks import Tag, map_tags, parse

NAMES = st.text(st.characters(exclude_characters="<>:=\r\n", exclude_categories=["Cs"]), min_size=1, max_size=8)


def test_tags_are_cut_out_wherever_they_stand():
    text, tags = parse("a [cat<lora:ink:0.8>:dog:0.5] (b <lyco:x:1:0.5:unet=0.3>:1.2)")
    assert text == "a [cat:dog:0.5] (b :1.2)"
    assert tags == (
        Tag(kind="lora", positional=("ink", "0.8")),
        Tag(kind="lyco", positional=("x", "1", "0.5"), named={"unet": "0.3"}),
    )


def test_unknown_kinds_are_cut_out_too():
    assert parse("a cat <foo:bar:1>") == ("a cat ", (Tag(kind="foo", positional=("bar", "1")),))


def test_angles_that_are_no_tag_stay():
    assert parse("a cat < 3 > dog <3 <lora> <:x>") == ("a cat < 3 > dog <3 <lora> <:x>", ())


def test_an_argument_with_two_equal_signs_is_positional():
    assert parse("<lora:a=b=c:te=1>")[1] == (Tag(kind="lora", positional=("a=b=c",), named={"te": "1"}),)


@given(NAMES, st.lists(NAMES, max_size=3), st.dictionaries(NAMES, NAMES, max_size=2))
def test_a_written_tag_reads_back_as_itself(name: str, more: list[str], named: dict[str, str]):
    tag = Tag(kind="lora", positional=(name, *more), named=named)
    assert parse(f"a {tag} b") == ("a  b", (tag,))


def test_tags_are_changed_in_their_places_and_others_stay_as_they_are_written():
    def heavier(tag: Tag) -> Tag | None:
        if tag.positional[0] == "gone":
            return None
        return replace(tag, positional=(tag.positional[0], "2")) if tag.positional[0] == "ink" else tag

    assert map_tags("a <lora:ink:1:te=0.5>cat<lora:gone:1> <lora:x=1=2:te=1:3>", heavier) == "a <lora:ink:2:te=0.5>cat <lora:x=1=2:te=1:3>"

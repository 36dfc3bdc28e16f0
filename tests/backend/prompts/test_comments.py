import pytest

from backend.prompts.comments import strip_comments


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("a cat", "a cat"),
        ("a cat # with words", "a cat \n"),
        ("a\n# a whole line\nb", "a\nb"),
        ("# first\na", "\na"),
        ("a # b\nc # d\ne", "a \nc \ne"),
        ("a\n#b\n#c\nd", "a\n\nd"),
        ("#", "\n"),
    ],
)
def test_comments_become_a_line_break(text: str, stripped: str):
    assert strip_comments(text) == stripped

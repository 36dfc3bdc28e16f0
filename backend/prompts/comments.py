"""Comments in prompts: from a # to the end of the line."""

import re

_COMMENT = re.compile(r"\n?#[^\n]*\n?")


def strip_comments(text: str) -> str:
    """A comment with the line breaks around it becomes one line break, as in A1111 (it shows in the infotext)."""
    return _COMMENT.sub("\n", text)

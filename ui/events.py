"""How every event of the page runs: at once, past Gradio's queue, without its own progress veil, and not in its public API."""

from typing import Literal, TypedDict, TypeVar


class Quick(TypedDict):
    queue: bool
    show_progress: Literal["hidden"]
    api_visibility: Literal["private"]


QUICK = Quick(queue=False, show_progress="hidden", api_visibility="private")
Made = TypeVar("Made")


def outputs(values: list[Made]) -> list[Made] | Made:
    """What a function returns for so many components: for a single one Gradio would take a list as its value."""
    return values if len(values) != 1 else values[0]

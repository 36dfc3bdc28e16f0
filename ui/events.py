"""How every event of the page runs: at once, past Gradio's queue, without its own progress veil, and not in its public API."""

from typing import Literal, TypedDict


class Quick(TypedDict):
    queue: bool
    show_progress: Literal["hidden"]
    api_visibility: Literal["private"]


QUICK = Quick(queue=False, show_progress="hidden", api_visibility="private")

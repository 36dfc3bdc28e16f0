"""What a prompt syntax of an extension works on: the texts of one picture, and what becomes of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from backend.settings import Settings


@dataclass(frozen=True, kw_only=True)
class PromptContext:
    """Styles are merged and comments gone; <lora:…> tags and prompt editing are still in it."""

    prompt: str
    negative_prompt: str
    seed: int  # of this picture, drawn already: the same seed, the same texts
    subseed: int
    index: int  # place of the picture in the request
    hires: bool  # of the hires pass
    settings: Settings
    data: Path = field(default_factory=Path)  # the person's folder: wildcards/ lies below it


@dataclass(frozen=True, kw_only=True)
class PromptTexts:
    """What it was made of. labels: fields for the picture's parameters."""

    prompt: str
    negative_prompt: str
    labels: tuple[tuple[str, str], ...] = ()
    comments: tuple[str, ...] = ()  # for the person


Expand = Callable[[PromptContext], PromptTexts]

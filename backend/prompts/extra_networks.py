"""Tags of extra networks, <kind:arg:arg:name=value>: cut out of the prompt wherever they stand."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_TAG = re.compile(r"<(\w+):([^>]+)>")


@dataclass(frozen=True, kw_only=True)
class Tag:
    """<lora:ink:0.8:unet=0.5> → kind "lora", positional ("ink", "0.8"), named {"unet": "0.5"}."""

    kind: str
    positional: tuple[str, ...]
    named: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        return f"<{':'.join((self.kind, *self.positional, *(f'{name}={value}' for name, value in self.named.items())))}>"


def parse(prompt: str) -> tuple[str, tuple[Tag, ...]]:
    """The prompt without its tags, and the tags in their order. Every kind is cut out, known or not, as in A1111."""
    return _TAG.sub("", prompt), tuple(_tag(match) for match in _TAG.finditer(prompt))


def map_tags(prompt: str, change: Callable[[Tag], Tag | None]) -> str:
    """The prompt with each tag replaced by what `change` makes of it, in its place; None takes it out. One that does not change is left as it is written."""

    def written(match: re.Match[str]) -> str:
        tag = _tag(match)
        changed = change(tag)
        return "" if changed is None else match[0] if changed == tag else str(changed)

    return _TAG.sub(written, prompt)


def _tag(match: re.Match[str]) -> Tag:
    arguments = match[2].split(":")
    named = dict(argument.split("=") for argument in arguments if argument.count("=") == 1)
    return Tag(kind=match[1], positional=tuple(a for a in arguments if a.count("=") != 1), named=MappingProxyType(named))

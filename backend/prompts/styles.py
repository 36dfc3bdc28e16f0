"""Styles: named pieces of prompt and negative prompt, in A1111's styles.csv."""

import csv
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Style:
    """{prompt} in a text is where the person's own text goes; without it the style's text is appended."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


class StyleTable:
    """The styles by name, in the order of the files."""

    def __init__(self, styles: Iterable[Style] = ()) -> None:
        self.styles: Mapping[str, Style] = {style.name: style for style in styles}

    @classmethod
    def read(cls, files: Sequence[Path]) -> "StyleTable":
        """Of styles with the same name the last counts. Files that do not exist are no styles; one that can't be read is logged."""
        return cls(style for file in files if file.is_file() for style in _read(file))

    def apply(self, prompt: str, negative_prompt: str, names: Sequence[str]) -> tuple[str, str]:
        """Prompt and negative prompt with the named styles merged in, one after the other; unknown names change nothing but blanks at the ends."""
        for name in names:
            style = self.styles.get(name, Style(name=name))
            prompt, negative_prompt = _merged(prompt, style.prompt), _merged(negative_prompt, style.negative_prompt)
        return prompt, negative_prompt

    def unknown(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in self.styles)


def _merged(text: str, style: str) -> str:
    if "{prompt}" in style:
        return style.replace("{prompt}", text)
    return ", ".join(filter(None, (text.strip(), style.strip())))


def _read(file: Path) -> list[Style]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        log.warning("Styles in %s can't be read: %s", file, error)
        return []
    return [
        Style(name=row["name"], prompt=row.get("prompt") or row.get("text") or "", negative_prompt=row.get("negative_prompt") or "")
        for row in rows
        if row.get("name")
    ]

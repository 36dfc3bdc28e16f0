"""The syntax: {a|b}, {2::a|b}, {2$$a|b|c}, {1-2$$ and $$a|b|c} and __name__ → one text, by a generator. Strings only."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from backend.errors import ERROR

DEEPEST = 24  # wildcards in wildcards
MOST = 1000  # wildcards in one text
JOINED_BY = ", "
_NAME = re.compile(r"__((?:(?!__)[^\s{}|])+)__")
_WEIGHT = re.compile(r"\s*(\d+(?:\.\d+)?)::")
_COUNT = re.compile(r"\s*(\d+)?(-)?(\d+)?\s*\$\$")
_SYNTAX = re.compile(r"__\S+?__|\{[^{}]*(?:\||\$\$)|\\[{}]")

Lines = Callable[[str], Sequence[str] | None]  # of the wildcard of this name; None = there is none


@dataclass
class Chooser:
    """Of one text. What it could not do is said in `comments`; the text then stays as it is there."""

    draw: random.Random
    lines: Lines
    comments: list[str] = field(default_factory=list)
    taken: int = 0  # wildcards

    def text(self, template: str, depth: int = 0) -> str:
        """Left to right; what is chosen is looked through itself."""
        made, at = [], 0
        while at < len(template):
            if template[at] == "\\" and template[at + 1 : at + 2] in ("{", "}"):
                made.append(template[at + 1])
                at += 2
            elif template[at] == "{" and (end := _closing(template, at)):
                made.append(self._variant(template[at + 1 : end], depth))
                at = end + 1
            elif match := _NAME.match(template, at):
                made.append(self._wildcard(match[1], depth))
                at = match.end()
            else:
                made.append(template[at])
                at += 1
        return "".join(made)

    def _variant(self, inside: str, depth: int) -> str:
        """Braces with nothing to choose in them are somebody else's."""
        match = _COUNT.match(inside)
        if match is None or not match[0].strip().removesuffix("$$"):
            match = None
        options = _split(inside[match.end() :] if match else inside, "|")
        if match is None:
            return self.text(_weighed(self.draw, options, 1)[0], depth) if len(options) > 1 else "{" + self.text(inside, depth) + "}"
        least, most, joint = _counts(match)
        head = _split(options[0], "$$")
        if len(head) > 1:
            joint, options = head[0], ["$$".join(head[1:]), *options[1:]]
        if len(options) == 1 and (only := _NAME.fullmatch(options[0].strip())):  # several of one wildcard
            options = list(self.lines(only[1]) or options)
        most = len(options) if most is None else most
        count = least + int(self.draw.random() * (most - least + 1)) if most > least else least
        return joint.join(self.text(option, depth + 1).strip() for option in _weighed(self.draw, options, count))

    def _wildcard(self, name: str, depth: int) -> str:
        lines = self.lines(name)
        self.taken += 1
        if depth >= DEEPEST or self.taken > MOST:
            self._say(f"The wildcard {name} leads back to itself, or there are too many.")
            return f"__{name}__"
        if not lines:
            self._say(f"There is no wildcard {name}." if lines is None else f"The wildcard {name} has no lines.")
            return f"__{name}__"
        return self.text(_weighed(self.draw, lines, 1)[0], depth + 1)

    def _say(self, sentence: str) -> None:
        if ERROR + sentence not in self.comments:
            self.comments.append(ERROR + sentence)


def has_choices(text: str) -> bool:
    """Whether there is anything of the syntax in it."""
    return bool(_SYNTAX.search(text)) or ("{" in text and ("|" in text or "$$" in text))


def _closing(text: str, start: int) -> int:
    """Of the brace at start; 0 where there is none."""
    depth, at = 0, start
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in "{}":
            depth += 1 if text[at] == "{" else -1
            if depth == 0:
                return at
        at += 1
    return 0


def _split(text: str, mark: str) -> list[str]:
    """At marks that are in no braces of their own."""
    parts, depth, last, at = [], 0, 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in "{}":
            depth += 1 if text[at] == "{" else -1
        elif depth == 0 and text.startswith(mark, at):
            parts.append(text[last:at])
            last = at + len(mark)
            at = last - 1
        at += 1
    return [*parts, text[last:]]


def _counts(match: re.Match[str]) -> tuple[int, int | None, str]:
    """Least, most (None = all), and what they are joined by. "2", "1-3", "-3", "1-"."""
    first, dash, last = match[1], match[2], match[3]
    if not dash:
        return int(first or last or 1), int(first or last or 1), JOINED_BY
    return int(first or 0), int(last) if last else None, JOINED_BY


def _weighed(draw: random.Random, options: Sequence[str], count: int) -> list[str]:
    """So many different ones, at most all, by their weights; in the order in which they were drawn. An option of weight 0 is never chosen."""
    left = [(float(match[1]), option[match.end() :]) if (match := _WEIGHT.match(option)) else (1.0, option) for option in options]
    chosen: list[str] = []
    while len(chosen) < count and (total := sum(weight for weight, _ in left)) > 0:
        place = _at(draw.random() * total, [weight for weight, _ in left])
        chosen.append(left.pop(place)[1])
    return chosen or ([""] if count else [])


def _at(mark: float, weights: Sequence[float]) -> int:
    """The place on whose stretch the mark lies; after rounding the last one that has any."""
    for place, weight in enumerate(weights):
        if mark < weight:
            return place
        mark -= weight
    return max(place for place, weight in enumerate(weights) if weight > 0)

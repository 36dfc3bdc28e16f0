"""What a prompt says at which step: [from:to:when], [to:when], [from::when], [a|b], and its parts: a AND b :0.5."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Schedule = tuple[tuple[int, str], ...]

_TOKEN = re.compile(r"([\[\]():|])|((?:[^\\\[\]():|]|\\.)+)|(.)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"[-+]?(?:\d+\.?|\d*\.\d+)")


@dataclass(frozen=True)
class _Edit:
    before: "_Node"
    after: "_Node"
    when: str


@dataclass(frozen=True)
class _Alternation:
    options: tuple["_Node", ...]


_Node = list["str | _Edit | _Alternation"]  # a sequence


@dataclass
class _Open:
    """A bracket whose end is still to come: what is in it, cut at : and |."""

    bracket: str
    parts: list[_Node] = field(default_factory=lambda: [[]])
    separators: str = ""


@dataclass(frozen=True)
class _Count:
    """What `when` is reckoned by."""

    steps: int
    before: int
    old: bool

    def when(self, edit: _Edit) -> int:
        value = float(edit.when)
        if self.old:
            return min(self.steps, int(value * self.steps if value < 1 else value))
        fraction, second_pass = "." in edit.when, self.before > 0
        return min(self.steps, int((value - second_pass) * self.steps if fraction else value - self.before))


class _Malformed(Exception):
    """The whole prompt is taken as plain text."""


def prompt_schedule(text: str, steps: int, *, old: bool = False, before: int = 0) -> Schedule:
    """((last step, text), …): from step 1 on; an entry holds up to and with its last step, that of the last entry is `steps`.

    `when` with a point is a fraction of steps, without one a step; with `old` (A1111's use_old_scheduling) it is a fraction where it is below 1.
    before: steps of the first pass, where this is the hires pass: fractions from 1 to 2 and steps after `before` are its own, but with `old`.
    Brackets that make no sense are text; a stray | or a \\ at the end makes all of the prompt text.
    """
    try:
        tree = _parse(text)
    except _Malformed:
        return ((steps, text),)
    count = _Count(steps, before, old)
    return tuple((step, _text_at(tree, step, count)) for step in _changes(tree, count))


def entry_at(schedule: Sequence[tuple[int, object]], call: int) -> int:
    """Index of the entry that holds at the 0-based call. As in A1111 one holds for `call <= last step`, and after the last the first holds again."""
    return next((i for i, (last, _) in enumerate(schedule) if call <= last), 0)


def split_and(text: str) -> tuple[tuple[str, float], ...]:
    """The parts of `a AND b :0.5` with their weights; a prompt without AND is one part and may have a weight too."""
    return tuple(map(_weighted, _AND.split(text)))


def _weighted(part: str) -> tuple[str, float]:
    head, colon, tail = part.rpartition(":")
    if colon and _WEIGHT.fullmatch(tail.strip()):
        return head.rstrip(), float(tail)
    return part.rstrip(), 1.0


def _parse(text: str) -> _Node:
    top: _Node = []
    stack: list[_Open] = []
    for match in _TOKEN.finditer(text):
        mark, plain, stray = match.groups()
        if stray or (plain and "\\\n" in plain):  # A1111's grammar knows no escaped line break
            raise _Malformed
        if plain:
            (stack[-1].parts[-1] if stack else top).append(plain)
        elif mark in "([":
            stack.append(_Open(mark))
        elif mark in ":|":
            _separate(mark, stack, top)
        else:
            _close(mark, stack, top)
    _give_up(stack, top)
    return top


def _separate(mark: str, stack: list[_Open], top: _Node) -> None:
    if stack:
        stack[-1].separators += mark
        stack[-1].parts.append([])
    elif mark == ":":
        top.append(mark)
    else:
        raise _Malformed


def _close(mark: str, stack: list[_Open], top: _Node) -> None:
    node = _construct(stack[-1], mark) if stack else None
    if node is None:
        _give_up(stack, top)
        top.append(mark)
        return
    stack.pop()
    (stack[-1].parts[-1] if stack else top).extend(node)


def _construct(opened: _Open, mark: str) -> _Node | None:
    """What the closed bracket means, or None when it means nothing."""
    parts, separators = opened.parts, opened.separators
    if opened.bracket + mark == "()" and separators in ("", ":"):
        return ["(", *parts[0], *(node for part in parts[1:] for node in (":", *part)), ")"]
    if opened.bracket + mark != "[]":
        return None
    if not separators:
        return ["[", *parts[0], "]"]
    if set(separators) == {"|"}:
        return [_Alternation(tuple(parts))]
    when = _plain(parts[-1])
    if separators in (":", "::") and _NUMBER.fullmatch(when):
        return [_Edit(parts[0] if len(parts) == 3 else [], parts[-2], when)]
    return None


def _plain(tree: _Node) -> str:
    """The text without blanks around it; "" when there is more than text."""
    words = [node for node in tree if isinstance(node, str)]
    return "".join(words).strip() if len(words) == len(tree) else ""


def _give_up(stack: list[_Open], top: _Node) -> None:
    """The brackets that are still open are text, and so are the separators in them."""
    for opened in stack:
        if "|" in opened.separators:
            raise _Malformed
        top.append(opened.bracket)
        for i, part in enumerate(opened.parts):
            top.extend([":", *part] if i else part)
    stack.clear()


def _changes(tree: _Node, count: _Count) -> list[int]:
    changes = {count.steps}
    for node in _nodes(tree):
        if isinstance(node, _Alternation):
            changes.update(range(1, count.steps + 1))
        elif (when := count.when(node)) >= 1:
            changes.add(when)
    return sorted(changes)


def _nodes(tree: _Node) -> Iterator[_Edit | _Alternation]:
    for node in tree:
        if isinstance(node, str):
            continue
        yield node
        for part in node.options if isinstance(node, _Alternation) else (node.before, node.after):
            yield from _nodes(part)


def _text_at(tree: _Node, step: int, count: _Count) -> str:
    return "".join(node if isinstance(node, str) else _text_at(_chosen(node, step, count), step, count) for node in tree)


def _chosen(node: _Edit | _Alternation, step: int, count: _Count) -> _Node:
    if isinstance(node, _Alternation):
        return node.options[(step - 1) % len(node.options)]
    return node.before if step <= count.when(node) else node.after

"""Emphasis in a prompt: (more), [less], (exactly:1.3), with \\ as escape → pieces of text with weights."""

import re

MORE = 1.1
BREAK = ("BREAK", -1.0)  # ends a chunk

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_PIECE = re.compile(rf"\\[\\()\[\]]?|:\s*({_NUMBER})\s*\)|[()\[\]:]|[^\\()\[\]:]+")
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


def parse_attention(text: str) -> list[tuple[str, float]]:
    """At least one piece; neighbours of equal weight are one piece. BREAK between pieces is the entry `BREAK`.

    As in A1111 a BREAK inside emphasis takes the weight, and so is a word like others; and brackets that are not closed reach to the end.
    """
    pieces: list[tuple[str, float]] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def close(kind: str, weight: float) -> None:
        start = opened[kind].pop()
        pieces[start:] = [(piece, old * weight) for piece, old in pieces[start:]]

    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece.startswith("\\"):
            pieces.append((piece[1:], 1.0))
        elif piece in opened:
            opened[piece].append(len(pieces))
        elif match[1] and opened["("]:
            close("(", float(match[1]))
        elif piece == ")" and opened["("]:
            close("(", MORE)
        elif piece == "]" and opened["["]:
            close("[", 1 / MORE)
        else:
            pieces.extend(_plain(piece))
    for kind, weight in (("(", MORE), ("[", 1 / MORE)):
        while opened[kind]:
            close(kind, weight)
    return _merged(pieces) or [("", 1.0)]


def _plain(text: str) -> list[tuple[str, float]]:
    first, *rest = _BREAK.split(text)
    return [(first, 1.0), *(piece for part in rest for piece in (BREAK, (part, 1.0)))]


def _merged(pieces: list[tuple[str, float]]) -> list[tuple[str, float]]:
    merged: list[tuple[str, float]] = []
    for text, weight in pieces:
        if merged and merged[-1][1] == weight:
            merged[-1] = (merged[-1][0] + text, weight)
        else:
            merged.append((text, weight))
    return merged

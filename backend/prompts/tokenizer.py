"""CLIP's byte-pair tokenizer, text → ids, through the `tokenizers` package; the vocabulary lies in the repository. No torch."""

import html
import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from tokenizers import AddedToken, Regex, models, pre_tokenizers
from tokenizers import Tokenizer as Backend

CHUNK = 75  # tokens of a prompt in one run of the text encoder; with start and end 77
VOCABULARY = Path(__file__).parents[1] / "checkpoints" / "configs" / "clip"

_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_BRACKETS: Mapping[str, int] = {"(": 1, "]": 1, ")": -1, "[": -1}
_ENTITY = re.compile(r"&#?\w{1,24};")
_TERMINAL_ESCAPE = re.compile(r"\x1b\[[\d;]*[a-zA-Z]")
_WIDE = (*range(0xFF01, 0xFFF0), *range(0xFB00, 0xFB07), *map(ord, "Ĳĳŉ"), *range(0x01C4, 0x01CD), *range(0x01F1, 0x01F4))
_CONTROL = (*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFD))
_SIMPLER: Mapping[int, str | None] = {
    **dict.fromkeys(_CONTROL),
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in _WIDE},  # full-width forms and Latin ligatures
    **dict.fromkeys(map(ord, "\u02bc\u2018\u2019\u201a\u201b"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f"), '"'),
    0x3000: " ",
}


class Tokenizer:
    """The tokenizer of every CLIP text encoder, OpenAI's and OpenCLIP's."""

    def __init__(self, folder: Path = VOCABULARY) -> None:
        self.vocabulary: Mapping[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
        merges = [(left, right) for left, _, right in (line.partition(" ") for line in lines if line and not line.startswith("#version"))]
        self._backend = Backend(
            models.BPE(vocab=dict(self.vocabulary), merges=merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token="<|endoftext|>")
        )
        self._backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        self._backend.add_special_tokens([AddedToken(token, normalized=False) for token in ("<|startoftext|>", "<|endoftext|>")])
        self.start = self.vocabulary["<|startoftext|>"]
        self.end = self.vocabulary["<|endoftext|>"]
        self.comma = self.vocabulary[",</w>"]

    @cached_property
    def brackets(self) -> Mapping[int, float]:
        """Tokens made of brackets → the factor by which A1111's first emphasis changes the weight of all later tokens."""
        powers = {i: sum(_BRACKETS.get(mark, 0) for mark in token) for token, i in self.vocabulary.items()}
        return {i: 1.1**power for i, power in powers.items() if power}

    def encode(self, text: str) -> list[int]:
        """Ids without start and end, of any number."""
        return self._backend.encode(clean(text), add_special_tokens=False).ids

    def tokens(self, ids: list[int]) -> list[str]:
        """The vocabulary's spelling of ids; "" for ids beyond it."""
        return [self._backend.id_to_token(i) or "" for i in ids]


def clean(text: str) -> str:
    """Lower case, single blanks, and the repairs that CLIP's tokenizer leaves to ftfy: straight quotes, plain ligatures and widths, entities, NFC."""
    if "<" not in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    text = unicodedata.normalize("NFC", _TERMINAL_ESCAPE.sub("", text).translate(_SIMPLER))
    return re.sub(r"\s+", " ", text).strip().lower()

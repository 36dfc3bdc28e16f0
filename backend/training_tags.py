"""The tags of the pictures that a network was trained with: read from the trainer's metadata, and which files have a tag with some text in it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

Stamped = tuple[str, int, int]  # path, size, mtime_ns
TAGS = "ss_tag_frequency"  # {folder of pictures: {tag: number of pictures}}


def training_tags(metadata: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Tags and how many pictures had each, the commonest first; () where the trainer told none, or nonsense."""
    try:
        folders = json.loads(metadata.get(TAGS) or "{}")
        counts: Counter[str] = Counter()
        for tags in folders.values():
            for tag, count in tags.items():
                counts[" ".join(tag.split())] += int(count)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return ()
    return tuple((tag, count) for tag, count in counts.most_common() if tag)


class TagIndex:
    """Each tag is kept once, however many files have it. Not thread-safe: the library sees to that."""

    def __init__(self) -> None:
        self._vocabulary: dict[str, int] = {}
        self._files: dict[Stamped, np.ndarray] = {}  # numbers of its tags
        self._text = ""  # the vocabulary, each tag in a line
        self._ends = np.zeros(0, np.int64)  # where each line ends
        self._all = np.zeros(0, np.int64)  # the numbers of all files, one after the other
        self._starts: list[int] = []
        self._tagged: list[Stamped] = []  # files with tags, in the order of _starts

    def missing(self, files: Sequence[Stamped]) -> list[Stamped]:
        """Those whose tags it does not have."""
        return [file for file in files if file not in self._files]

    def learn(self, tags: Mapping[Stamped, Sequence[str]], files: Sequence[Stamped]) -> None:
        """tags: of the missing files. files: all that there are; others are forgotten."""
        numbers = self._vocabulary
        for file, words in tags.items():
            self._files[file] = np.array([numbers.setdefault(word.lower(), len(numbers)) for word in words], np.int64)
        self._files = {file: self._files[file] for file in files if file in self._files}
        self._text = "".join(f"{word}\n" for word in numbers)
        self._ends = np.cumsum([len(word) + 1 for word in numbers])
        self._tagged = [file for file, words in self._files.items() if len(words)]
        sizes = [len(self._files[file]) for file in self._tagged]
        self._starts = [0, *np.cumsum(sizes)[:-1].tolist()]
        self._all = np.concatenate([self._files[file] for file in self._tagged]) if self._tagged else np.zeros(0, np.int64)

    def files_with(self, text: str) -> AbstractSet[str]:
        """Paths of the files one of whose tags has the text, in lower case, in it."""
        places, at = [], self._text.find(text)
        while at >= 0:
            places.append(at)
            at = self._text.find(text, self._text.index("\n", at))
        if not places:
            return frozenset()
        wanted = np.zeros(len(self._ends), bool)
        wanted[np.searchsorted(self._ends, places, side="right")] = True
        found = np.logical_or.reduceat(wanted[self._all], self._starts)
        return {self._tagged[number][0] for number in np.flatnonzero(found)}

"""Which of the saved pictures are wanted, and how many there are of each kind."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple

from backend.output_folders import Stamp
from backend.picture_facts import Facts

Facet = Literal["lora", "model", "day", "folder"]


class Picture(NamedTuple):
    """name: the folder's name and the way from there, "outputs/txt2img-images/2026-01-31/00000-7.png". facts None: not read yet."""

    name: str
    path: str
    folder: str  # as a person sees them: "outputs/txt2img-images"
    day: str  # "2026-01-31", on the server's clock
    stamp: Stamp
    facts: Facts | None
    loras: tuple[str, ...]
    words: str  # that are searched, in small letters

    def with_facts(self, facts: Facts | None) -> "Picture":
        loras = tuple(name for name, _ in facts.loras) if facts else ()
        return self._replace(facts=facts, loras=loras, words=_searched(self.name, facts))


@dataclass(frozen=True, kw_only=True)
class Query:
    """search: words that all occur in prompts, name, checkpoint or seed; -word: that does not. The others: "" = all, else one of what is told."""

    search: str = ""
    lora: str = ""
    model: str = ""
    day: str = ""
    folder: str = ""


class Found(NamedTuple):
    """Newest first. counts: for each facet its values, counted in what the rest of the query finds. groups: days of the pictures, in their order."""

    pictures: Sequence[Picture]
    groups: Sequence[tuple[str, int]]
    counts: Mapping[Facet, Sequence[tuple[str, int]]]


_VALUES: Mapping[Facet, Callable[[Picture], tuple[str, ...]]] = {
    "lora": lambda picture: picture.loras,
    "model": lambda picture: (picture.facts.model,) if picture.facts and picture.facts.model else (),
    "day": lambda picture: (picture.day,),
    "folder": lambda picture: (picture.folder,),
}


def search(pictures: Sequence[Picture], query: Query) -> Found:
    """pictures: newest first."""
    matching = _with_words(pictures, query.search)
    chosen: dict[Facet, str] = {facet: value for facet in _VALUES if (value := getattr(query, facet))}
    found = _fitting(matching, chosen)
    counts: dict[Facet, Sequence[tuple[str, int]]] = {}
    for facet in _VALUES:
        others: dict[Facet, str] = {other: value for other, value in chosen.items() if other != facet}
        counts[facet] = _count(facet, _fitting(matching, others) if facet in chosen else found)
    return Found(found, tuple(Counter(picture.day for picture in found).items()), counts)


def _searched(name: str, facts: Facts | None) -> str:
    if facts is None:
        return name.casefold()
    hashes = [short for _, short in facts.loras]
    return "\n".join((facts.prompt, facts.negative_prompt, name, facts.model, facts.seed, *hashes)).casefold()


def _with_words(pictures: Sequence[Picture], text: str) -> Sequence[Picture]:
    for word in text.casefold().split():
        unwanted = word[1:] if word.startswith("-") else ""
        if unwanted:
            pictures = [picture for picture in pictures if unwanted not in picture.words]
        else:
            pictures = [picture for picture in pictures if word in picture.words]
    return pictures


def _fitting(pictures: Sequence[Picture], chosen: Mapping[Facet, str]) -> Sequence[Picture]:
    for facet, value in chosen.items():
        values = _VALUES[facet]
        pictures = [picture for picture in pictures if value in values(picture)]
    return pictures


def _count(facet: Facet, pictures: Sequence[Picture]) -> Sequence[tuple[str, int]]:
    """Days newest first; folders by name; the others by number."""
    counted = Counter(chain.from_iterable(map(_VALUES[facet], pictures)))
    if facet == "day":
        return sorted(counted.items(), reverse=True)
    if facet == "folder":
        return sorted(counted.items())
    return sorted(counted.items(), key=lambda item: (-item[1], item[0].casefold()))

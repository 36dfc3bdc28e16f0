"""What the pictures show, and how captions name it.

concepts.txt: CLDR slug of an emoji → the words for it, the first one canonical. The VAE saw them all; U-Net and text encoder only DEMO.
"""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


def _read() -> dict[str, tuple[str, ...]]:
    lines = (Path(__file__).parent / "concepts.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(":", 1) for line in lines)
    return {slug.strip(): tuple(name.strip() for name in names.split("|")) for slug, names in pairs}


CONCEPTS: Mapping[str, tuple[str, ...]] = MappingProxyType(_read())

DEMO = tuple(
    """
    grinning-face smiling-face-with-sunglasses angry-face skull ghost alien robot red-heart cat-face dog-face fox panda pig-face frog penguin owl fish
    butterfly t-rex sunflower rose cactus evergreen-tree deciduous-tree mushroom red-apple banana strawberry pizza hamburger doughnut birthday-cake
    soft-ice-cream star sun crescent-moon fire snowman house automobile rocket sailboat balloon wrapped-gift soccer-ball crown key
    """.split()
)
# of one hue, so that they can be shown in other colours
RECOLOURABLE = frozenset(
    """
    red-heart cat-face bear pig-face frog rabbit-face baby-chick duck fish whale octopus crab snail butterfly turtle elephant t-rex rose tulip mushroom
    red-apple pear cupcake soft-ice-cream star balloon automobile bus rocket wrapped-gift gem-stone umbrella t-shirt guitar closed-book crown alarm-clock
    bell fire ghost robot key house lollipop doughnut bird dress handbag backpack
    """.split()
)
COLOURS = MappingProxyType({"red": 0, "orange": 28, "yellow": 48, "green": 115, "blue": 212, "purple": 275, "pink": 330})  # hue in degrees
BACKGROUNDS = MappingProxyType(
    {
        "white": (255, 255, 255),
        "black": (0, 0, 0),
        "red": (220, 50, 50),
        "orange": (245, 150, 40),
        "yellow": (250, 215, 70),
        "green": (70, 170, 80),
        "blue": (60, 120, 220),
        "purple": (135, 80, 190),
        "pink": (245, 150, 190),
        "gray": (140, 140, 140),
    }
)
STYLE_WORDS = MappingProxyType(
    {
        "flat": ("flat", "flat icon", "flat design", "flat style"),
        "cartoon": ("cartoon", "cartoon style", "cartoon drawing"),
        "3d": ("3d", "3d render", "3d style"),
        "glossy": ("glossy", "shaded"),
    }
)
BEFORE = ("", "", "", "", "a ", "a ", "a picture of a ", "a drawing of a ", "an icon of a ", "a photo of a ", "one ", "cute ", "the ")
AFTER = ("masterpiece, best quality", "best quality", "highly detailed", "simple", "emoji", "cute", "icon", "high quality", "centered", "beautiful")
# kept out of the vocabulary on purpose: they train the one row that all unknown words share
UNKNOWN = tuple(
    "portrait epic trending artstation sharp focus photorealistic studio lighting professional award intricate vivid scenery realistic cinematic "
    "wallpaper landscape concept digital".split()
)
MORE_WORDS = (
    "on a green background, brown",
    "light blue, dark, pixel art, line art, sketch, monochrome, black and white",
    "and with in of at , . ( ) : cute little big small",
)


@dataclass(frozen=True)
class Concept:
    """A thing with its names, and emojibase's tags for it."""

    names: tuple[str, ...]
    tags: tuple[str, ...] = ()


def read_concepts(path: Path) -> dict[str, Concept]:
    return {slug: Concept(tuple(row["names"]), tuple(row["tags"])) for slug, row in json.loads(path.read_text(encoding="utf-8")).items()}


def vocabulary(concepts: Iterable[Concept]) -> list[str]:
    """Every word that a caption may hold, UNKNOWN left out."""
    words = [word for concept in concepts for word in (*concept.names, *concept.tags)]
    words += [word for style in STYLE_WORDS.values() for word in style]
    return [*words, *BEFORE, *AFTER, *COLOURS, *BACKGROUNDS, *MORE_WORDS]


def caption(rng: random.Random, concept: Concept, style: str, background: str, colour: str | None) -> str:
    """Words for one picture: always its thing and colour, sometimes style, tags and praise; a white background is named less often."""
    thing = _article(rng.choice(BEFORE) + _coloured(_name(rng, concept.names), colour))
    extras = _extras(rng, concept, style)
    if background != "white" or rng.random() < 0.4:
        words = rng.choice((f"on {background} background", f"{background} background", f"on a {background} background", f"{background} background"))
        if rng.random() < 0.5 and words.startswith("on"):
            thing += f" {words}"
        else:
            extras.append(words)
    return ", ".join([thing, *extras])


def _name(rng: random.Random, names: Sequence[str]) -> str:
    return names[0] if rng.random() < 0.65 else rng.choice(names)


def _coloured(name: str, colour: str | None) -> str:
    """A red apple shown in blue is a blue apple."""
    if not colour:
        return name
    for word in (*COLOURS, "brown", "black", "white"):
        name = name.removeprefix(f"{word} ")
    return f"{colour} {name}"


def _article(text: str) -> str:
    return f"an{text[1:]}" if text.startswith(("a a", "a e", "a i", "a o", "a u ")) else text


def _extras(rng: random.Random, concept: Concept, style: str) -> list[str]:
    extras = []
    if rng.random() < 0.5:
        extras.append(rng.choice(STYLE_WORDS[style]))
    if concept.tags and rng.random() < 0.15:
        extras.append(rng.choice(concept.tags))
    if rng.random() < 0.12:
        extras.append(rng.choice(AFTER))
    if rng.random() < 0.08:
        extras.append(" ".join(rng.sample(UNKNOWN, rng.randint(1, 3))))
    rng.shuffle(extras)
    return extras

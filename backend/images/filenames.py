"""A1111's patterns for names of files and folders: "[date]", "[seed]-[prompt_spaces]". Nothing in them leads out of the folder."""

import hashlib
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from PIL import Image

MOST_BYTES = 230  # of one name: file systems take 255, and a suffix is still to come

_TOKEN = re.compile(r"\[([^\[\]]+)\]")
_ARGUMENT = re.compile(r"(.*)<([^>]*)>", re.DOTALL)
_BETWEEN_WORDS = re.compile(rf"[\s{re.escape(string.punctuation)}]+")
_FORBIDDEN, _FORBIDDEN_UNIX = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]'), re.compile(r"[/\x00]")
_SKIP = object()  # the token and the text before it are left out


@dataclass(frozen=True, kw_only=True)
class Names:
    """What a name may look like, by the command line."""

    longest: int = 128  # characters of a part
    any_character: bool = False  # but /

    def safe(self, text: str) -> str:
        """Nothing in it means something to a file system."""
        return (_FORBIDDEN_UNIX if self.any_character else _FORBIDDEN).sub("_", text)

    def part(self, text: str, *, spaces: bool = True) -> str:
        """Text as part of a name: characters that are awkward somewhere become _."""
        text = text if spaces else text.replace(" ", "_")
        text = self.safe(text) if self.any_character else self.safe(text).replace("#", "_")
        return text.encode("utf-8", "replace").decode().lstrip(" ")[: self.longest].rstrip(" .")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a pattern may speak of: one picture, or the first one of a grid."""

    image: Image.Image
    now: datetime  # when it is saved
    started: datetime  # when its task was
    prompt: str  # without <lora:…> tags, as it was drawn
    negative_prompt: str
    prompt_no_styles: str
    styles: tuple[str, ...]
    seed: int
    seed_first: int
    seed_last: int
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    own_schedule: bool  # the scheduler is the sampler's own
    model_name: str
    model_hash: str
    vae_filename: str
    clip_skip: int
    batch_size: int
    n_iter: int
    index: int  # of the picture, over all batches
    most_words: int = 8  # of [prompt_words]
    grid: bool = False


def expand(pattern: str, facts: Facts, names: Names) -> str:
    """The pattern with its tokens replaced, for one name: a slash in it becomes _. Unknown tokens stay as they are."""
    return shorten(names.safe(_expand(pattern, facts, names)))


def expand_folder(pattern: str, facts: Facts, names: Names) -> str:
    """The same for folders: slashes that stand in the pattern itself make folders in folders. "" for nothing."""
    parts = (shorten(names.safe(_expand(part, facts, names)).strip(" ").rstrip(" .")) for part in re.split(r"[/\\]", pattern))
    return "/".join(filter(None, parts))


def shorten(name: str) -> str:
    """At a whole character, so that a file system takes it."""
    return name.encode("utf-8", "replace")[:MOST_BYTES].decode("utf-8", "ignore")


def _expand(pattern: str, facts: Facts, names: Names) -> str:
    result, end = "", 0
    for match in _TOKEN.finditer(pattern):
        value = _value(match[1], facts, names)
        if value is not _SKIP:
            result += pattern[end : match.start()] + (match[0] if value is None else str(value))
        end = match.end()
    return result + pattern[end:]


def _value(token: str, facts: Facts, names: Names) -> object:
    """None: no token of ours, or one that has nothing to say."""
    arguments: list[str] = []
    while match := _ARGUMENT.fullmatch(token):
        token, argument = match.groups()
        arguments.insert(0, argument)
    find = _TOKENS.get(token.lower())
    return find(facts, names, arguments) if find else None


def _plain(read: Callable[[Facts], Any]) -> Callable[[Facts, Names, list[str]], object]:
    return lambda facts, names, arguments: read(facts)


def _part(read: Callable[[Facts], str], *, spaces: bool = True) -> Callable[[Facts, Names, list[str]], object]:
    return lambda facts, names, arguments: names.part(read(facts), spaces=spaces)


def _hash(read: Callable[[Facts], str]) -> Callable[[Facts, Names, list[str]], object]:
    return lambda facts, names, arguments: hashlib.sha256(read(facts).encode("utf-8", "replace")).hexdigest()[: _length(arguments, 8)]


def _image_hash(facts: Facts, names: Names, arguments: list[str]) -> object:
    return hashlib.sha256(facts.image.tobytes()).hexdigest()[: _length(arguments, 64)]


def _length(arguments: list[str], default: int) -> int:
    return int(arguments[0]) if arguments and arguments[0].isdecimal() else default


def _datetime(facts: Facts, names: Names, arguments: list[str]) -> object:
    """[datetime<format><time zone>]"""
    format, zone = [*arguments, "", ""][:2]
    try:
        now = facts.now.astimezone(ZoneInfo(zone) if zone else None)
    except (KeyError, ValueError, OSError):  # no such time zone
        now = facts.now
    try:
        return names.part(now.strftime(format or "%Y%m%d%H%M%S"))
    except ValueError:
        return names.part(now.strftime("%Y%m%d%H%M%S"))


def _has_prompt(facts: Facts, names: Names, arguments: list[str]) -> object:
    """[hasprompt<word|otherwise>…]"""
    prompt, result = facts.prompt.lower(), ""
    for argument in arguments:
        word, _, otherwise = argument.partition("|")
        result += word if word.lower() in prompt else otherwise
    return names.part(result)


def _prompt_words(facts: Facts, names: Names, arguments: list[str]) -> object:
    words = [word for word in _BETWEEN_WORDS.split(facts.prompt) if word][: facts.most_words] or ["empty"]
    return names.part(" ".join(words))


def _sampler_scheduler(facts: Facts) -> str:
    return facts.sampler if facts.own_schedule else f"{facts.sampler} {facts.scheduler}"


_TOKENS: Mapping[str, Callable[[Facts, Names, list[str]], object]] = {
    "basename": _plain(lambda facts: ""),
    "batch_number": _plain(lambda facts: _SKIP if facts.batch_size == 1 or facts.grid else facts.index % facts.batch_size + 1),
    "batch_size": _plain(lambda facts: facts.batch_size),
    "cfg": _plain(lambda facts: facts.cfg),
    "clip_skip": _plain(lambda facts: facts.clip_skip),
    "date": _plain(lambda facts: facts.now.strftime("%Y-%m-%d")),
    "datetime": _datetime,
    "denoising": _plain(lambda facts: _SKIP),
    "full_prompt_hash": _hash(lambda facts: f"{facts.prompt} {facts.negative_prompt}"),
    "generation_number": _plain(lambda facts: _SKIP if facts.batch_size * facts.n_iter == 1 or facts.grid else facts.index + 1),
    "hasprompt": _has_prompt,
    "height": _plain(lambda facts: facts.image.height),
    "image_hash": _image_hash,
    "job_timestamp": _plain(lambda facts: facts.started.strftime("%Y%m%d%H%M%S")),
    "model_hash": _plain(lambda facts: facts.model_hash),
    "model_name": _part(lambda facts: facts.model_name),
    "negative_prompt_hash": _hash(lambda facts: facts.negative_prompt),
    "none": _plain(lambda facts: ""),
    "prompt": _part(lambda facts: facts.prompt, spaces=False),
    "prompt_hash": _hash(lambda facts: facts.prompt),
    "prompt_no_styles": _part(lambda facts: facts.prompt_no_styles),
    "prompt_spaces": _part(lambda facts: facts.prompt),
    "prompt_words": _prompt_words,
    "sampler": _part(lambda facts: facts.sampler),
    "sampler_scheduler": _part(_sampler_scheduler),
    "scheduler": _part(lambda facts: facts.scheduler),
    "seed": _plain(lambda facts: facts.seed),
    "seed_first": _plain(lambda facts: facts.seed_first),
    "seed_last": _plain(lambda facts: facts.seed_last),
    "steps": _plain(lambda facts: facts.steps),
    "styles": _part(lambda facts: ", ".join(facts.styles) or "None"),
    "user": _plain(lambda facts: _SKIP),
    "vae_filename": _part(lambda facts: facts.vae_filename or "NoneType"),
    "width": _plain(lambda facts: facts.image.width),
}

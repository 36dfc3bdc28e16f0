"""What a saved picture says about itself, read once and remembered in sqlite by path, size and time of change."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.database import Database
from backend.errors import WebUIError
from backend.images.metadata import skim
from backend.infotext import LORA_HASHES, network_name, read
from backend.output_folders import Stamp
from backend.prompts.extra_networks import parse

log = logging.getLogger(__name__)

# The number goes up when what is read from a picture changes.
_COLUMNS = "path, size, mtime_ns, width, height, prompt, negative_prompt, model, seed, loras"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS pictures_1 (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, width INTEGER, height INTEGER, prompt TEXT,"
    " negative_prompt TEXT, model TEXT, seed TEXT, loras TEXT)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Of one file. width 0: it is no picture that can be read. loras: (name, short hash or "") in the order of the prompt."""

    width: int = 0
    height: int = 0
    prompt: str = ""
    negative_prompt: str = ""
    model: str = ""
    seed: str = ""
    loras: tuple[tuple[str, str], ...] = ()


def read_facts(path: Path) -> Facts:
    """Raises OSError where the file is gone."""
    try:
        (width, height), infotext = skim(path)
    except WebUIError as error:
        path.stat()
        log.warning("%s: %s", path, error)
        return Facts()
    labels = labels_of(infotext)
    return Facts(
        width=width,
        height=height,
        prompt=labels["Prompt"],
        negative_prompt=labels["Negative prompt"],
        model=labels.get("Model", ""),
        seed=labels.get("Seed", ""),
        loras=loras_of(labels),
    )


def loras_of(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Of the tags in the prompts; what "Lora hashes" names beyond them comes behind."""
    pairs = (pair.rpartition(": ") for pair in labels.get(LORA_HASHES, "").split(", "))
    hashes = {name: short for name, _, short in pairs if name}
    tags = parse(labels.get("Prompt", ""))[1] + parse(labels.get("Hires prompt", ""))[1]
    names = [tag.positional[0] for tag in tags if tag.kind in ("lora", "lyco") and tag.positional]
    written = {network_name(name) for name in names}
    return tuple((name, hashes.get(network_name(name), "")) for name in dict.fromkeys((*names, *(name for name in hashes if name not in written))))


def labels_of(infotext: str) -> dict[str, str]:
    return {label: clean(value) for label, value in read(infotext).items()}


def clean(text: str) -> str:
    """Without halves of characters, which neither sqlite nor JSON take."""
    return text.encode("utf-8", "replace").decode()


class FactsCache:
    def __init__(self, database: Database) -> None:
        self._database = database
        database.create((_TABLE,))

    def all(self) -> dict[str, tuple[Stamp, Facts]]:
        """By path; whether the files still are those is not looked at."""
        return {row[0]: (Stamp(*row[1:3]), _facts(row[3:])) for row in self._database.rows(f"SELECT {_COLUMNS} FROM pictures_1")}

    def remember(self, known: Mapping[str, tuple[Stamp, Facts]]) -> None:
        rows = [
            (path, *stamp, facts.width, facts.height, facts.prompt, facts.negative_prompt, facts.model, facts.seed, json.dumps(facts.loras))
            for path, (stamp, facts) in known.items()
        ]
        self._database.write(f"INSERT OR REPLACE INTO pictures_1 ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def forget(self, paths: Iterable[str]) -> None:
        self._database.write("DELETE FROM pictures_1 WHERE path = ?", [(path,) for path in paths])

    def close(self) -> None:
        self._database.close()


def _facts(row: tuple) -> Facts:
    width, height, prompt, negative_prompt, model, seed, loras = row
    pairs = tuple((name, short) for name, short in json.loads(loras)) if loras != "[]" else ()
    return Facts(width=width, height=height, prompt=prompt, negative_prompt=negative_prompt, model=model, seed=seed, loras=pairs)

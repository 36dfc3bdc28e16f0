"""localizations/*.json in A1111's form: what is written on the page → what is to be read there."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from backend.paths import Paths

log = logging.getLogger(__name__)

NONE = "None"


def localizations(paths: Paths) -> list[str]:
    """Names of the files."""
    return sorted(file.stem for file in paths.localizations.glob("*.json"))


def words(paths: Paths, name: str) -> Mapping[str, str]:
    """Empty for None, and for a file that cannot be read."""
    if name in ("", NONE):
        return {}
    if name not in localizations(paths):
        log.warning("There is no localization %r in %s", name, paths.localizations)
        return {}
    return _read(paths.localizations / f"{name}.json")


def _read(file: Path) -> Mapping[str, str]:
    try:
        found = json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        log.error("The localization %s cannot be read: %s", file, error)
        return {}
    return {key: text for key, text in found.items() if isinstance(text, str) and text} if isinstance(found, dict) else {}

"""Setting (declaration), Settings (frozen snapshot), SettingsStore (config.json)."""

import json
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

from backend.errors import Forbidden, NotFound, WebUIError
from backend.setting_table import KNOWN_ELSEWHERE, SETTINGS, Setting

log = logging.getLogger(__name__)

__all__ = ["SETTINGS", "Setting", "Settings", "SettingsStore"]


class Settings:
    """The value of every setting at one moment: A1111's defaults where nothing else was set."""

    def __init__(self, added: Mapping[str, Setting] = MappingProxyType({})) -> None:
        """added: settings of extensions, by key."""
        self._added = added
        self._changed: Mapping[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key in self._changed:
            return self._changed[key]
        setting = SETTINGS.get(key) or self._added.get(key)
        return setting.default if setting else KNOWN_ELSEWHERE[key]

    def __contains__(self, key: str) -> bool:
        return key in SETTINGS or key in self._added or key in KNOWN_ELSEWHERE

    @property
    def declared(self) -> Mapping[str, Setting]:
        """The program's own, then those of extensions."""
        return {**SETTINGS, **self._added}

    def usual(self) -> "Settings":
        """The same ones with their defaults."""
        return Settings(self._added)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.as_dict() == other.as_dict()

    def override(self, values: Mapping[str, object]) -> "Settings":
        """A new snapshot with these values in it, converted to their settings' types. Raises WebUIError for what no setting takes."""
        settings = Settings(self._added)
        settings._changed = {**self._changed, **{key: coerce(key, value, self._added) for key, value in values.items()}}
        return settings

    def as_dict(self) -> dict[str, Any]:
        """Every key that A1111 has, those of our own and those of extensions, as JSON types."""
        keys = (*SETTINGS, *self._added, *KNOWN_ELSEWHERE)
        return {key: list(value) if isinstance(value := self[key], tuple) else value for key in keys}


def coerce(key: str, value: object, added: Mapping[str, Setting] = MappingProxyType({})) -> Any:
    """The value in its setting's type. Text is read as it stands in an infotext: "True", "2"; a float keeps the form that it was given in, 7 or 7.0."""
    setting = SETTINGS.get(key) or added.get(key)
    if setting is None and key in KNOWN_ELSEWHERE:
        return tuple(value) if isinstance(value, list) else value
    if setting is None:
        raise NotFound(f"Unknown setting {key!r}. GET /sdapi/v1/options lists all that are known.")
    try:
        coerced = _READERS[setting.kind](value)
    except (TypeError, ValueError, OverflowError):
        raise WebUIError(f"Setting {key} cannot be {value!r}: {_wanted(setting)} is needed.") from None
    if not setting.allows(coerced):
        raise WebUIError(f"Setting {key} cannot be {value!r}: {_wanted(setting)} is needed.")
    return coerced


class SettingsStore:
    """The person's settings, in config.json. Thread-safe; readers take a snapshot and keep it."""

    def __init__(self, path: Path, frozen: Mapping[str, str] = MappingProxyType({})) -> None:
        """frozen: settings that stay as they are, and the flag that says so."""
        self.frozen = frozen
        self._path = path
        self._lock = Lock()
        self._file: dict[str, object] = _read(path)  # what the file holds, with keys that are not ours
        self._current = _accepted(self._file, path, Settings())

    @property
    def current(self) -> Settings:
        return self._current

    def declare(self, added: Mapping[str, Setting]) -> None:
        """From here on these are known, too, with what the file says of them."""
        with self._lock:
            self._current = _accepted(self._file, self._path, Settings(added))

    def update(self, values: Mapping[str, object]) -> Settings:
        """All of these values or, with WebUIError, none. They are on the disk when this returns."""
        with self._lock:
            changed = self._current.override(values)
            if kept := next((key for key in values if key in self.frozen and changed[key] != self._current[key]), None):
                raise Forbidden(f"Setting {kept} cannot be changed: the program was started with {self.frozen[kept]}.")
            file = {**self._file, **{key: list(value) if isinstance(value := changed[key], tuple) else value for key in values}}
            _write(self._path, file)
            self._file, self._current = file, changed
            return changed


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
        return found
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WebUIError(f"The settings in {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # not JSON, or not UTF-8
        aside = _free(path.with_suffix(".broken.json"))
        path.replace(aside)
        log.error("The settings in %s could not be read (%s). The file is kept as %s; A1111's defaults hold.", path, error, aside.name)
        return {}


def _accepted(values: Mapping[str, object], path: Path, settings: Settings) -> Settings:
    """A value that its setting does not take is passed over, not lost: it stays in the file until it is set anew."""
    for key in (key for key in values if key in settings):
        try:
            settings = settings.override({key: values[key]})
        except WebUIError as error:
            log.warning("%s: %s The default holds.", path.name, error)
    return settings


def _write(path: Path, values: Mapping[str, object]) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(values, file, indent=4, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise WebUIError(f"The settings cannot be written to {path}: {error.strerror}.") from error


def _free(path: Path) -> Path:
    numbered = (path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(2, 1000))
    return path if not path.exists() else next(other for other in numbered if not other.exists())


def _bool(value: object) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, bool | int) and value in (0, 1):
        return bool(value)
    raise ValueError


def _int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or float(value) != int(float(value)):
        raise ValueError
    return int(value) if isinstance(value, int) else int(float(value))


def _float(value: object) -> float:
    if isinstance(value, str):
        value = int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    return value


def _str(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise TypeError
    return value or ""


def _tuple(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise TypeError
    return tuple(value)


_READERS: Mapping[type, Any] = {bool: _bool, int: _int, float: _float, str: _str, tuple: _tuple}
_KINDS: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list of texts"}


def _wanted(setting: Setting) -> str:
    if setting.choices:
        return f"one of {', '.join(map(repr, setting.choices))}"
    if setting.is_color:
        return "a color like #ffffff"
    kind, low, high = _KINDS[setting.kind], setting.minimum, None if setting.soft else setting.maximum
    if low is not None and high is not None:
        return f"{kind} from {low} to {high}"
    return f"{kind} of at least {low}" if low is not None else kind

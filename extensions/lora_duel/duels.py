"""Duels as files: what was asked, who takes part, what was drawn and what was judged. A file for each, below the folder of the person's data."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from backend.errors import NotFound, WebUIError
from backend.fields import from_request, to_request
from backend.request import GenerationRequest
from extensions.lora_duel.ranking import Judgement, Standing, standing

FOLDER = "lora_duels"
ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """lora: as a tag names it, "" = the picture without. file: the catalog's name. picture: its file, relative to the data if it lies there."""

    lora: str = ""
    file: str = ""
    weight: float = 0.0
    picture: str = ""
    problem: str = ""  # why it could not be drawn

    @property
    def label(self) -> str:
        return f"{self.lora} {self.weight:g}" if self.lora else "without"


@dataclass(frozen=True, kw_only=True)
class Duel:
    """request: every field, its seeds drawn. drawn: numbers of contestants, in the order in which their pictures came."""

    id: str
    created: str
    request: Mapping[str, Any]
    contestants: tuple[Contestant, ...]
    drawn: tuple[int, ...] = ()
    judged: tuple[Judgement, ...] = ()

    def asked(self) -> GenerationRequest:
        return to_request(self.request)

    def with_contestant(self, number: int, changed: Contestant) -> "Duel":
        before, after = self.contestants[:number], self.contestants[number + 1 :]
        drawn = (*self.drawn, number) if changed.picture and number not in self.drawn else self.drawn
        return replace(self, contestants=(*before, changed, *after), drawn=drawn)

    def standing(self) -> Standing:
        coming = sum(not one.problem and number not in self.drawn for number, one in enumerate(self.contestants))
        return standing(self.drawn, self.judged, coming)


def kept_request(request: GenerationRequest) -> dict[str, Any]:
    """Raises WebUIError where a picture is part of what was asked."""
    values = {key: value for key, value in from_request(request).items() if key != "script" and value is not None}
    try:
        return json.loads(json.dumps(values, default=dict))
    except (TypeError, ValueError) as error:
        raise WebUIError("A duel cannot be made with settings that hold a picture: switch off what needs it.") from error


class Duels:
    """Thread-safe, and safe beside others over the same folder if they have the same lock."""

    def __init__(self, data: Path, lock: Lock) -> None:
        self.data = data
        self._folder, self._lock = data / FOLDER, lock

    def find(self, id: str) -> Duel | None:
        """None: there is no such duel (yet). Raises WebUIError for a damaged one."""
        path = self._file(id)
        try:
            return _read(json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WebUIError(f"The duel {path.name} cannot be read: {error}.") from error

    def get(self, id: str) -> Duel:
        """Raises NotFound."""
        duel = self.find(id)
        if duel is None:
            raise NotFound("There is no such duel.")
        return duel

    def all(self) -> list[Duel]:
        """Newest first; damaged ones are passed over."""
        found: list[Duel] = []
        for path in self._folder.glob("*.json"):
            try:
                duel = self.find(path.stem)
            except WebUIError:
                continue
            found += [duel] if duel else []
        return sorted(found, key=lambda duel: duel.created, reverse=True)

    def create(self, id: str, request: GenerationRequest, contestants: tuple[Contestant, ...]) -> Duel:
        duel = Duel(id=id, created=datetime.now().isoformat(timespec="seconds"), request=kept_request(request), contestants=contestants)
        with self._lock:
            self._write(duel)
        return duel

    def change(self, id: str, how: Callable[[Duel], Duel]) -> Duel:
        """Raises NotFound."""
        with self._lock:
            duel = self.get(id)
            changed = how(duel)
            if changed != duel:
                self._write(changed)
            return changed

    def delete(self, id: str) -> None:
        """And pictures that lie nowhere else."""
        with self._lock:
            self._file(id).unlink(missing_ok=True)
            for path in self._folder.glob(f"{id}-*.png"):
                path.unlink(missing_ok=True)

    def place(self, id: str, number: int) -> Path:
        """For a picture that is saved nowhere else."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._file(id).with_name(f"{id}-{number}.png")

    def picture(self, one: Contestant) -> Path | None:
        """None: it has none, or it is gone."""
        path = self.data / one.picture
        return path if one.picture and path.is_file() else None

    def named(self, path: Path) -> str:
        """What `picture` finds again."""
        path = path.absolute()
        data = self.data.absolute()
        return path.relative_to(data).as_posix() if path.is_relative_to(data) else str(path)

    def _file(self, id: str) -> Path:
        if not ID.fullmatch(id):
            raise NotFound("There is no such duel.")
        return self._folder / f"{id}.json"

    def _write(self, duel: Duel) -> None:
        path = self._file(duel.id)
        temporary = path.with_name(f".{uuid4().hex}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(asdict(duel), ensure_ascii=False, indent=1), "utf-8")
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise WebUIError(f"The duel cannot be kept in {self._folder}: {error.strerror or error}.") from error


def _read(content: dict[str, Any]) -> Duel:
    return Duel(
        id=content["id"],
        created=content["created"],
        request=content["request"],
        contestants=tuple(Contestant(**one) for one in content["contestants"]),
        drawn=tuple(content["drawn"]),
        judged=tuple(Judgement(**one) for one in content["judged"]),
    )

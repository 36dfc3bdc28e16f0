"""The order of what waits, and a copy of it on the disk, so that a restart of the program loses no job."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import psutil
from PIL import Image

from backend.errors import WebUIError
from backend.fields import from_request, to_request
from backend.images.metadata import open_image
from backend.request import GenerationRequest, ScriptCall
from backend.settings import Settings
from backend.tasks import Task

log = logging.getLogger(__name__)

Move = Literal["up", "down", "first", "last"] | int  # int: the place that it gets, from 0
TASK, ORDER = "task.json", "order.json"
PART, DAMAGED = ".part", ".damaged"
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def moved(tasks: Iterable[Task], task: Task, to: Move, among: Callable[[Task], bool] = lambda task: True) -> list[Task]:
    """With `task` at another place. It changes places with those only that are `among`; the others stay where they are."""
    result = list(tasks)
    slots = [slot for slot, other in enumerate(result) if among(other)]
    turn = [result[slot] for slot in slots]
    at = turn.index(task)
    wanted = to if isinstance(to, int) else {"up": at - 1, "down": at + 1, "first": 0, "last": len(turn)}[to]
    turn.insert(min(max(wanted, 0), len(turn) - 1), turn.pop(at))
    return replaced(result, slots, turn)


def replaced(tasks: Sequence[Task], slots: Iterable[int], by: Iterable[Task]) -> list[Task]:
    """With others in some of the places."""
    result = list(tasks)
    for slot, task in zip(slots, by, strict=True):
        result[slot] = task
    return result


class QueueFolder:
    """A folder for each task that waits or runs: what was asked as JSON, its pictures as PNG. What cannot be written is logged; the task runs all the same.

    Several programs may use it at once: none takes up what another one that still runs has kept.
    """

    def __init__(self, folder: Path, usual: Settings = Settings()) -> None:  # noqa: B008 (a frozen value)
        """usual: every setting with its default."""
        self._folder, self._usual = folder, usual

    def keep(self, task: Task) -> None:
        part = self._of(task).with_suffix(PART)
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _write_json(part / TASK, _record(task, part))
            shutil.rmtree(self._of(task), ignore_errors=True)
            part.rename(self._of(task))
        except (OSError, TypeError, ValueError) as error:  # an override that is no JSON, a picture that is no PNG
            log.warning("A job cannot be kept in %s, and would be lost if the program ended: %s", self._folder, error)

    def drop(self, task: Task) -> None:
        """It has ended, or was discarded. Nothing happens for one that was not kept."""
        shutil.rmtree(self._of(task), ignore_errors=True)

    def order(self, tasks: Iterable[Task]) -> None:
        """Without it the order is that of their coming."""
        names = [self._of(task).name for task in tasks if self._of(task).is_dir()]
        try:
            if names:
                _write_json(self._folder / ORDER, names)
        except OSError as error:
            log.warning("The order of the jobs cannot be kept in %s: %s", self._folder, error)

    def left(self) -> tuple[Task, ...]:
        """What waited and ran when the program ended, in the order of their turn. Damaged ones are put aside."""
        folders = sorted(folder for folder in self._folder.glob("*") if folder.is_dir() and not folder.suffix)
        found = [(folder, task) for folder in folders if (task := _read(folder, self._usual)) is not None]
        names = _order(self._folder / ORDER)
        place = {name: number for number, name in enumerate(names)}
        found.sort(key=lambda pair: (place.get(pair[0].name, len(names)), pair[1].created))
        return tuple(task for _, task in found)

    def _of(self, task: Task) -> Path:
        """A task's id may hold anything."""
        return self._folder / hashlib.blake2b(task.id.encode(), digest_size=16).hexdigest()


def _record(task: Task, folder: Path) -> dict[str, object]:
    request = task.request
    values = {key: _kept(value, folder / key) for key, value in from_request(request).items()}
    usual = task.settings.usual().as_dict()
    return {
        "id": task.id,
        "program": _program(),
        "created": task.created.isoformat(),
        "save_samples": task.save_samples,
        "save_grid": task.save_grid,
        "request": {**values, "prompts": request.prompts, "negative_prompts": request.negative_prompts},
        "settings": {key: value for key, value in task.settings.as_dict().items() if value != usual[key]},
    }


def _kept(value: Any, path: Path) -> Any:
    """As JSON has it; pictures go into files beside."""
    if isinstance(value, ScriptCall):
        return {"title": value.title, "values": _kept(value.values, path)}
    if isinstance(value, Image.Image):
        file = path.with_suffix(".png")
        (value if value.mode in PNG_MODES else value.convert("RGB")).save(file, compress_level=1)
        return {"file": file.name}
    if isinstance(value, tuple) and any(isinstance(item, Image.Image) for item in value):
        return [_kept(item, path.with_name(f"{path.name}-{number}")) for number, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {key: _kept(item, path.with_name(f"{path.name}-{number}")) for number, (key, item) in enumerate(value.items())}
    return value


def _read(folder: Path, usual: Settings) -> Task | None:
    """None for one that another program still works on, or that is damaged. A setting whose extension is gone is passed over."""
    try:
        record = json.loads((folder / TASK).read_text("utf-8"))
        if _still_runs(record["program"]):
            return None
        task = Task(
            id=record["id"],
            request=_request(record["request"], folder),
            settings=usual.override({key: value for key, value in record["settings"].items() if key in usual}),
            save_samples=bool(record["save_samples"]),
            save_grid=bool(record["save_grid"]),
        )
        task.created = datetime.fromisoformat(record["created"])
        return task
    except (OSError, ValueError, KeyError, TypeError, AttributeError, WebUIError) as error:
        aside = folder.with_suffix(DAMAGED)
        log.error("A job in %s was waiting when the program ended and cannot be read (%s). It is kept as %s.", folder.parent, error, aside.name)
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        return None


def _request(values: dict[str, Any], folder: Path) -> GenerationRequest:
    prompts, negative_prompts = (tuple(values.pop(key)) for key in ("prompts", "negative_prompts"))
    script, parts = values.pop("script", None), values.pop("parts", {})
    read = {key: _back(value, folder) for key, value in values.items()}
    return replace(
        to_request(read),
        prompts=prompts,
        negative_prompts=negative_prompts,
        script=ScriptCall(title=script["title"], values=_values(script["values"], folder)) if script else None,
        parts={title: _values(given, folder) for title, given in parts.items()},
    )


def _values(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Of the controls of a script or part."""
    return {key: _back(value, folder) for key, value in given.items()}


def _back(value: Any, folder: Path) -> Any:
    if isinstance(value, dict) and value.keys() == {"file"}:
        return open_image(folder / Path(value["file"]).name)
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [_back(item, folder) for item in value]
    return value


def _order(path: Path) -> list[str]:
    try:
        names = json.loads(path.read_text("utf-8"))
        return [str(name) for name in names]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s cannot be read (%s); the jobs come back in the order of their coming.", path, error)
        return []


def _program() -> list[float]:
    """Of this one: its number and when it began."""
    process = psutil.Process()
    return [process.pid, process.create_time()]


def _still_runs(program: Sequence[float]) -> bool:
    """Another one than this, which may have the number of one that has ended."""
    number, began = program
    try:
        return int(number) != os.getpid() and abs(psutil.Process(int(number)).create_time() - began) < 1
    except psutil.Error:
        return False


def _write_json(path: Path, content: object) -> None:
    temporary = path.with_name(f"{path.name}{PART}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)

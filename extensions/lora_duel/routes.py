"""What the tab asks for, under /lora-duel: the duels, one of them, its pictures; a judgement, undo; what becomes of the winner. Names go as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal, TypeVar

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse
from pydantic import BaseModel

from backend.errors import NotFound, WebUIError
from backend.images.metadata import Encoding, encode, infotext_of, open_image
from backend.service import GenerationService
from backend.sidecar import write_preview
from backend.tasks import Task
from extensions.lora_duel.contest import contestants
from extensions.lora_duel.duels import Contestant, Duel, Duels
from extensions.lora_duel.ranking import Judgement, most
from extensions.lora_duel.script import TITLE, LoraDuel

Answer = TypeVar("Answer")
MEDIA_TYPES: Mapping[str, str] = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".avif": "image/avif"}
SHORT = 200  # characters of a prompt in the list


class Asked(BaseModel):
    loras: str
    weights: str
    without: bool = True


class Verdict(BaseModel):
    left: int
    right: int
    better: Literal["left", "right", "equal"]


class Page(BaseModel):
    client: str


def build(service: GenerationService, script: LoraDuel) -> APIRouter:
    router = APIRouter(prefix="/lora-duel", include_in_schema=False)
    duels = Duels(service.paths.data, script.lock)

    @router.get("")
    def read_all() -> dict[str, object]:
        return {"duels": [_listed(duel, duels) for duel in duels.all()]}

    @router.post("/count")
    def count(body: Asked) -> dict[str, object]:
        """How many pictures and, at most, comparisons; or what is wrong with what is asked."""
        try:
            pictures = len(contestants(body.loras, body.weights, body.without, service.catalog))
        except WebUIError as error:
            return {"pictures": 0, "comparisons": 0, "problem": str(error)}
        return {"pictures": pictures, "comparisons": most(0, pictures), "problem": ""}

    @router.get("/{id}")
    def read(id: str) -> dict[str, object]:
        return _explained(lambda: _shown(id, duels.find(id), duels, service))

    @router.get("/{id}/picture/{number}")
    def read_picture(id: str, number: int) -> FileResponse:
        """The address is of one version, see `_shown`."""

        def answer() -> FileResponse:
            path = _picture(duels.get(id), number, duels)
            media_type = MEDIA_TYPES.get(path.suffix.lower())
            if media_type is None:
                raise NotFound("This is no picture.")
            return FileResponse(path, media_type=media_type, headers={"Cache-Control": "private, max-age=86400"})

        return _explained(answer)

    @router.post("/{id}/judge")
    def judge(id: str, body: Verdict) -> dict[str, object]:
        """Of the pair that is to be compared now; of another one nothing is kept: another page was quicker."""

        def add(duel: Duel) -> Duel:
            pair = duel.standing().pair
            if pair is None or {body.left, body.right} != set(pair):
                return duel
            better = {"left": body.left, "right": body.right, "equal": None}[body.better]
            return _with(duel, (*duel.judged, Judgement(*pair, better)))

        return _explained(lambda: _shown(id, duels.change(id, add), duels, service))

    @router.post("/{id}/undo")
    def undo(id: str) -> dict[str, object]:
        return _explained(lambda: _shown(id, duels.change(id, lambda duel: _with(duel, duel.judged[:-1])), duels, service))

    @router.post("/{id}/stop")
    def stop(id: str, body: Page) -> dict[str, object]:
        """Of the page that asked for it."""
        task = _task(service, id)
        if task is not None and len(body.client) == 32 and task.id.startswith(f"{body.client}-"):
            service.interrupt(task.id)
        return _explained(lambda: _shown(id, duels.find(id), duels, service))

    @router.post("/{id}/card/{number}")
    def set_card(id: str, number: int) -> dict[str, str]:
        """This picture becomes that of its LoRA's card."""

        def set_it() -> dict[str, str]:
            service.exposure.check("set previews")
            duel = duels.get(id)
            path, entry = _picture(duel, number, duels), service.catalog.exactly("lora", duel.contestants[number].file)
            try:
                image = open_image(path)
            except OSError as error:
                raise NotFound("This picture is not there any more.") from error
            with service.library.writing:
                preview = write_preview(entry.path, encode(image, infotext_of(image), Encoding(format="png")))
            service.catalog.look_at([preview])
            return {"preview": preview.name}

        return _explained(set_it)

    @router.delete("/{id}")
    def delete(id: str) -> dict[str, bool]:
        def delete_it() -> dict[str, bool]:
            service.exposure.check("delete duels")
            duels.delete(id)
            return {"deleted": True}

        return _explained(delete_it)

    return router


def _explained(act: Callable[[], Answer]) -> Answer:
    """What goes wrong becomes an answer with its sentence."""
    try:
        return act()
    except WebUIError as error:
        raise HTTPException(error.status, str(error)) from error


def _with(duel: Duel, judged: tuple[Judgement, ...]) -> Duel:
    return replace(duel, judged=judged)


def _picture(duel: Duel, number: int, duels: Duels) -> Path:
    """Raises NotFound."""
    path = duels.picture(duel.contestants[number]) if 0 <= number < len(duel.contestants) else None
    if path is None:
        raise NotFound("This picture is not there any more.")
    return path


def _task(service: GenerationService, id: str) -> Task | None:
    """The one that draws this duel, or waits to."""
    calls = ((task, task.request.script) for task in service.tasks() if not task.ended)
    return next((task for task, call in calls if call is not None and call.title == TITLE and call.values.get("duel") == id), None)


def _drawing(service: GenerationService, id: str) -> dict[str, object] | None:
    """How far it is; None: nobody draws for this duel."""
    task = _task(service, id)
    if task is None:
        return None
    return {"state": task.state, "before": service.queue_position(task), "progress": round(task.progress, 3), "status": task.status}


def _failure(service: GenerationService, id: str) -> str:
    """Why the last try to draw ended."""
    ended = [task for task in service.tasks() if task.ended and task.request.script and task.request.script.values.get("duel") == id]
    return (ended[-1].error or "") if ended else ""


def _shown(id: str, duel: Duel | None, duels: Duels, service: GenerationService) -> dict[str, object]:
    """As JSON. contestants None: it waits for its turn, or there is none. left and right: the pair to compare, its sides by chance, always the same."""
    state: dict[str, object] = {"id": id, "drawing": _drawing(service, id), "failure": _failure(service, id)}
    if duel is None:
        return state | {"contestants": None}
    standing, pair = duel.standing(), None
    if standing.pair is not None:
        first, second = standing.pair if Random(f"{id} {standing.pair}").random() < 0.5 else standing.pair[::-1]
        pair = {"left": first, "right": second}
    return state | {
        "created": duel.created,
        "prompt": duel.request.get("prompt", ""),
        "seed": duel.request.get("seed"),
        "contestants": [_contestant(number, one, duels) for number, one in enumerate(duel.contestants)],
        "pair": pair,
        "places": standing.places,
        "left": standing.left,
        "judged": len(duel.judged),
    }


def _contestant(number: int, one: Contestant, duels: Duels) -> dict[str, object]:
    path = duels.picture(one)
    version = f"{path.stat().st_mtime_ns:x}" if path else ""
    return {"number": number, "lora": one.lora, "file": one.file, "weight": one.weight, "label": one.label, "version": version, "problem": one.problem}


def _listed(duel: Duel, duels: Duels) -> dict[str, object]:
    standing = duel.standing()
    return {
        "id": duel.id,
        "created": duel.created,
        "prompt": str(duel.request.get("prompt", ""))[:SHORT],
        "loras": list(dict.fromkeys(one.lora for one in duel.contestants if one.lora)),
        "pictures": len(duel.contestants),
        "missing": sum(not one.problem and duels.picture(one) is None for one in duel.contestants),
        "left": standing.left,
    }

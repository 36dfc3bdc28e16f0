"""The script that draws a duel's contestants, or those that are still missing. The page asks for it; programs may, by its title."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any
from uuid import uuid4

from backend.catalog import Catalog
from backend.controls import Control
from backend.drawn_before import DrawnBefore
from backend.errors import Interrupted, WebUIError
from backend.images.metadata import Encoding, encode
from backend.request import GenerationRequest
from backend.scripts import Session
from backend.settings import Settings
from backend.tasks import SavedImage
from extensions.lora_duel.contest import check_fit, contestants, request_of, shuffled
from extensions.lora_duel.duels import Contestant, Duel, Duels

TITLE = "LoRA duel"


class LoraDuel:
    title = TITLE
    tabs = ("txt2img",)
    listed = False  # its tab asks for it

    def __init__(self) -> None:
        self.drawn_before = DrawnBefore()
        self.lock = Lock()  # of every duel's file

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="loras", kind="textbox", label="LoRAs, one a line", default="", lines=3),
            Control(key="weights", kind="textbox", label="Weights", default="0.4, 0.7, 1"),
            Control(key="without", kind="checkbox", label="Without, too", default=True),
            Control(key="duel", kind="textbox", label="Duel", default="", info="32 hexadecimal digits; of one that is there, its missing pictures are drawn"),
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        duels = Duels(session.paths.data, self.lock)
        id = values["duel"].strip() or uuid4().hex
        duel = duels.find(id) or self._create(duels, id, request, values, session)
        missing = [number for number, one in enumerate(duel.contestants) if duels.picture(one) is None]
        session.expect(len(missing))
        for number in missing:
            try:
                drawn = self._drawn(duels, duel, number, session)
            except Interrupted:
                return
            duels.change(id, lambda now, number=number, drawn=drawn: now.with_contestant(number, drawn))

    def _create(self, duels: Duels, id: str, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> Duel:
        taking_part = contestants(values["loras"], values["weights"], values["without"], session.catalog)
        request = replace(session.fixed(request), batch_size=1, n_iter=1, prompts=(), negative_prompts=())
        return duels.create(id, request, shuffled(taking_part, id))

    def _drawn(self, duels: Duels, duel: Duel, number: int, session: Session) -> Contestant:
        """With its picture, or with why there is none. Raises Interrupted."""
        one = duel.contestants[number]
        try:
            asked = request_of(one, duel.contestants, duel.asked(), session.catalog, session.settings)
            check_fit(one, session.decide(asked).jobs[0].model, session.catalog)
            picture, _ = self.drawn_before.draw(asked, session)
            if not picture.complete:
                raise WebUIError("It was skipped.")
        except WebUIError as error:
            session.comment(f"Error: {one.label}: {error}")
            return replace(one, picture="", problem=str(error))
        return replace(one, picture=_kept(picture, duels, duel.id, number), problem="")


def _kept(picture: SavedImage, duels: Duels, id: str, number: int) -> str:
    """Where its file is; one that the settings do not save is kept with the duel."""
    if picture.path is not None:
        return duels.named(picture.path)
    path = duels.place(id, number)
    path.write_bytes(encode(picture.image, picture.infotext, Encoding(format="png")))
    return duels.named(path)

"""Loopback: what img2img has drawn is what it starts from next."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from backend import hooks
from backend.catalog import Catalog
from backend.controls import Control
from backend.errors import Interrupted, WebUIError
from backend.images.grid import image_grid
from backend.request import GenerationRequest, InitImage
from backend.scripts import Script, Session
from backend.settings import Settings
from backend.tasks import SavedImage

ORIGINAL = 1  # of Inpaint.fill
# Part of the way between the loops' first and last strength, at a part of the loops.
CURVES: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "Aggressive": lambda part: math.sin(part * math.pi / 2),
        "Linear": lambda part: part,
        "Lazy": lambda part: 1 - math.cos(part * math.pi / 2),
    }
)


def strength(loop: int, loops: int, first: float, last: float, curve: str) -> float:
    """Of the loop with this number, from 0."""
    return first if loops == 1 else round(first + (last - first) * CURVES[curve](loop / (loops - 1)), 10)  # 0.2, not 0.19999999999999996: steps are cut


class Loopback:
    title = "Loopback"
    tabs = ("img2img",)

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="loops", kind="slider", label="Loops", default=4, minimum=1, maximum=32, step=1),
            Control(key="final_denoising_strength", kind="slider", label="Final denoising strength", default=0.5, minimum=0, maximum=1, step=0.01),
            Control(key="denoising_curve", kind="dropdown", label="Denoising strength curve", default="Linear", choices=tuple(CURVES)),
            # A1111's place for it: a program that asks for CLIP or DeepBooru is told that there is none.
            Control(key="append", kind="radio", label="Append interrogated prompt at each iteration", default="None", choices=("None",), visible=False),
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        if request.init is None or not request.init.images:
            raise WebUIError("There is no picture to start from.")
        loops, rounds = int(values["loops"]), request.n_iter
        asked = replace(session.fixed(request), batch_size=1, n_iter=1, init=replace(request.init, images=request.init.images[:1]))
        session.expect(loops * rounds)
        for number in range(rounds):
            first = replace(asked, seed=replace(asked.seed, seed=asked.seed.seed + number * loops))
            images = _loop(first, loops, values["final_denoising_strength"], values["denoising_curve"], session)
            if len(images) > 1 and session.settings["return_grid"]:
                session.add(image_grid([image.image for image in images]), session.infotext(images, {}), grid=True, front=True)
            if len(images) < loops:
                break


def _loop(request: GenerationRequest, loops: int, last: float, curve: str, session: Session) -> list[SavedImage]:
    """Fewer than `loops` where Interrupt was pressed."""
    extra = {"Final denoising strength": str(last), "Denoising curve": curve}
    images: list[SavedImage] = []
    for loop in range(loops):
        again = replace(request, denoising_strength=strength(loop, loops, request.denoising_strength, last, curve))
        if images:
            seed = replace(request.seed, seed=request.seed.seed + loop)
            again = replace(again, seed=seed, init=_starting_from(request.init, images[-1]))
        try:
            images += session.draw(again, extra=extra)[:1]
        except Interrupted:
            break
    return images


def _starting_from(init: InitImage | None, image: SavedImage) -> InitImage:
    """Under a mask lies what was drawn before."""
    assert init is not None
    inpaint = replace(init.inpaint, fill=ORIGINAL) if init.inpaint else None
    return replace(init, images=(image.image,), inpaint=inpaint)


@hooks.hookimpl
def scripts() -> Sequence[Script]:
    return [Loopback()]

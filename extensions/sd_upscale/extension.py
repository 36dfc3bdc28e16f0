"""SD upscale: a picture is made larger, and drawn anew in tiles that overlap."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from backend import hooks
from backend.catalog import Catalog
from backend.controls import Control
from backend.errors import Interrupted, WebUIError
from backend.images.mask import flattened
from backend.images.tiles import cut, join
from backend.request import GenerationRequest
from backend.scripts import Script, Session
from backend.settings import Settings
from backend.tasks import SavedImage

ABOUT = "Will upscale the image by the selected scale factor; use width and height sliders to set tile size"
NONE = "None"


class SDUpscale:
    title = "SD upscale"
    tabs = ("img2img",)

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="about", kind="text", label=ABOUT),
            Control(key="overlap", kind="slider", label="Tile overlap", default=64, minimum=0, maximum=256, step=16),
            Control(key="upscaler", kind="radio", label="Upscaler", default=NONE, choices_of="upscaler", type_index=True),
            Control(key="scale_factor", kind="slider", label="Scale Factor", default=2.0, minimum=1.0, maximum=4.0, step=0.05),
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        if request.init is None or not request.init.images:
            raise WebUIError("There is no picture to start from.")
        image = flattened(request.init.images[0], session.settings["img2img_background_color"])
        if values["upscaler"] != NONE:
            image = session.upscale(image, values["upscaler"], values["scale_factor"])
        extra = {"SD upscale overlap": str(int(values["overlap"])), "SD upscale upscaler": values["upscaler"]}
        request = session.fixed(request)
        for number in range(request.n_iter):
            start = replace(request, n_iter=1, seed=replace(request.seed, seed=request.seed.seed + number))
            if not _draw_anew(image, start, int(values["overlap"]), extra, session):
                break


def _draw_anew(image: Image.Image, request: GenerationRequest, overlap: int, extra: Mapping[str, str], session: Session) -> bool:
    """False: interrupted; what there is of it is shown, over the enlarged picture."""
    tiles = cut(image.size, request.size.width // 8 * 8, request.size.height // 8 * 8, overlap)
    session.expect(len(tiles.flat) * request.n_iter)
    pictures, drawn = [image.crop(box) for box in tiles.flat], list[SavedImage]()
    try:
        for start in range(0, len(pictures), request.batch_size):
            seed = replace(request.seed, seed=request.seed.seed + start // request.batch_size)
            batch = pictures[start : start + request.batch_size]
            assert request.init is not None
            tile = replace(request, seed=seed, batch_size=len(batch), init=replace(request.init, images=tuple(batch), inpaint=None))
            drawn += [one for one in session.draw(tile, save=False, show=False, extra=extra) if not one.beside]
    except Interrupted:
        pass
    if drawn:
        joined = join(tiles, [one.image for one in drawn] + pictures[len(drawn) :])
        session.add(joined, session.infotext(drawn, {}))
    return len(drawn) == len(pictures)


@hooks.hookimpl
def scripts() -> Sequence[Script]:
    return [SDUpscale()]

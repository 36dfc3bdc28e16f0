"""Poor man's outpainting: the picture on a larger canvas, whose empty edges are inpainted in tiles that overlap."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from backend import hooks
from backend.catalog import Catalog
from backend.controls import Control
from backend.errors import Interrupted, WebUIError
from backend.images.tiles import Box, Tiles, cut, join
from backend.plan_init import FILLS
from backend.request import GenerationRequest, Inpaint
from backend.scripts import Script, Session
from backend.settings import Settings
from backend.tasks import SavedImage

DIRECTIONS = ("left", "right", "up", "down")
MULTIPLE = 64  # pixels: what both sides of the canvas are a multiple of


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """The larger picture: its size, and how wide the empty edges are, in pixels."""

    width: int
    height: int
    left: int
    right: int
    up: int
    down: int

    def box(self, more: int = 0) -> Box:
        """What is there already, made smaller by `more` pixels at each edge behind which something is drawn."""
        return (
            self.left + (more if self.left else 0),
            self.up + (more if self.up else 0),
            self.width - self.right - (more if self.right else 0),
            self.height - self.down - (more if self.down else 0),
        )

    def covers(self, box: Box) -> bool:
        """Whether all of it is there already."""
        left, top, right, bottom = self.box()
        return box[0] >= left and box[1] >= top and box[2] <= right and box[3] <= bottom


def canvas(size: tuple[int, int], pixels: int, directions: Sequence[str]) -> Canvas:
    """What is missing to a multiple of 64 is shared among the directions."""
    left, right, up, down = (pixels if direction in directions else 0 for direction in DIRECTIONS)
    width, height = (math.ceil((side + more) / MULTIPLE) * MULTIPLE for side, more in zip(size, (left + right, up + down), strict=True))
    if not left and not right:
        width = size[0]
    if not up and not down:
        height = size[1]
    left = left * (width - size[0]) // (left + right) if left else 0
    up = up * (height - size[1]) // (up + down) if up else 0
    return Canvas(width=width, height=height, left=left, right=width - size[0] - left, up=up, down=height - size[1] - up)


def mask(canvas: Canvas, more: int) -> Image.Image:
    """L, white = draw anew: the edges, and `more` pixels of what is there."""
    white = Image.new("L", (canvas.width, canvas.height), 255)
    left, top, right, bottom = canvas.box(more)
    if right > left and bottom > top:
        white.paste(0, (left, top, min(right + 1, canvas.width), min(bottom + 1, canvas.height)))
    return white


class PoorMansOutpainting:
    title = "Poor man's outpainting"
    tabs = ("img2img",)

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="pixels", kind="slider", label="Pixels to expand", default=128, minimum=8, maximum=256, step=8),
            Control(key="mask_blur", kind="slider", label="Mask blur", default=4, minimum=0, maximum=64, step=1),
            Control(key="inpainting_fill", kind="radio", label="Masked content", default="fill", choices=FILLS, type_index=True),
            Control(key="direction", kind="checkboxgroup", label="Outpainting direction", default=DIRECTIONS, choices=DIRECTIONS),
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        if request.init is None or not request.init.images:
            raise WebUIError("There is no picture to start from.")
        image = request.init.images[0].convert("RGB")
        pixels, blur = int(values["pixels"]), int(values["mask_blur"])
        wider = canvas(image.size, pixels, values["direction"])
        whole = Image.new("RGB", (wider.width, wider.height))
        whole.paste(image, (wider.left, wider.up))
        tiles = cut(whole.size, request.size.width // 8 * 8, request.size.height // 8 * 8, pixels)
        fill = FILLS.index(values["inpainting_fill"])
        inpaint = Inpaint(mask=mask(wider, blur * 2), latent_mask=mask(wider, blur // 2), blur=blur * 2, fill=fill, only_masked=False)
        _draw(whole, wider, tiles, session.fixed(replace(request, batch_size=1, n_iter=1)), inpaint, session)


def _draw(whole: Image.Image, wider: Canvas, tiles: Tiles, request: GenerationRequest, inpaint: Inpaint, session: Session) -> None:
    boxes = tiles.flat
    wanted = [place for place, box in enumerate(boxes) if not wider.covers(box)]
    session.expect(len(wanted))
    pictures, drawn = [whole.crop(box) for box in boxes], list[SavedImage]()
    assert request.init is not None and inpaint.mask is not None and inpaint.latent_mask is not None
    try:
        for number, place in enumerate(wanted):
            here = replace(inpaint, mask=inpaint.mask.crop(boxes[place]), latent_mask=inpaint.latent_mask.crop(boxes[place]))
            init = replace(request.init, images=(pictures[place],), inpaint=here)
            tile = replace(request, init=init, seed=replace(request.seed, seed=request.seed.seed + number))
            (one,) = (one for one in session.draw(tile, save=False, show=False) if not one.beside)
            drawn.append(one)
            pictures[place] = one.image
    except Interrupted:
        pass
    if drawn:
        session.add(join(tiles, pictures), session.infotext(drawn, {}))


@hooks.hookimpl
def scripts() -> Sequence[Script]:
    return [PoorMansOutpainting()]

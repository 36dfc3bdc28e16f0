"""Outpainting mk2: one side after the other, the edge is filled with noise that looks like the picture and is drawn anew."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from PIL import Image

from backend import hooks
from backend.catalog import Catalog
from backend.controls import Control
from backend.errors import Interrupted, WebUIError
from backend.images.grid import image_grid, row_count
from backend.request import GenerationRequest, Inpaint, Size
from backend.scripts import Script, Session
from backend.settings import Settings
from backend.tasks import SavedImage
from extensions.outpainting_mk2.matched_noise import matched_noise

Side = Literal["left", "right", "up", "down"]
SIDES: tuple[Side, ...] = ("left", "right", "up", "down")
MULTIPLE = 64  # pixels: what a canvas's sides are a multiple of
ORIGINAL = 1  # of Inpaint.fill
ABOUT = "Recommended settings: Sampling Steps: 80-100, Sampler: Euler a, Denoising strength: 0.8"


@dataclass(frozen=True, kw_only=True)
class Brush:
    """blur: pixels on both sides of the seam."""

    blur: int
    exponent: float
    color_variation: float


@dataclass(frozen=True, kw_only=True)
class Step:
    """One side. canvas: the larger picture, with noise at its edge; box: the part that is drawn; size: of the result, within the canvas."""

    canvas: Image.Image
    box: tuple[int, int, int, int]
    mask: Image.Image
    latent_mask: Image.Image
    size: tuple[int, int]
    across: bool  # to the left or right


def widths(size: tuple[int, int], pixels: int, directions: Sequence[str]) -> dict[Side, int]:
    """How far each side goes: what is missing to a multiple of 64 is shared."""
    left, right, up, down = (pixels if side in directions else 0 for side in SIDES)
    width, height = (math.ceil((side + more) / MULTIPLE) * MULTIPLE for side, more in zip(size, (left + right, up + down), strict=True))
    if left:
        left = left * (width - size[0]) // (left + right)
    if right:
        right = width - size[0] - left
    if up:
        up = up * (height - size[1]) // (up + down)
    if down:
        down = height - size[1] - up
    return {side: wide for side, wide in zip(SIDES, (left, right, up, down), strict=True) if wide}


def step(image: Image.Image, side: Side, pixels: int, drawn: tuple[int, int], brush: Brush) -> Step:
    """drawn: width and height that are drawn at most."""
    across = side in ("left", "right")
    size = (image.width + pixels, image.height) if across else (image.width, image.height + pixels)
    whole = (math.ceil(size[0] / MULTIPLE) * MULTIPLE, math.ceil(size[1] / MULTIPLE) * MULTIPLE)
    canvas = Image.new("RGB", whole)
    canvas.paste(image, (pixels if side == "left" else 0, pixels if side == "up" else 0))
    mask = _mask(whole, size, side, pixels, brush.blur)
    noisy = matched_noise(_levels(canvas), _levels(mask.convert("RGB")), brush.exponent, brush.color_variation)
    width = min(drawn[0], size[0]) if across else whole[0]
    height = whole[1] if across else min(drawn[1], size[1])
    left = 0 if side == "left" else whole[0] - width
    top = 0 if side == "up" else whole[1] - height
    box = (left, top, left + width, top + height)
    return Step(
        canvas=Image.fromarray(np.clip(noisy * 255, 0, 255).astype(np.uint8)),
        box=box,
        mask=mask.crop(box),
        latent_mask=_mask((width, height), size, side, pixels, 2 * brush.blur),
        size=size,
        across=across,
    )


def _mask(whole: tuple[int, int], size: tuple[int, int], side: Side, pixels: int, blur: int) -> Image.Image:
    """L, white = draw anew: the new edge, and `blur` pixels of the picture beside it."""
    more = pixels + blur
    left, top = more if side == "left" else 0, more if side == "up" else 0
    right = whole[0] - more if side == "right" else size[0]
    bottom = whole[1] - more if side == "down" else size[1]
    mask = Image.new("L", whole, 255)
    if right >= left and bottom >= top:
        mask.paste(0, (left, top, min(right + 1, whole[0]), min(bottom + 1, whole[1])))
    return mask


def _levels(image: Image.Image) -> Any:
    return np.asarray(image, np.float64) / 255


class OutpaintingMk2:
    title = "Outpainting mk2"
    tabs = ("img2img",)

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="about", kind="text", label=ABOUT),
            Control(key="pixels", kind="slider", label="Pixels to expand", default=128, minimum=8, maximum=256, step=8),
            Control(key="mask_blur", kind="slider", label="Mask blur", default=8, minimum=0, maximum=64, step=1),
            Control(key="direction", kind="checkboxgroup", label="Outpainting direction", default=SIDES, choices=SIDES),
            Control(key="noise_q", kind="slider", label="Fall-off exponent (lower=higher detail)", default=1.0, minimum=0.0, maximum=4.0, step=0.01),
            Control(key="color_variation", kind="slider", label="Color variation", default=0.05, minimum=0.0, maximum=1.0, step=0.01),
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        if request.init is None or not request.init.images:
            raise WebUIError("There is no picture to start from.")
        brush = Brush(blur=int(values["mask_blur"]), exponent=values["noise_q"], color_variation=values["color_variation"])
        image = request.init.images[0].convert("RGB")
        sides = widths(image.size, int(values["pixels"]), values["direction"])
        request = session.fixed(request)
        count = request.batch_size * request.n_iter
        session.expect(count * len(sides))
        finished: list[tuple[Image.Image, SavedImage]] = []
        for number in range(count):
            seed = replace(request.seed, seed=request.seed.seed + number)
            try:
                finished.append(_grow(image, sides, replace(request, batch_size=1, n_iter=1, seed=seed), brush, session))
            except Interrupted:
                break
            session.add(finished[-1][0], session.infotext([finished[-1][1]], {}))
        if len(finished) > 1 and session.settings["return_grid"]:
            grid = image_grid([picture for picture, _ in finished], row_count(len(finished)))
            session.add(grid, session.infotext([one for _, one in finished], {}), grid=True, front=True)


def _grow(image: Image.Image, sides: Mapping[Side, int], request: GenerationRequest, brush: Brush, session: Session) -> tuple[Image.Image, SavedImage]:
    """One side after the other; the last picture that was drawn comes with it."""
    assert request.init is not None
    if not sides:
        raise WebUIError("Choose at least one direction.")
    # The blur is only across the seams that there are.
    across, down = (4 * brush.blur if any(side in sides for side in pair) else 0 for pair in (SIDES[:2], SIDES[2:]))
    last: SavedImage | None = None
    for side, pixels in sides.items():
        this = step(image, side, pixels, (request.size.width, request.size.height), brush)
        inpaint = Inpaint(mask=this.mask, latent_mask=this.latent_mask, blur_x=across, blur_y=down, fill=ORIGINAL, only_masked=False)
        size = Size(width=this.box[2] - this.box[0], height=this.box[3] - this.box[1])
        asked = replace(request, size=size, init=replace(request.init, images=(this.canvas.crop(this.box),), inpaint=inpaint))
        (last,) = (one for one in session.draw(asked, save=False, show=False) if not one.beside)
        image = this.canvas.copy()
        image.paste(last.image, this.box[:2])
        image = image.crop((0, 0, *this.size))
    assert last is not None
    return image, last


@hooks.hookimpl
def scripts() -> Sequence[Script]:
    return [OutpaintingMk2()]

"""Scale2x and Scale3x against the rules pixel by pixel, and as an upscaler of the program."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.catalog import Catalog
from backend.checkpoints.placement import Placement
from backend.extensions import SHIPPED
from backend.plan_upscalers import upscaler, upscalers
from backend.plugins import Hooks
from backend.postprocess.added_upscaler import UpscalerTools
from backend.postprocess.upscale import Upscalers
from backend.progress import CancelToken
from backend.settings import Settings
from extensions.pixel_art_upscalers import engine, extension
from tests.backend.fake_catalog import FakeCatalog

TOOLS = UpscalerTools(device=torch.device("cpu"), progress=lambda part, parts: None, cancelled=lambda: False)


def few_colours(width: int, height: int) -> Image.Image:
    """Random, of three colours, so that neighbours are often equal."""
    colours = np.array([[10, 20, 30], [200, 20, 30], [10, 20, 31]], np.uint8)
    return Image.fromarray(colours[np.random.default_rng(3).integers(0, 3, (height, width))])


def at(pixels: np.ndarray, y: int, x: int) -> tuple[int, ...]:
    return tuple(pixels[min(max(y, 0), pixels.shape[0] - 1), min(max(x, 0), pixels.shape[1] - 1)].tolist())


def block2(p: np.ndarray, y: int, x: int) -> list:
    b, d, e, f, h = at(p, y - 1, x), at(p, y, x - 1), at(p, y, x), at(p, y, x + 1), at(p, y + 1, x)
    if b == h or d == f:
        return [[e, e], [e, e]]
    return [[d if d == b else e, f if b == f else e], [d if d == h else e, f if h == f else e]]


def block3(p: np.ndarray, y: int, x: int) -> list:
    a, b, c, d, e, f, g, h, i = (at(p, y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
    if b == h or d == f:
        return [[e] * 3] * 3
    return [
        [d if d == b else e, b if (d == b and e != c) or (b == f and e != a) else e, f if b == f else e],
        [d if (d == b and e != g) or (d == h and e != a) else e, e, f if (b == f and e != i) or (h == f and e != c) else e],
        [d if d == h else e, h if (d == h and e != i) or (h == f and e != g) else e, f if h == f else e],
    ]


@pytest.mark.parametrize(("function", "block", "scale"), [(engine.scale2x, block2, 2), (engine.scale3x, block3, 3)])
def test_each_pixel_becomes_what_the_rules_say(function, block, scale: int):
    image = few_colours(23, 17)
    pixels, larger = np.asarray(image), np.asarray(function(image, TOOLS))
    assert larger.shape == (17 * scale, 23 * scale, 3)
    for y in range(17):
        for x in range(23):
            assert larger[y * scale : (y + 1) * scale, x * scale : (x + 1) * scale].tolist() == [[list(c) for c in row] for row in block(pixels, y, x)]
    assert (larger != pixels.repeat(scale, 0).repeat(scale, 1)).any()


def test_they_stand_among_the_upscalers_and_work_until_the_size_is_reached():
    added = Hooks((), {"pixel_art_upscalers": extension}).added
    catalog: Catalog = FakeCatalog([], added=added)
    assert tuple(upscalers(catalog)) == ("None", "Lanczos", "Nearest", "Scale2x", "Scale3x")
    ref, image = upscaler("Scale2x", catalog, Settings()), few_colours(16, 8)
    larger = Upscalers(catalog, Placement(device=torch.device("cpu"))).upscale(image, ref, 4, on_event=lambda event: None, cancel=CancelToken())
    assert larger.tobytes() == engine.scale2x(engine.scale2x(image, TOOLS), TOOLS).tobytes()


def test_it_ships():
    assert "pixel_art_upscalers" in SHIPPED and (Path(extension.__file__).parent / "metadata.ini").is_file()

import numpy as np
import pytest
import torch
from PIL import Image

from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.face_files import FaceFiles
from backend.job import ExtrasJob
from backend.plan_extras import plan_steps
from backend.plugins import Hooks
from backend.postprocess.faces import FaceRestorers
from backend.postprocess.steps import Tools, run_steps
from backend.postprocess.upscale import Upscalers
from backend.progress import CancelToken
from backend.settings import Settings
from extensions.autosized_crop import extension
from extensions.autosized_crop.engine import best_size, error, resized
from tests.backend.fake_catalog import FakeCatalog

DEFAULTS = {"mindim": 384, "maxdim": 768, "minarea": 64 * 64, "maxarea": 640 * 640, "objective": 0, "threshold": 0.1}


@pytest.mark.parametrize(
    ("size", "changes", "expected"),
    [
        ((1000, 1000), {}, (640, 640)),
        ((1600, 900), {}, (768, 448)),
        ((900, 1600), {}, (448, 768)),
        ((1600, 1200), {}, (704, 576)),
        ((1600, 1200), {"objective": 1}, (512, 384)),
        ((1600, 1200), {"maxarea": 400 * 512}, (512, 384)),
        ((4000, 500), {}, None),  # no size is that wide
        ((4000, 500), {"threshold": 1, "objective": 1}, (768, 384)),
        ((1000, 1000), {"minarea": 600 * 600, "maxarea": 620 * 620}, (640, 576)),
    ],
)
def test_the_size_that_suits_the_shape(size: tuple[int, int], changes: dict, expected: tuple[int, int] | None):
    assert best_size(size, DEFAULTS | changes) == expected


def test_the_error_is_the_part_that_is_cut_off():
    assert error((200, 100), (100, 100)) == error((100, 200), (100, 100)) == 0.5
    assert error((300, 200), (450, 300)) == 0


def test_the_middle_is_kept():
    image = Image.new("RGB", (300, 100), "black")
    image.paste("red", (100, 0, 200, 100))
    cropped = resized(image, (50, 50))
    assert cropped.size == (50, 50)
    assert np.asarray(cropped)[..., 0].min() > 235  # near the sides the black beyond is felt


def test_a_picture_of_a_shape_that_no_size_has_stays_and_a_sentence_says_so():
    hooks, placement = Hooks((), {"autosized_crop": extension}), Placement(device=torch.device("cpu"))
    upscalers, faces = Upscalers(FakeCatalog([]), placement), FaceRestorers(FaceFiles((), ()), placement)
    tools = Tools(upscalers=upscalers, faces=faces, device=placement.device, on_event=lambda event: None, cancel=CancelToken())
    planned = plan_steps({"Auto-sized crop": {}}, Settings(), FakeCatalog([]), hooks.extras_steps)
    wide, usual = Image.new("RGB", (800, 100), "red"), Image.new("RGB", (800, 600), "red")
    stays, cropped = (run_steps(ExtrasJob(image=image, steps=planned), tools) for image in (wide, usual))
    assert stays.image.size == (800, 100) and "no size between the bounds" in stays.comments[0]
    assert cropped.image.size == (704, 576) and cropped.comments == () and cropped.extra == {"Auto-sized crop": "704x576"}


def steps(**options: object) -> tuple:
    hooks = Hooks((), {"autosized_crop": extension})
    return plan_steps({"Auto-sized crop": options}, Settings(), FakeCatalog([]), hooks.extras_steps)


def test_it_is_a_step_of_extras_with_a1111s_defaults():
    (step,) = steps()
    assert (step.target, dict(step.options)) == ("extensions.autosized_crop.engine:crop_step", DEFAULTS)


@pytest.mark.parametrize(("options", "word"), [({"mindim": 800}, "Dimension"), ({"minarea": 500_000}, "Area")])
def test_bounds_that_leave_nothing_are_refused(options: dict, word: str):
    with pytest.raises(WebUIError, match=f"{word} lower bound"):
        steps(**options)

import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.controls import complete, from_positions
from backend.errors import WebUIError
from backend.fields import to_request
from backend.infotext import read, write
from backend.plan import plan
from backend.request import GenerationRequest, SoftInpaint
from backend.scripts import PartContext
from backend.settings import Settings
from extensions.soft_inpainting.extension import SoftInpainting
from tests.backend.extension_files import paths_of
from tests.backend.planned import CATALOG, STYLES

PART = SoftInpainting()
CONTROLS = PART.controls("img2img", CATALOG, Settings())
MASKED = {"init_images": [Image.new("RGB", (64, 64))], "mask": Image.new("L", (64, 64), 255), "width": 64, "height": 64}


def changed(folder: Path, request: GenerationRequest, values: dict[str, Any]) -> GenerationRequest:
    context = PartContext(settings=Settings(), catalog=CATALOG, paths=paths_of(folder), tab="img2img", task_id="1")
    return PART.change_request(request, values, context)


def test_a1111s_arguments_are_read_in_their_order(tmp_path: Path):
    values = from_positions(CONTROLS, [True, 2, 0.75, 8, 0.5, 1, 3], CATALOG)
    asked = changed(tmp_path, to_request(MASKED), values).init
    assert asked is not None and asked.inpaint is not None
    assert asked.inpaint.soft == SoftInpaint(
        schedule_bias=2, preservation_strength=0.75, contrast_boost=8, mask_influence=0.5, difference_threshold=1, difference_contrast=3
    )


def test_it_is_off_where_nobody_switches_it_on_and_starts_as_a1111s():
    assert [(control.label, control.default) for control in CONTROLS] == [
        ("Soft inpainting", False),
        ("Schedule bias", 1),
        ("Preservation strength", 0.5),
        ("Transition contrast boost", 4),
        ("Mask influence", 0),
        ("Difference threshold", 0.5),
        ("Difference contrast", 2),
    ]
    assert PART.enabled == CONTROLS[0].key and PART.tabs == ("img2img",)


def test_without_a_mask_nothing_changes(tmp_path: Path):
    request = to_request({**MASKED, "mask": None})
    assert changed(tmp_path, request, complete(CONTROLS, {"enabled": True}, CATALOG)) == request


def test_the_parameters_of_a_picture_give_the_controls_back(tmp_path: Path):
    values = complete(CONTROLS, {"enabled": True, "difference_threshold": 1.25}, CATALOG)
    decided = plan(changed(tmp_path, to_request(MASKED), values), Settings(), CATALOG, STYLES, draw=random.Random(1))
    assert complete(CONTROLS, PART.read_infotext(read(write(decided, 0, {}))), CATALOG) == values
    assert PART.read_infotext({"Mask blur": "4"}) == {}


def test_a_number_out_of_its_range_is_refused():
    with pytest.raises(WebUIError, match="Transition contrast boost cannot be"):
        complete(CONTROLS, {"contrast_boost": 0}, CATALOG)

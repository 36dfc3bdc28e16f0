import random
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from backend.errors import WebUIError
from backend.fields import from_labels, to_request
from backend.infotext import read, write
from backend.plan import Plan, plan
from backend.request import SoftInpaint
from backend.settings import Settings
from tests.backend.planned import CATALOG, STYLES, planned

PICTURE = Image.new("RGB", (64, 64), "red")


def mask() -> Image.Image:
    image = Image.new("L", (64, 64))
    image.paste(255, (16, 20, 40, 44))
    return image


def started(settings: dict[str, Any] | None = None, **asked: Any) -> Plan:
    return planned(settings, **{"init_images": [PICTURE], "width": 64, "height": 64, "seed": 1} | asked)


def test_txt2img_has_no_pictures_to_start_from():
    assert planned().jobs[0].init is None and planned().tab == "txt2img"


def test_settings_say_what_the_request_leaves_open():
    settings = {"initial_noise_multiplier": 0.9, "img2img_extra_noise": 0.1, "img2img_fix_steps": True, "img2img_background_color": "#00ff00"}
    init = started(settings, denoising_strength=0.4).jobs[0].init
    assert init is not None
    assert (init.denoising_strength, init.noise_multiplier, init.extra_noise, init.fixed_steps, init.background) == (0.4, 0.9, 0.1, True, "#00ff00")
    own = started(settings, initial_noise_multiplier=1.1).jobs[0].init
    assert own is not None and own.noise_multiplier == 1.1


def test_several_pictures_make_a_batch_of_as_many():
    decided = started(init_images=[PICTURE, PICTURE], batch_size=3)
    assert [job.batch_size for job in decided.jobs] == [2]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"denoising_strength": 1.5}, "Denoising strength cannot be 1.5"),
        ({"resize_mode": 7}, "Resize mode cannot be 7"),
        ({"init_images": [PICTURE] * 3}, "need a batch size of 3"),
        ({"mask": mask(), "mask_blur": -1}, "Mask blur cannot be -1"),
        ({"mask": mask(), "inpainting_fill": 9}, "Masked content cannot be 9"),
        ({"mask": mask(), "inpaint_full_res_padding": 10**6}, "Only masked padding"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_choices(asked: dict[str, Any], text: str):
    with pytest.raises(WebUIError, match=text):
        started(**asked)


def test_only_masked_draws_the_surroundings_of_the_mask():
    init = started(mask=mask(), mask_blur=0, inpaint_full_res=True, inpaint_full_res_padding=4).jobs[0].init
    assert init is not None and init.inpaint is not None
    assert init.inpaint.box == (12, 16, 44, 48)
    whole = started(mask=mask(), mask_blur=0).jobs[0].init
    assert whole is not None and whole.inpaint is not None and whole.inpaint.box is None


def test_an_empty_mask_draws_the_whole_picture_and_says_so():
    decided = started(mask=Image.new("L", (64, 64)), inpaint_full_res=True)
    assert decided.jobs[0].init is not None and decided.jobs[0].init.inpaint is None
    assert any("mask is empty" in comment for comment in decided.comments)


def test_invert_draws_what_is_not_masked():
    init = started(mask=mask(), mask_blur=0, inpainting_mask_invert=True).jobs[0].init
    assert init is not None and init.inpaint is not None
    assert (init.inpaint.mask.getpixel((0, 0)), init.inpaint.mask.getpixel((30, 30))) == (255, 0)


def test_the_infotext_tells_of_masks_in_a1111s_order_and_is_read_back():
    asked = {"mask": mask(), "mask_blur": 4, "inpaint_full_res": True, "inpaint_full_res_padding": 16, "inpainting_fill": 2, "inpainting_mask_invert": True}
    text = write(started(initial_noise_multiplier=1.1, **asked), 0, {})
    told = (
        "Mask mode: Inpaint not masked, Mask blur: 4, Inpaint area: Only masked, Masked area padding: 16, Masked content: latent noise, Noise multiplier: 1.1"
    )
    assert "Denoising strength: 0.75, " in text and told in text
    values = from_labels(read(text))
    again = to_request(values | {"init_images": [PICTURE], "mask": asked["mask"]}).init
    assert again is not None and again.inpaint is not None
    assert (again.inpaint.blur, again.inpaint.only_masked, again.inpaint.padding, again.inpaint.fill, again.inpaint.invert) == (4, True, 16, 2, True)
    assert values["override_settings"]["initial_noise_multiplier"] == 1.1


def test_different_blurs_are_not_told():
    assert "Mask blur" not in write(started(mask=mask(), mask_blur_x=8, mask_blur_y=0), 0, {})


def test_the_hash_of_the_picture_is_told_where_it_is_saved():
    assert "Init image hash: " in write(started({"save_init_img": True}), 0, {})


def test_soft_inpainting_leaves_the_mask_as_gray_as_it_is_and_tells_its_numbers():
    asked = to_request({"init_images": [PICTURE], "mask": mask(), "mask_blur": 4})
    assert asked.init is not None and asked.init.inpaint is not None
    soft = SoftInpaint(preservation_strength=0.75)
    request = replace(asked, init=replace(asked.init, inpaint=replace(asked.init.inpaint, soft=soft)))
    decided = plan(request, Settings().override({"overlay_inpaint": False}), CATALOG, STYLES, draw=random.Random(1))
    init = decided.jobs[0].init
    assert init is not None and init.inpaint is not None and init.inpaint.soft == soft
    assert not init.inpaint.round and init.inpaint.overlay
    labels = list(decided.init_labels.items())
    assert labels[:3] == [("Soft inpainting enabled", True), ("Soft inpainting schedule bias", 1), ("Soft inpainting preservation strength", 0.75)]
    assert "Soft inpainting" not in str(started(mask=mask()).init_labels)

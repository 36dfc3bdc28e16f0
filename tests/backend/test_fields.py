import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.errors import WebUIError
from backend.fields import BY_KEY, FIELDS, changed, from_labels, from_request, to_request
from backend.request import GenerationRequest, Hires, InitImage, Inpaint, Refiner, Sampling, Seed, Size
from backend.settings import Settings


def test_nothing_asked_is_the_page_with_its_defaults():
    assert to_request({}) == GenerationRequest()


def test_the_api_has_its_own_defaults_where_a1111_has():
    differing = {field.key: field.api_default for field in FIELDS if field.api_default not in (field.default, None)}
    sizes = {"seed_resize_from_h": -1, "seed_resize_from_w": -1}
    inpaint = {"inpainting_fill": 0, "inpaint_full_res": True, "inpaint_full_res_padding": 0}
    assert differing == {**sizes, "sampler_name": "Euler", "steps": 50, "image_cfg_scale": 1.0, **inpaint}


def test_labels_are_those_of_a1111s_page():
    labels = {"steps": "Sampling steps", "sampler_name": "Sampling method", "cfg_scale": "CFG Scale", "subseed_strength": "Variation strength"}
    assert {key: BY_KEY[key].label for key in labels} == labels


def test_values_reach_their_parts_of_the_request():
    request = to_request({"seed": 5, "subseed_strength": 0.5, "width": 640, "sampler_name": "DDIM", "styles": ["a"], "eta": 0, "tiling": True})
    assert request == GenerationRequest(
        seed=Seed(seed=5, subseed_strength=0.5), size=Size(width=640), sampling=Sampling(sampler="DDIM", eta=0), styles=("a",), tiling=True
    )


def test_none_means_the_default():
    assert to_request({"sampler_name": None, "eta": None, "steps": None}) == GenerationRequest()


@pytest.mark.parametrize("value", [8.0, 8, "8"])
def test_whole_numbers_may_come_as_floats_or_text(value: object):
    assert to_request({"steps": value}).sampling.steps == 8


def test_a_float_keeps_the_form_it_was_given_in():
    assert [str(to_request({"cfg_scale": value}).sampling.cfg_scale) for value in (7, 7.0, "7", "7.0")] == ["7", "7.0", "7", "7.0"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", "many"),
        ("steps", 8.5),
        ("steps", True),
        ("cfg_scale", math.nan),
        ("cfg_scale", math.inf),
        ("prompt", 3),
        ("styles", "abc"),
        ("tiling", "perhaps"),
        ("tiling", []),
        ("override_settings", [1]),
        ("init_images", ["x"]),
        ("mask", "x"),
        ("override_settings", {1: 2}),
    ],
)
def test_a_wrong_value_is_refused_with_label_key_and_value(key: str, value: object):
    with pytest.raises(WebUIError) as error:
        to_request({key: value})
    assert key in str(error.value) and BY_KEY[key].label in str(error.value) and repr(value) in str(error.value)


def test_an_unknown_key_is_refused():
    with pytest.raises(WebUIError, match="'stepz'"):
        to_request({"stepz": 3})


def test_asking_for_nothing_of_it_is_no_error():
    assert to_request({"enable_hr": False, "refiner_checkpoint": "None", "init_images": []}) == GenerationRequest()


def test_a_part_is_there_where_its_switch_is_on():
    picture = Image.new("RGB", (8, 8))
    assert to_request({"enable_hr": True, "hr_scale": 1.5}).hires == Hires(scale=1.5)
    assert to_request({"refiner_checkpoint": "b", "refiner_switch_at": 0.5}).refiner == Refiner(checkpoint="b", switch_at=0.5)
    asked = to_request({"init_images": [picture], "mask": picture, "inpainting_fill": 2, "inpainting_mask_invert": 1, "denoising_strength": 0.4})
    assert asked.init == InitImage(images=(picture,), inpaint=Inpaint(mask=picture, fill=2, invert=True))
    assert asked.denoising_strength == 0.4


def test_what_is_said_of_a_part_that_is_off_changes_nothing_and_is_checked_all_the_same():
    assert to_request({"hr_scale": 1.5, "refiner_switch_at": 0.5, "mask": Image.new("L", (8, 8)), "inpainting_fill": 2}) == GenerationRequest()
    with pytest.raises(WebUIError, match="hr_scale"):
        to_request({"hr_scale": "large"})


def test_an_infotext_with_a_hires_pass_switches_it_on():
    assert from_labels({"Denoising strength": "0.5", "Hires upscale": "2.0"})["enable_hr"] is True
    assert "enable_hr" not in from_labels({"Denoising strength": "0.5"})


def test_a_request_is_frozen_with_the_mapping_in_it():
    given = {"tiling": True}
    request = to_request({"override_settings": given})
    given["tiling"] = False
    assert request.override_settings["tiling"] is True


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
BY_KIND = {
    str: st.text(),
    bool: st.booleans(),
    int: st.integers(),
    float: NUMBERS,
    tuple: st.lists(st.text()),
    dict: st.dictionaries(st.text(), st.integers()),
    list: st.lists(st.just(Image.new("RGB", (8, 8)))),
    Image.Image: st.just(Image.new("L", (8, 8))),
}


@given(st.fixed_dictionaries({}, optional={field.key: BY_KIND[field.kind] for field in FIELDS}))
def test_from_request_is_the_inverse_of_to_request(values: dict[str, object]):
    request = to_request(values)
    assert to_request(from_request(request)) == request


def test_fields_of_a_request_can_be_changed():
    request = to_request({"prompt": "a cat", "steps": 4, "enable_hr": True, "hr_scale": 3.0})
    again = changed(request, {"steps": "9", "hr_scale": 1.5, "refiner_switch_at": 0.2})
    assert (again.prompt, again.sampling.steps, again.hires, again.refiner) == ("a cat", 9, Hires(scale=1.5), None)
    assert changed(again, {"steps": None}).sampling.steps == 20
    assert changed(again, {"enable_hr": False}).hires is None
    assert changed(request, {"enable_hr": True}) == request
    assert changed(to_request({}), {"enable_hr": True}).hires == Hires()
    with pytest.raises(WebUIError, match="Sampling steps"):
        changed(request, {"steps": "many"})


def test_only_what_the_labels_name_comes_back():
    assert from_labels({"Prompt": "a cat", "Steps": "8", "Size-1": "640", "Model": "x", "Nonsense": "1"}) == {"prompt": "a cat", "steps": 8, "width": 640}


def test_labels_of_settings_become_overrides_as_far_as_they_differ():
    labels = {"Steps": "8", "Clip skip": "2", "RNG": "NV", "ENSD": "31337"}
    settings = Settings().override({"randn_source": "NV"})
    assert from_labels(labels, settings)["override_settings"] == {"CLIP_stop_at_last_layers": 2, "eta_noise_seed_delta": 31337}


def test_a_setting_that_an_infotext_leaves_out_had_its_default():
    settings = Settings().override({"CLIP_stop_at_last_layers": 2, "uni_pc_order": 2})
    assert from_labels({"Steps": "8"}, settings)["override_settings"] == {"CLIP_stop_at_last_layers": 1}
    assert from_labels({"Prompt": "a cat"}, settings) == {"prompt": "a cat"}


def test_the_checkpoint_of_an_infotext_counts_only_if_the_setting_says_so():
    labels = {"Model hash": "ecbf2ab887"}
    assert from_labels(labels) == {}
    swap = Settings().override({"disable_weights_auto_swap": False})
    assert from_labels(labels, swap) == {"override_settings": {"sd_model_checkpoint": "ecbf2ab887"}}


def test_fields_may_be_left_out_of_pasting():
    skip = Settings().override({"infotext_skip_pasting": ["Size", "Clip skip"]})
    assert from_labels({"Size-1": "64", "Size-2": "64", "Clip skip": "2", "Seed": "3"}, skip) == {"seed": 3}


def test_restored_faces_of_an_infotext_become_both_settings_and_their_absence_switches_them_off():
    told = from_labels({"Steps": "3", "Face restoration": "GFPGAN"})
    assert told["override_settings"] == {"face_restoration": True, "face_restoration_model": "GFPGAN"}
    assert from_labels({"Steps": "3"}, Settings().override({"face_restoration": True}))["override_settings"] == {"face_restoration": False}
    assert from_labels({"Face restoration": "GFPGAN"}, Settings().override({"infotext_skip_pasting": ["Face restoration"]})) == {}

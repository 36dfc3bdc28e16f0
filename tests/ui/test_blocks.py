import re

import gradio as gr
from fastapi import FastAPI

from tests.ui.fake_service import FakeService
from ui.blocks import STATIC, build, mount, page_head

A1111_IDS = """
    setting_sd_model_checkpoint txt2img_prompt txt2img_neg_prompt txt2img_generate txt2img_interrupt txt2img_skip txt2img_gallery
    txt2img_sampling txt2img_scheduler txt2img_steps txt2img_width txt2img_height txt2img_res_switch_btn txt2img_batch_count txt2img_batch_size
    txt2img_cfg_scale txt2img_seed txt2img_random_seed txt2img_reuse_seed txt2img_subseed_show txt2img_subseed txt2img_random_subseed
    txt2img_reuse_subseed txt2img_subseed_strength txt2img_seed_resize_from_w txt2img_seed_resize_from_h
""".split()


A1111_LABELS = (
    "Stable Diffusion checkpoint|Prompt|Negative prompt|Sampling method|Schedule type|Sampling steps|Width|Height|Batch count|Batch size|CFG Scale|Seed|Extra|"
    "Variation seed|Variation strength|Resize seed from width|Resize seed from height"
).split("|")


def by_id(blocks: gr.Blocks) -> dict[str, gr.blocks.Block]:
    return {block.elem_id: block for block in blocks.blocks.values() if block.elem_id}


def test_controls_are_found_by_a1111s_ids(service: FakeService) -> None:
    assert set(A1111_IDS) <= set(by_id(build(service)))  # type: ignore[arg-type]


def test_sliders_have_a1111s_ranges_and_defaults(service: FakeService) -> None:
    found = by_id(build(service))  # type: ignore[arg-type]
    ranges = {}
    for name in ("steps", "cfg_scale", "width", "height", "batch_count", "batch_size", "subseed_strength"):
        slider = found[f"txt2img_{name}"]
        assert isinstance(slider, gr.Slider)
        ranges[name] = (slider.minimum, slider.maximum, slider.step, slider.value)
    assert ranges == {
        "steps": (1, 150, 1, 20),
        "cfg_scale": (1, 30, 0.5, 7),
        "width": (64, 2048, 8, 512),
        "height": (64, 2048, 8, 512),
        "batch_count": (1, 100, 1, 1),
        "batch_size": (1, 8, 1, 1),
        "subseed_strength": (0, 1, 0.01, 0),
    }


def test_labels_are_a1111s(service: FakeService) -> None:
    labels = {getattr(block, "label", None) for block in build(service).blocks.values()}  # type: ignore[arg-type]
    assert set(A1111_LABELS) <= labels


def test_no_event_waits_in_gradios_queue(service: FakeService) -> None:
    """What waits there shares 40 places with everything else, and would hold a connection."""
    assert [event.api_name for event in build(service).fns.values() if event.queue and event.fn] == []  # type: ignore[arg-type]


def test_the_idle_queue_does_not_keep_the_processor_busy(service: FakeService) -> None:
    blocks = build(service)  # type: ignore[arg-type]
    mount(FastAPI(), blocks)
    assert blocks._queue.sleep_when_free == 0.02  # gone in a newer Gradio: see whether its idle loop still needs calming


def test_nothing_on_the_page_points_to_another_host(service: FakeService) -> None:
    places = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", page_head())
    assert [place for place in places if "www.w3.org" not in place] == []  # the name of SVG's namespace


def test_templates_are_constants_and_text_enters_as_text() -> None:
    """A value in a Gradio template is run as JavaScript; one in innerHTML as HTML."""
    for file in STATIC.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", file.read_text("utf-8")), file.name


def test_every_static_file_is_on_the_page() -> None:
    assert {file.name for file in STATIC.iterdir()} == set(re.findall(r"ui/static/([\w.]+)", page_head()))

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.networks.fit import describe
from backend.networks.quick import describe_text
from backend.safetensors_header import read_header
from tests.header_items import Item, read_item, read_items

COMMON = ("sd1_lora_kohya_inv_shinkai", "sdxl_lora_kohya-ldm_inv_alien", "flux_lora_kohya_inv", "flux_lora_peft_inv_hands", "sd1_lora_kohya_rb_boo_resized")


def text_of(path: Path) -> str:
    """The header as the safetensors library writes it."""
    with path.open("rb") as file:
        raw = file.read(int.from_bytes(file.read(8), "little"))
    return json.dumps(json.loads(raw), separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("item", read_items(), ids=lambda item: item.name)
def test_the_quick_way_says_the_same_or_nothing(item: Item, tmp_path: Path):
    path = item.write(tmp_path / "file.safetensors")
    assert describe_text(text_of(path)) in (None, describe(read_header(path)))


@pytest.mark.parametrize("name", COMMON)
def test_the_files_that_people_have_most_of_go_the_quick_way(name: str, tmp_path: Path):
    path = read_item(name).write(tmp_path / "file.safetensors")
    told = describe_text(text_of(path), {"sd version": "SD2"})
    assert told == describe(read_header(path), {"sd version": "SD2"})


@pytest.mark.parametrize("extra", ["a.dora_scale", "a.hada_w1_a", "a.diff", 'a"b.alpha', "<token>"])
def test_what_is_more_than_pairs_is_left_to_the_thorough_way(extra: str):
    shape = {"dtype": "F16", "shape": [4, 4], "data_offsets": [0, 32]}
    names = ("a.lora_down.weight", "a.lora_up.weight", "a.alpha")
    assert describe_text(json.dumps(dict.fromkeys(names, shape), separators=(",", ":"))) is not None
    assert describe_text(json.dumps(dict.fromkeys((*names, extra), shape), separators=(",", ":"))) is None


@given(
    st.text()
    | st.lists(st.sampled_from(('{"__metadata__":', "{", '"a', ".lora_down.weight", ".lora_up.weight", '":{"dtype":"', "[4,", "]", "}", "1", "x"))).map("".join)
)
def test_no_text_is_too_odd(text: str):
    told = describe_text(text)
    assert told is None or told.line


def test_it_is_quicker_than_reading_and_describing(tmp_path: Path):
    path = read_item(COMMON[0]).write(tmp_path / "file.safetensors")
    text = text_of(path)
    assert 1.5 * best_of(lambda: describe_text(text)) < best_of(lambda: describe(read_header(path)))


def best_of(work: Callable[[], object]) -> float:
    times = []
    for _ in range(10):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import WebUIError
from backend.networks.blocks import BLOCKS, NOTATIONS, PRESETS, block_of, read_blocks

# The extension's own presets, in 17 numbers.
OF_THE_EXTENSION = {
    "NONE": "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "ALL": "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
    "INS": "1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "IND": "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "INALL": "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "MIDD": "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0",
    "OUTD": "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0",
    "OUTS": "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1",
    "OUTALL": "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1",
    "ALL0.5": ",".join(["0.5"] * 17),
}


def named(text: str, own: str = "") -> dict[str, float | None]:
    return dict(zip(BLOCKS, read_blocks(text, own), strict=True))


@pytest.mark.parametrize("name", OF_THE_EXTENSION)
def test_presets_say_of_the_blocks_of_a_plain_lora_what_the_extensions_say(name: str):
    theirs, ours = named(OF_THE_EXTENSION[name]), named(name)
    assert {block: ours[block] for block in NOTATIONS[17]} == {block: theirs[block] for block in NOTATIONS[17]}
    assert None not in ours.values()


def test_seventeen_numbers_are_for_the_blocks_with_attention():
    weights = named(",".join(map(str, range(17))))
    expected = "BASE IN01 IN02 IN04 IN05 IN07 IN08 M00 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11".split()
    assert {block: weight for block, weight in weights.items() if weight is not None} == dict(zip(expected, range(17), strict=True))


@pytest.mark.parametrize(
    ("count", "places"),
    [
        (26, {"IN00": 1, "IN11": 12, "M00": 13, "OUT00": 14, "OUT11": 25}),
        (20, {"BASE": 0, "IN00": 1, "IN08": 9, "M00": 10, "OUT00": 11, "OUT08": 19, "IN09": None, "OUT09": None}),
        (12, {"BASE": 0, "IN04": 1, "IN08": 4, "M00": 5, "OUT00": 6, "OUT05": 11, "IN01": None, "OUT06": None}),
    ],
)
def test_the_other_notations(count: int, places: dict[str, float | None]):
    weights = named(",".join(map(str, range(count))))
    assert {block: weights[block] for block in places} == places


def test_a_block_stands_alone_by_its_name():
    assert [block for block, weight in named("OUT04").items() if weight] == ["OUT04"]
    assert [block for block, weight in named("MID").items() if weight] == ["M00"]


def test_a_person_has_presets_of_their_own():
    own = "# mine\nFACE:1,0,0,0,0,0,0,0,1,1,1,0,0,0,0,0,0\nno preset\nSOFT : ALL0.5\nIND:" + ",".join(["0.25"] * 26)
    assert [block for block, weight in named("FACE", own).items() if weight] == ["BASE", "OUT03", "OUT04", "OUT05"]
    assert set(named("SOFT", own).values()) == {0.5}
    assert set(named("IND", own).values()) == {0.25}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1,1,1", "3 block weights: 17 or 26 numbers are needed, for SDXL 12 or 20."),
        ("0.5", "1 block weight: 17 or 26"),
        ("INDD", "'INDD' is no preset of block weights. Known: NONE, ALL, .*, ALL0.5, MINE, and blocks"),
        ("", "'' is no preset"),
        (",".join(["1"] * 16 + ["x"]), "'x' is no number."),
        (",".join(["1"] * 16 + ["nan"]), "'nan' is no number."),
        (",".join(["1"] * 16 + ["R"]), "'R' is no number .*at random are not supported"),
    ],
)
def test_what_is_no_list_of_weights_is_refused_in_a_sentence(text: str, told: str):
    with pytest.raises(WebUIError, match=told):
        read_blocks(text, "MINE:ALL")


@given(st.text(alphabet="INOUTDSALM0123456789.,-+eRXUn \t", max_size=80), st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str, own: str):
    try:
        assert len(read_blocks(text, own)) == len(BLOCKS)
    except WebUIError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("path", "block"),
    [
        ("conv_in", "IN00"),
        ("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", "IN01"),
        ("down_blocks.0.resnets.1.conv1", "IN02"),
        ("down_blocks.0.downsamplers.0.conv", "IN03"),
        ("down_blocks.1.attentions.1.proj_in", "IN05"),
        ("down_blocks.3.resnets.1.conv2", "IN11"),
        ("mid_block.attentions.0.proj_out", "M00"),
        ("up_blocks.0.resnets.0.conv1", "OUT00"),
        ("up_blocks.0.upsamplers.0.conv", "OUT02"),
        ("up_blocks.1.attentions.0.proj_in", "OUT03"),
        ("up_blocks.3.attentions.2.proj_out", "OUT11"),
        ("time_embedding.linear_1", "BASE"),
        ("conv_out", "BASE"),
        ("conv_norm_out", "BASE"),
    ],
)
def test_a_module_lies_in_the_block_that_compvis_numbers(path: str, block: str):
    assert BLOCKS[block_of("unet", path)] == block
    assert BLOCKS[block_of("text_encoders.1", path)] == "BASE"


def test_every_preset_names_blocks_once():
    for name in PRESETS:
        assert Counter(read_blocks(name)).keys() <= {0.0, 1.0}

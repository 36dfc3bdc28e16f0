import pytest

from backend.controls import Control, choices, complete, from_positions
from backend.errors import WebUIError
from tests.backend.planned import CATALOG

CONTROLS = (
    Control(key="about", kind="text", label="A sentence"),
    Control(key="steps", kind="slider", label="Steps", default=4, minimum=1, maximum=10, step=1),
    Control(key="swap", kind="button", label="Swap"),
    Control(key="weight", kind="number", label="Weight", default=0.5),
    Control(key="axis", kind="dropdown", label="Axis", default="Seed", choices=("Nothing", "Seed", "Steps"), type_index=True),
    Control(key="sides", kind="checkboxgroup", label="Sides", default=("left",), choices=("left", "right")),
    Control(key="lora", kind="dropdown", label="Lora", default="None", choices=("None",), choices_of="lora"),
    Control(key="on", kind="checkbox", label="On", default=False),
)
DEFAULTS = {"steps": 4, "weight": 0.5, "axis": "Seed", "sides": ("left",), "lora": "None", "on": False}


def test_what_is_not_given_has_its_default_and_what_no_control_has_is_left_out():
    assert complete(CONTROLS, {"gone": 1, "on": None}, CATALOG) == DEFAULTS


def test_values_have_the_type_of_their_control():
    given = {"steps": 3.0, "weight": 1, "sides": ["right", "left"], "on": "True", "lora": "ink"}
    read = complete(CONTROLS, given, CATALOG)
    assert read == {**DEFAULTS, "steps": 3, "weight": 1.0, "sides": ("right", "left"), "on": True, "lora": "ink"}
    assert type(read["steps"]) is int


def test_files_are_among_the_choices():
    assert choices(CONTROLS[6], CATALOG) == ("None", "ink", "Oil")


def test_positions_count_as_in_a1111_a_sentence_has_one_and_a_button_has_none():
    assert from_positions(CONTROLS, ["", 7, 1.5, 2, ["right"], "Oil", True, "too much"], CATALOG) == {
        "steps": 7,
        "weight": 1.5,
        "axis": "Steps",
        "sides": ("right",),
        "lora": "Oil",
        "on": True,
    }


def test_a_missing_tail_has_the_defaults():
    assert from_positions(CONTROLS, ["", 7], CATALOG) == {**DEFAULTS, "steps": 7}


@pytest.mark.parametrize("key, value", [("steps", 11), ("steps", "many"), ("axis", "Width"), ("sides", ["up"]), ("on", 3), ("lora", "gone")])
def test_what_a_control_does_not_take_is_refused_with_its_label_and_the_value(key: str, value: object):
    label = next(control.label for control in CONTROLS if control.key == key)
    with pytest.raises(WebUIError, match=f"{label} cannot be .*{value if isinstance(value, int | str) else value[0]}"):  # type: ignore[index]
        complete(CONTROLS, {key: value}, CATALOG)


def test_a_place_beyond_the_choices_is_refused():
    with pytest.raises(WebUIError, match="from 0 to 2"):
        from_positions(CONTROLS, ["", 4, 1, 3], CATALOG)


def test_a_state_takes_any_value_and_what_stands_beside_has_no_place():
    controls = (Control(key="hint", kind="text", label="Hint", beside=True), Control(key="any", kind="state", label=""))
    assert from_positions(controls, [{"a": [1]}], CATALOG) == {"any": {"a": [1]}}

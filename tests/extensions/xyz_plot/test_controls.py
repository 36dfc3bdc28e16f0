from pathlib import Path
from typing import Any

import pytest

from backend.controls import Control, Update, defaults
from extensions.xyz_plot.extension import XyzPlot
from tests.extensions.running import running


@pytest.fixture
def controls(tmp_path: Path) -> dict[str, Control]:
    with running(tmp_path, "xyz_plot") as (service, _):
        return {control.key: control for control in XyzPlot().controls("txt2img", service.catalog, service.settings.current)}


def react(controls: dict[str, Control], key: str, **values: Any) -> dict[str, Update]:
    control = controls[key]
    assert control.react is not None
    return dict(control.react({**defaults(tuple(controls.values())), **values}))


def test_the_positional_ones_are_a1111s_in_its_order(controls: dict[str, Control]):
    labels = [control.label for control in controls.values() if control.positional]
    axes = [f"{name} {what}" for name in "XYZ" for what in ("type", "values", "values")]
    flags = ["Draw legend", "Include Sub Images", "Include Sub Grids", "Keep -1 for seeds", "Vary seeds for X", "Vary seeds for Y", "Vary seeds for Z"]
    assert labels == [*axes, *flags, "Grid margins (px)", "Use text inputs instead of dropdowns"]
    assert (controls["x_type"].default, controls["y_type"].default, controls["draw_legend"].default) == ("Seed", "Nothing", True)


def test_an_axis_shows_a_list_where_there_is_one_and_a_box_where_there_is_none(controls: dict[str, Control]):
    listed = react(controls, "x_type", x_type="Sampler", x_values="1,2")
    assert (listed["x_values"].visible, listed["x_values_dropdown"].visible, listed["fill_x"].visible) == (False, True, True)
    assert "Euler a" in (listed["x_values_dropdown"].choices or ())
    typed = react(controls, "x_type", x_type="Steps", x_values_dropdown=("Euler",))
    assert (typed["x_values"].visible, typed["x_values_dropdown"].visible, typed["fill_x"].visible) == (True, False, False)
    nothing = react(controls, "x_type", x_type="Nothing")
    assert (nothing["x_values"].visible, nothing["x_values_dropdown"].visible) == (False, False)


def test_fill_takes_all_that_there_is(controls: dict[str, Control]):
    filled = react(controls, "fill_y", y_type="LoRA")
    assert filled["y_values_dropdown"].value == ("None", "ink")
    assert react(controls, "fill_y", y_type="LoRA", csv_mode=True)["y_values"].value == "None,ink"


def test_swap_changes_type_and_values_of_two_axes(controls: dict[str, Control]):
    swapped = react(controls, "swap_xy", x_type="Steps", x_values="1,2", y_type="Sampler", y_values_dropdown=("Euler",))
    assert (swapped["x_type"].value, swapped["x_values_dropdown"].value, swapped["x_values"].visible) == ("Sampler", ("Euler",), False)
    assert (swapped["y_type"].value, swapped["y_values"].value, swapped["y_values"].visible) == ("Steps", "1,2", True)
    assert "z_type" not in swapped


def test_what_was_chosen_is_typed_when_text_is_wanted_and_back(controls: dict[str, Control]):
    typed = react(controls, "csv_mode", csv_mode=True, x_type="Sampler", x_values_dropdown=("Euler", "DPM++ 2M"))
    assert (typed["x_values"].value, typed["x_values"].visible, typed["x_values_dropdown"].visible) == ("Euler,DPM++ 2M", True, False)
    chosen = react(controls, "csv_mode", csv_mode=False, x_type="Sampler", x_values="Heun, nosuch")
    assert (chosen["x_values_dropdown"].value, chosen["x_values_dropdown"].visible) == (("Heun",), True)

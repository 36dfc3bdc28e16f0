"""The controls of a plot, in the order of A1111's script_args, and how they change each other on the page."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backend.catalog import Catalog
from backend.controls import Control, Update
from backend.errors import WebUIError
from backend.settings import Settings
from extensions.xyz_plot.axes import NOTHING, axes
from extensions.xyz_plot.notation import join, split
from extensions.xyz_plot.plot import NAMES

_FLAGS = (
    ("draw_legend", "Draw legend", True, "pictures"),
    ("include_lone_images", "Include Sub Images", False, "pictures"),
    ("include_sub_grids", "Include Sub Grids", False, "pictures"),
    ("no_fixed_seeds", "Keep -1 for seeds", False, "seeds"),
    ("vary_seeds_x", "Vary seeds for X", False, "seeds"),
    ("vary_seeds_y", "Vary seeds for Y", False, "seeds"),
    ("vary_seeds_z", "Vary seeds for Z", False, "seeds"),
)


def controls(tab: str, catalog: Catalog, settings: Settings) -> tuple[Control, ...]:
    offers = {axis.label: tuple(axis.offer(catalog, settings)) for axis in axes(tab) if axis.offer}
    flags = tuple(Control(key=key, kind="checkbox", label=label, default=default, row=row) for key, label, default, row in _FLAGS)
    return (
        *(control for name in NAMES for control in _of_axis(name, tab, offers)),
        *flags,
        Control(key="margin_size", kind="slider", label="Grid margins (px)", default=0, minimum=0, maximum=500, step=2),
        Control(key="csv_mode", kind="checkbox", label="Use text inputs instead of dropdowns", default=False, react=lambda values: _all_axes(values, offers)),
        *(_swap(first, second, offers) for first, second in (("x", "y"), ("y", "z"), ("x", "z"))),
    )


def _of_axis(name: str, tab: str, offers: Mapping[str, tuple[str, ...]]) -> tuple[Control, ...]:
    labels = tuple(axis.label for axis in axes(tab))
    row = f"{name} axis"

    def react(values: Mapping[str, Any]) -> dict[str, Update]:
        """Another type has another list; what was chosen stays as far as it is in it.

        A value that stays is not sent back: a swap may just have set another.
        """
        updates = _axis(name, values, offers)
        kept = tuple(values[f"{name}_values_dropdown"] or ()) == updates[f"{name}_values_dropdown"].value
        return {
            f"{name}_values": replace(updates[f"{name}_values"], value=None),
            f"{name}_values_dropdown": replace(updates[f"{name}_values_dropdown"], value=None) if kept else updates[f"{name}_values_dropdown"],
            f"fill_{name}": updates[f"fill_{name}"],
        }

    def fill(values: Mapping[str, Any]) -> dict[str, Update]:
        offered = offers.get(values[f"{name}_type"], ())
        return _axis(name, {**values, f"{name}_values_dropdown": offered, f"{name}_values": join(offered)}, offers)

    return (
        Control(
            key=f"{name}_type",
            kind="dropdown",
            label=f"{name.upper()} type",
            default="Seed" if name == "x" else NOTHING,
            choices=labels,
            unavailable=tuple(axis.label for axis in axes(tab) if axis.missing),
            type_index=True,
            row=row,
            react=react,
        ),
        Control(key=f"{name}_values", kind="textbox", label=f"{name.upper()} values", default="", row=row, visible=name == "x"),
        Control(
            key=f"{name}_values_dropdown",
            kind="dropdown",
            label=f"{name.upper()} values",
            default=None,
            multiple=True,
            any_choice=True,
            row=f"{name} list",
            visible=False,
        ),
        Control(key=f"fill_{name}", kind="button", label="Fill all", row=f"{name} list", visible=False, react=fill),
    )


def _axis(name: str, values: Mapping[str, Any], offers: Mapping[str, tuple[str, ...]]) -> dict[str, Update]:
    """What is shown of an axis, and with which values: those that are chosen from are in a drop-down, all others are typed."""
    kind, offered = values[f"{name}_type"], offers.get(values[f"{name}_type"], ())
    listed = bool(offered) and not values["csv_mode"]
    chosen, typed = tuple(values[f"{name}_values_dropdown"] or ()), values[f"{name}_values"] or ""
    return {
        f"{name}_type": Update(value=kind),
        f"{name}_values": Update(value=typed, visible=kind != NOTHING and not listed),
        f"{name}_values_dropdown": Update(value=tuple(one for one in chosen if one in offered), choices=offered, visible=listed),
        f"fill_{name}": Update(visible=bool(offered)),
    }


def _all_axes(values: Mapping[str, Any], offers: Mapping[str, tuple[str, ...]]) -> dict[str, Update]:
    """What was chosen is typed, and what was typed is chosen, when the way changes."""
    moved = dict(values)
    for name in NAMES:
        chosen, typed = f"{name}_values_dropdown", f"{name}_values"
        if values["csv_mode"] and values[chosen]:
            moved[typed] = join(tuple(values[chosen]))
        elif not values["csv_mode"]:
            moved[chosen] = _readable(values[typed])
    return {key: update for name in NAMES for key, update in _axis(name, moved, offers).items()}


def _readable(text: str) -> tuple[str, ...]:
    try:
        return split(text or "")
    except WebUIError:
        return ()


def _swap(first: str, second: str, offers: Mapping[str, tuple[str, ...]]) -> Control:
    def swap(values: Mapping[str, Any]) -> dict[str, Update]:
        others = {first: second, second: first}
        swapped = {**values, **{f"{name}_{end}": values[f"{other}_{end}"] for name, other in others.items() for end in ("type", "values", "values_dropdown")}}
        return {key: update for name in others for key, update in _axis(name, swapped, offers).items()}

    label = f"Swap {first.upper()}/{second.upper()} axes"
    return Control(key=f"swap_{first}{second}", kind="button", label=label, row="swap", react=swap)

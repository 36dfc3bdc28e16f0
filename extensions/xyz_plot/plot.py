"""What a plot consists of, as values: its axes with what they hold, and the request of each cell."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.request import GenerationRequest
from backend.settings import Settings
from extensions.xyz_plot.axes import NOTHING, Axis, Scope, find
from extensions.xyz_plot.notation import join, split

NAMES = ("x", "y", "z")
SEEDS = ("Seed", "Var. seed")
LARGEST = 2**32  # seeds that are drawn are below it
Place = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class AxisValues:
    """An axis of a plot. text: the values as they were asked for."""

    axis: Axis
    values: tuple[Any, ...]
    text: str = ""
    fixed: bool = False  # seeds were drawn where -1 was asked for

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.axis.show(self.axis.label, value) for value in self.values)


def read_axis(name: str, values: Mapping[str, Any], tab: str, *, keep_seeds: bool, draw: random.Random) -> AxisValues:
    """Of the controls "x_type", "x_values" and "x_values_dropdown". Raises WebUIError for values that the axis does not take."""
    axis = find(tab, values[f"{name}_type"])
    typed, chosen = str(values[f"{name}_values"] or ""), tuple(values[f"{name}_values_dropdown"] or ())
    if axis.label == NOTHING:
        return AxisValues(axis=axis, values=(NOTHING,))
    if chosen and (not typed.strip() or (axis.offer is not None and not values["csv_mode"])):
        typed = join(chosen)
    try:
        found = axis.read(split(typed))
    except WebUIError as error:
        raise WebUIError(f"{name.upper()} values ({axis.label}): {error}") from error
    if not found:
        raise WebUIError(f"{name.upper()} values ({axis.label}): at least one is needed.")
    fixed = axis.label in SEEDS and not keep_seeds
    if fixed:
        found = tuple(draw.randrange(LARGEST) if seed == -1 else seed for seed in found)
    return AxisValues(axis=axis, values=found, text=typed, fixed=fixed)


def check_size(axes: Sequence[AxisValues], request: GenerationRequest, settings: Settings) -> None:
    """Raises WebUIError for a grid that is too large."""
    count = 1
    for axis in axes:
        count *= len(axis.values)
    megapixels, most = round(count * request.size.width * request.size.height / 1_000_000), settings["img_max_size_mp"]
    if megapixels >= most:
        raise WebUIError(
            f"The grid would have {count} cells and {megapixels} megapixels; the setting “Maximum image size” allows less than {most}. "
            "Take fewer values, or smaller pictures."
        )


def cell_request(
    request: GenerationRequest, axes: Sequence[AxisValues], place: Place, vary: Sequence[bool], catalog: Catalog, settings: Settings
) -> GenerationRequest:
    """What is drawn in this cell. vary: the axes along which the seed counts up. Raises WebUIError for a value that cannot be used."""
    chosen = tuple(str(value) for each in axes if each.axis.label == "LoRA" for value in each.values)
    for each, index in sorted(zip(axes, place, strict=True), key=lambda pair: pair[0].axis.rank):
        scope = Scope(values=each.values, loras=chosen, catalog=catalog, settings=settings)
        request = each.axis.apply(request, each.values[index], scope)
    return _with_varied_seed(request, axes, place, vary)


def _with_varied_seed(request: GenerationRequest, axes: Sequence[AxisValues], place: Place, vary: Sequence[bool]) -> GenerationRequest:
    more, step = 0, 1
    for each, index, varies in zip(axes, place, vary, strict=True):
        if varies:
            more += index * step
            step *= len(each.values)
    if request.seed.seed == -1 or not more:
        return request
    return replace(request, seed=replace(request.seed, seed=request.seed.seed + more))


def infotext_fields(axes: Sequence[AxisValues], title: str) -> dict[str, str]:
    """By which the plot can be made again; A1111's names."""
    fields = {"Script": title}
    for name, each in zip(NAMES, axes, strict=False):
        if each.axis.label != NOTHING:
            fields |= {f"{name.upper()} Type": each.axis.label, f"{name.upper()} Values": each.text}
            if each.fixed:
                fields[f"Fixed {name.upper()} Values"] = ", ".join(map(str, each.values))
    return fields


def read_infotext(labels: Mapping[str, str]) -> dict[str, Any]:
    """The inverse, as values of the controls; seeds are those that were drawn. Empty where it is not of a plot."""
    found: dict[str, Any] = {}
    for name in NAMES:
        if kind := labels.get(f"{name.upper()} Type"):
            text = labels.get(f"Fixed {name.upper()} Values") or labels.get(f"{name.upper()} Values", "")
            found |= {f"{name}_type": kind, f"{name}_values": text, f"{name}_values_dropdown": split(text)}
        else:
            found |= {f"{name}_type": NOTHING, f"{name}_values": "", f"{name}_values_dropdown": ()}
    return found if any(found[f"{name}_type"] != NOTHING for name in NAMES) else {}

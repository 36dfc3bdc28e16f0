"""X/Y/Z plot: one picture for each combination of up to three things that vary, as a table with a legend."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backend import hooks
from backend.catalog import Catalog
from backend.controls import Control
from backend.errors import ERROR, Interrupted, WebUIError
from backend.images.legend import Colors
from backend.request import GenerationRequest
from backend.scripts import Script, Session
from backend.settings import Settings
from backend.tasks import SavedImage
from extensions.xyz_plot.controls import controls
from extensions.xyz_plot.grids import Cell, Look, draw_sheet, draw_whole, typical_size
from extensions.xyz_plot.order import order
from extensions.xyz_plot.plot import NAMES, AxisValues, Place, cell_request, check_size, infotext_fields, read_axis, read_infotext

_DRAW = random.SystemRandom()


class XyzPlot:
    title = "X/Y/Z plot"
    tabs = ("txt2img", "img2img")

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return controls(tab, catalog, settings)

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        keep = values["no_fixed_seeds"]
        axes = tuple(read_axis(name, values, session.tab, keep_seeds=keep, draw=_DRAW) for name in NAMES)
        check_size(axes, request, session.settings)
        request = request if keep else session.fixed(request)
        vary = tuple(values[f"vary_seeds_{name}"] for name in NAMES)
        cells, broken_off = _draw_cells(request, axes, vary, session)
        drawn = [cells[place] for place in sorted(cells, key=lambda place: place[::-1]) if cells[place].images]
        if drawn:
            _show_grids(axes, cells, drawn, values, request, session)
            if not values["include_lone_images"]:
                session.hide([*(image for cell in drawn for image in cell.images), *broken_off])

    def read_infotext(self, labels: Mapping[str, str]) -> Mapping[str, Any]:
        return read_infotext(labels)


def _draw_cells(
    request: GenerationRequest, axes: tuple[AxisValues, ...], vary: Sequence[bool], session: Session
) -> tuple[dict[Place, Cell], tuple[SavedImage, ...]]:
    """Until all are there, or Interrupt is pressed; and what it broke off."""
    places = list(order([len(each.values) for each in axes], [each.axis.cost for each in axes]))
    session.expect(len(places) * request.batch_size * request.n_iter)
    cells: dict[Place, Cell] = {}
    for number, place in enumerate(places, start=1):
        if session.interrupted:
            break
        name = ", ".join(filter(None, (each.labels[index] for each, index in zip(axes, place, strict=True))))
        try:
            cells[place] = _draw_cell(request, axes, place, vary, cells.values(), f"{number} of {len(places)}: {name}", session)
        except Interrupted as stop:
            return cells, stop.pictures
        except WebUIError as error:
            cells[place] = Cell(error=str(error))
            session.comment(f"{ERROR}{name}: {error}")
    return cells, ()


def _draw_cell(
    request: GenerationRequest, axes: Sequence[AxisValues], place: Place, vary: Sequence[bool], drawn: Iterable[Cell], note: str, session: Session
) -> Cell:
    wanted = cell_request(request, axes, place, vary, session.catalog, session.settings)
    same = next((cell for cell in drawn if cell.images and cell.request == wanted), None)  # "without LoRA" at each weight
    if same is not None and wanted.seed.seed != -1:
        return same
    return Cell(request=wanted, images=session.draw(wanted, note=note))


def _show_grids(
    axes: tuple[AxisValues, ...],
    cells: Mapping[Place, Cell],
    drawn: Sequence[Cell],
    values: Mapping[str, Any],
    request: GenerationRequest,
    session: Session,
) -> None:
    """The whole, then each sheet of it, where they are wanted. drawn: the cells that have pictures."""
    settings = session.settings
    colors = Colors(background=settings["grid_background_color"], active=settings["grid_text_active_color"], inactive=settings["grid_text_inactive_color"])
    look = Look(legend=values["draw_legend"], margin=int(values["margin_size"]), colors=colors, size=typical_size(cells.values(), request))
    sheets = [draw_sheet(axes, cells, z, look) for z in range(len(axes[2].values))]
    session.add(draw_whole(axes, sheets, look), session.infotext(drawn[0].images, infotext_fields(axes, XyzPlot.title)), grid=True, front=True)
    if values["include_sub_grids"]:
        for z, sheet in enumerate(sheets):
            first = next((cells[place] for place in sorted(cells) if place[2] == z and cells[place].images), drawn[0])
            told = session.infotext(first.images, infotext_fields(axes[:2], XyzPlot.title))
            session.add(sheet, told, grid=True, front=True, save=None if len(sheets) > 1 else False)


@hooks.hookimpl
def scripts() -> Sequence[Script]:
    return [XyzPlot()]

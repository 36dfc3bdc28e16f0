"""The cells of a plot as tables with legends."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from backend.images.grid import image_grid, row_count
from backend.images.legend import Colors, Label, Labels, notice, table
from backend.request import GenerationRequest
from backend.tasks import SavedImage
from extensions.xyz_plot.plot import AxisValues, Place

NOT_DRAWN = "#e8e8e8"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What came out of one combination: pictures, or why there are none."""

    request: GenerationRequest | None = None
    images: tuple[SavedImage, ...] = ()
    error: str = ""

    @property
    def picture(self) -> Image.Image | None:
        """Several as one."""
        pictures = [image.image for image in self.images if not image.beside]
        return image_grid(pictures, row_count(len(pictures))) if len(pictures) > 1 else next(iter(pictures), None)


@dataclass(frozen=True, kw_only=True)
class Look:
    """size: of the cells that have no picture, in pixels."""

    legend: bool
    margin: int
    colors: Colors
    size: tuple[int, int]


def typical_size(cells: Iterable[Cell], request: GenerationRequest) -> tuple[int, int]:
    """Of most pictures; of the one that was asked for where there are none."""
    sizes = Counter(picture.size for cell in cells if (picture := cell.picture))
    return sizes.most_common(1)[0][0] if sizes else (request.size.width // 8 * 8, request.size.height // 8 * 8)


def draw_sheet(axes: Sequence[AxisValues], cells: Mapping[Place, Cell], z: int, look: Look) -> Image.Image:
    """X from left to right, Y from top to bottom, of one value of Z."""
    columns, rows = range(len(axes[0].values)), range(len(axes[1].values))
    pictures = [[_picture(cells.get((x, y, z)), look) for x in columns] for y in rows]
    return table(pictures, _legend(axes[0], look), _legend(axes[1], look), margin=look.margin, colors=look.colors)


def draw_whole(axes: Sequence[AxisValues], sheets: Sequence[Image.Image], look: Look) -> Image.Image:
    """The sheets side by side, with what Z is."""
    return table([sheets], _legend(axes[2], look), margin=look.margin, colors=look.colors)


def _legend(values: AxisValues, look: Look) -> Labels:
    return [[Label(text=text)] for text in values.labels] if look.legend else ()


def _picture(cell: Cell | None, look: Look) -> Image.Image:
    if cell is None:
        return Image.new("RGB", look.size, NOT_DRAWN)
    return cell.picture or notice(look.size, cell.error)

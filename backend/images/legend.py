"""A table of pictures with what each column and each row is written beside it. The letters are Pillow's own (Aileron, CC0)."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

SMALLEST = 10  # pixels: letters that can still be read
ROW_LABELS = 120  # pixels that the labels of rows may take beside small pictures


@dataclass(frozen=True, kw_only=True)
class Label:
    """A line of a legend. active False: struck through, as A1111 shows a part that this picture does without."""

    text: str
    active: bool = True


@dataclass(frozen=True, kw_only=True)
class Colors:
    background: str = "#ffffff"
    active: str = "#000000"
    inactive: str = "#999999"


Labels = Sequence[Sequence[Label]]  # of each column or row: its lines


@dataclass(frozen=True, kw_only=True)
class _Line:
    text: str
    label: Label
    font: Font
    width: int
    height: int


def table(rows: Sequence[Sequence[Image.Image]], columns: Labels = (), sides: Labels = (), *, margin: int = 0, colors: Colors = Colors()) -> Image.Image:
    """rows of equally many pictures; a smaller one stands in the middle of its cell. columns, sides: labels above and on the left; () = none."""
    width = max(image.width for row in rows for image in row)
    height = max(image.height for row in rows for image in row)
    size = max((width + height) // 25, SMALLEST + 2)
    gap = max(size // 2, 4)
    heads = [_lines(labels, size, width - 2 * (gap // 2)) for labels in columns]
    flanks = [_lines(labels, size, max(width * 3 // 4, ROW_LABELS) - 2 * gap) for labels in sides]
    top = max((_height(lines, gap) for lines in heads), default=0)
    left = max((line.width for lines in flanks for line in lines), default=0)
    top, left = top + 2 * gap if top else 0, left + 2 * gap if left else 0
    count = max(map(len, rows))
    whole = Image.new("RGB", (left + count * (width + margin) - margin, top + len(rows) * (height + margin) - margin), colors.background)
    draw = ImageDraw.Draw(whole)
    for column, lines in enumerate(heads):
        _write(draw, lines, left + column * (width + margin) + width // 2, top // 2, gap, colors)
    for row, lines in enumerate(flanks):
        _write(draw, lines, left // 2, top + row * (height + margin) + height // 2, gap, colors)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            x, y = left + column * (width + margin), top + row * (height + margin)
            whole.paste(image, (x + (width - image.width) // 2, y + (height - image.height) // 2))
    return whole


def notice(size: tuple[int, int], text: str, *, background: str = "#808080", color: str = "#ffffff") -> Image.Image:
    """A plain picture with a sentence in the middle, in the place of one that could not be drawn."""
    picture = Image.new("RGB", size, background)
    letters = max(sum(size) // 40, SMALLEST)
    lines = _lines([Label(text=text)], letters, max(size[0] - 8, 1))
    _write(ImageDraw.Draw(picture), lines, size[0] // 2, size[1] // 2, 2, Colors(active=color))
    return picture


def _lines(labels: Sequence[Label], size: int, room: int) -> list[_Line]:
    return [line for label in labels if label.text for line in _fitted(label, size, max(room, 1))]


def _fitted(label: Label, size: int, room: int) -> list[_Line]:
    """In letters of at most this size: smaller ones where a word is too wide, and words cut in pieces where that does not do."""
    while size > SMALLEST and any(_font(size).getlength(word) > room for word in label.text.split()):
        size -= 1
    font = _font(size)
    height = round(size * 1.1)
    return [_Line(text=text, label=label, font=font, width=round(font.getlength(text)), height=height) for text in _wrapped(label.text, font, room)]


def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _wrapped(text: str, font: Font, room: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        for piece in _pieces(word, font, room):
            longer = f"{lines[-1]} {piece}" if lines else piece
            if lines and piece is word and font.getlength(longer) <= room:
                lines[-1] = longer
            else:
                lines.append(piece)
    return lines


def _pieces(word: str, font: Font, room: int) -> list[str]:
    if font.getlength(word) <= room:
        return [word]
    pieces = [""]
    for letter in word:
        if pieces[-1] and font.getlength(pieces[-1] + letter) > room:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _height(lines: Sequence[_Line], gap: int) -> int:
    return sum(line.height for line in lines) + (len(lines) - 1) * (gap // 3) if lines else 0


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[_Line], x: int, y: int, gap: int, colors: Colors) -> None:
    """Around this point."""
    top = y - _height(lines, gap) // 2
    for line in lines:
        color = colors.active if line.label.active else colors.inactive
        middle = top + line.height // 2
        draw.text((x, middle), line.text, color, line.font, anchor="mm")
        if not line.label.active:
            draw.line((x - line.width // 2, middle, x + line.width // 2, middle), color, max(line.height // 12, 1))
        top += line.height + gap // 3

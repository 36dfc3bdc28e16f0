import pytest
from PIL import Image, ImageChops

from backend.images.legend import SMALLEST, Colors, Label, notice, table

WHITE = (255, 255, 255)


def pictures(rows: int, columns: int, size: tuple[int, int] = (96, 80)) -> list[list[Image.Image]]:
    return [[Image.new("RGB", size, (40 * row, 40 * column, 99)) for column in range(columns)] for row in range(rows)]


def labels(*texts: str) -> list[list[Label]]:
    return [[Label(text=text)] for text in texts]


def ink(image: Image.Image, background: tuple[int, int, int] = WHITE) -> tuple[int, int, int, int] | None:
    return ImageChops.difference(image, Image.new("RGB", image.size, background)).getbbox()


def test_without_labels_it_is_the_pictures_alone():
    whole = table(pictures(2, 3), margin=4)
    assert whole.size == (3 * 96 + 2 * 4, 2 * 80 + 4)
    assert whole.getpixel((100, 84)) == (40, 40, 99)
    assert whole.getpixel((97, 10)) == WHITE


def test_the_pictures_stand_at_the_lower_right_of_their_labels():
    cells = pictures(2, 2)
    whole = table(cells, labels("Steps: 4", "Steps: 8"), labels("Seed: 1", "Seed: 2"))
    left, top = whole.width - 192, whole.height - 160
    assert min(left, top) > SMALLEST
    for row in range(2):
        for column in range(2):
            box = (left + 96 * column, top + 80 * row, left + 96 * column + 96, top + 80 * row + 80)
            assert whole.crop(box).tobytes() == cells[row][column].tobytes()
    assert ink(whole.crop((left, 0, left + 96, top))) and ink(whole.crop((left + 96, 0, left + 192, top)))
    assert ink(whole.crop((0, top, left, top + 80))) and ink(whole.crop((0, top + 80, left, top + 160)))
    assert ink(whole.crop((0, 0, left, top))) is None


@pytest.mark.parametrize("text", ["a " * 60, "W" * 70, "demo/some-network-with-a-very-long-name_v2-000012"])
def test_a_long_label_is_wrapped_and_not_cut(text: str):
    whole = table(pictures(1, 2), labels(text, "b"))
    head = whole.crop((0, 0, 96, whole.height - 80))
    found = ink(head)
    assert found is not None and found[0] > 0 and found[2] < 96 and found[1] > 0 and found[3] < head.height


def test_what_a_picture_does_without_is_struck_through_in_another_colour():
    colors = Colors(background="#000000", active="#ff0000", inactive="#0000ff")
    whole = table(pictures(1, 2), [[Label(text="in snow")], [Label(text="in snow", active=False)]], colors=colors)
    head = whole.height - 80
    first, second = (whole.crop((96 * n, 0, 96 * n + 96, head)) for n in range(2))
    assert first.getextrema()[0][1] == 255 and first.getextrema()[2][1] == 0  # type: ignore[index]
    assert second.getextrema()[0][1] == 0 and second.getextrema()[2][1] == 255  # type: ignore[index]
    line = [second.getpixel((x, head // 2)) for x in range(96)]
    assert line.count((0, 0, 255)) > 20


def test_cells_are_as_large_as_the_largest_picture_and_others_stand_in_the_middle():
    small = Image.new("RGB", (16, 8), "red")
    whole = table([[small, Image.new("RGB", (32, 32), "blue")]])
    assert whole.size == (64, 32)
    assert [whole.getpixel(at) for at in ((16, 16), (2, 2), (40, 2))] == [(255, 0, 0), WHITE, (0, 0, 255)]


def test_a_notice_says_its_sentence_within_its_size():
    picture = notice((64, 64), "Sampler 'nosuch' is not known. Known: Euler, Heun")
    assert picture.size == (64, 64)
    assert ink(picture, (128, 128, 128)) is not None

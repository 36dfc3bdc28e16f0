import pytest
from PIL import Image

from backend.images.tiles import cut, join


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "columns", "rows"),
    [
        ((128, 128), 64, 16, [0, 32, 64], [0, 32, 64]),
        ((128, 64), 64, 32, [0, 32, 64], [0]),
        ((64, 64), 64, 16, [0], [0]),
        ((200, 64), 64, 0, [0, 45, 90, 136], [0]),
    ],
)
def test_tiles_are_spread_evenly_and_reach_both_edges(size: tuple[int, int], tile: int, overlap: int, columns: list[int], rows: list[int]):
    tiles = cut(size, tile, tile, overlap)
    assert tiles.flat == tuple((left, top, left + tile, top + tile) for top in rows for left in columns)


@pytest.mark.parametrize("overlap", [0, 7, 16, 31])
def test_a_picture_that_is_cut_and_joined_is_the_same(overlap: int):
    picture = Image.linear_gradient("L").resize((150, 110)).convert("RGB")
    tiles = cut(picture.size, 64, 48, overlap)
    joined = join(tiles, [picture.crop(box) for box in tiles.flat])
    assert joined.size == picture.size
    differences = [abs(a - b) for a, b in zip(joined.tobytes(), picture.tobytes(), strict=True)]
    assert max(differences) <= 1  # Pillow's blending of two equal colours rounds


def test_neighbours_are_blended_over_their_overlap():
    tiles = cut((96, 64), 64, 64, 32)
    joined = join(tiles, [Image.new("RGB", (64, 64), "black"), Image.new("RGB", (64, 64), "white")])
    levels = [joined.getpixel((x, 10))[0] for x in range(96)]  # type: ignore[index]
    assert levels[:33] == [0] * 33
    assert levels[48] == 127
    assert levels[64:] == [255] * 32
    assert levels == sorted(levels)


def test_a_picture_smaller_than_a_tile_is_one_tile():
    assert cut((40, 30), 64, 64, 16).flat == ((0, 0, 64, 64),)

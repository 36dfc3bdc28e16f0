import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from backend.conditioning.embedding_image import CHUNK, mask, read_embedding_image

HEIGHT, WIDTH = 24, 32


def data(values: list[list[float]]) -> dict:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": {"TORCHTENSOR": values}}, "name": "ink", "step": 7}


def hide(content: bytes, border: int = 0) -> Image.Image:
    """A picture with the content in its strips, as A1111 makes it; the upper bits of the strips are decoration."""
    packed = np.frombuffer(zlib.compress(content), np.uint8)
    columns = -(-packed.size // (HEIGHT * 3))
    padded = np.zeros(columns * HEIGHT * 3, np.uint8)
    padded[: packed.size] = packed
    strips = [(half ^ mask(half.size)).reshape(HEIGHT, columns, 3) | 0x50 for half in (padded & 0x0F, padded >> 4)]
    black = np.zeros((HEIGHT, 1, 3), np.uint8)
    middle = np.full((HEIGHT, WIDTH, 3), 0x77, np.uint8)
    pixels = np.concatenate([strips[0], black, middle, black, strips[1]], axis=1)
    return Image.fromarray(np.pad(pixels, [(border, border), (border, border), (0, 0)]))


@pytest.mark.parametrize("border", [0, 3])
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_hidden_vectors_are_found_between_black_borders(tmp_path: Path, suffix: str, border: int):
    path = tmp_path / f"x.{suffix}"
    values = torch.randn(2, 32, generator=torch.Generator().manual_seed(0)).tolist()
    hide(json.dumps(data(values)).encode(), border).save(path, lossless=True)
    found = read_embedding_image(path)
    assert found is not None
    assert (found["name"], found["step"]) == ("ink", 7)
    assert found["string_to_param"]["*"].tolist() == values


def test_vectors_in_the_text_chunk_are_found(tmp_path: Path):
    path, info = tmp_path / "x.png", PngInfo()
    info.add_text(CHUNK, base64.b64encode(json.dumps(data([[1.0, 2.0]])).encode()).decode())
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    found = read_embedding_image(path)
    assert found is not None
    assert torch.equal(found["string_to_param"]["*"], torch.tensor([[1.0, 2.0]]))


@pytest.mark.parametrize("colour", ["black", "white", "#404040"])
def test_an_ordinary_picture_holds_nothing(tmp_path: Path, colour: str):
    path = tmp_path / "x.png"
    Image.new("RGB", (20, 10), colour).save(path)
    assert read_embedding_image(path) is None


def test_a_broken_chunk_holds_nothing(tmp_path: Path):
    path, info = tmp_path / "x.png", PngInfo()
    info.add_text(CHUNK, "no base64 and no JSON")
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    assert read_embedding_image(path) is None


def test_the_mask_is_the_generator_of_numerical_recipes():
    state, expected = 0, []
    for _ in range(1000):
        state = (1664525 * state + 1013904223) % 2**32
        expected.append(state % 255 % 16)
    assert mask(1000).tolist() == expected


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=20)), max_size=5))
def test_what_was_hidden_is_found_again(tmp_path: Path, content: dict):
    path = tmp_path / "x.png"
    hide(json.dumps(content).encode()).save(path)
    assert read_embedding_image(path) == content

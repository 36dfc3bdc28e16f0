import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from backend.errors import WebUIError
from backend.images.metadata import FORMATS, Encoding, encode, read_infotext

PICTURE = Image.linear_gradient("L").resize((16, 8)).convert("RGB")
INFOTEXT = 'a "cat", 猫 🙂\nNegative prompt: käse\nSteps: 8, Seed: 3'


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_its_infotext_back(format: str):
    assert read_infotext(encode(PICTURE, INFOTEXT, Encoding(format=format))) == INFOTEXT


@pytest.mark.parametrize("format", FORMATS)
def test_without_infotext_nothing_is_written(format: str):
    data = encode(PICTURE, "", Encoding(format=format))
    assert read_infotext(data) == ""
    assert not opened(data).getexif()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), st.sampled_from(["png", "webp"]))
def test_any_text_comes_back(text: str, format: str):
    assert read_infotext(encode(Image.new("RGB", (1, 1)), text, Encoding(format=format))) == text


def test_what_no_file_can_hold_does_not_stop_the_saving():
    assert read_infotext(encode(PICTURE, "a\0b \ud800", Encoding())) == "ab ?"


def test_png_keeps_every_pixel_and_says_parameters():
    image = opened(encode(PICTURE, INFOTEXT, Encoding()))
    assert image.tobytes() == PICTURE.tobytes()
    assert image.info["parameters"] == INFOTEXT


def test_lossless_webp_keeps_every_pixel():
    assert opened(encode(PICTURE, "", Encoding(format="webp", lossless=True))).convert("RGB").tobytes() == PICTURE.tobytes()


def test_a_jpeg_is_smaller_with_less_quality_and_has_no_transparency():
    picture = Image.effect_noise((64, 64), 90).convert("RGBA")
    assert len(encode(picture, "", Encoding(format="jpg", quality=20))) < len(encode(picture, "", Encoding(format="jpg", quality=95)))


def test_too_long_a_text_leaves_the_jpeg_and_is_told(caplog: pytest.LogCaptureFixture):
    data = encode(PICTURE, "a" * 70_000, Encoding(format="jpg"))
    assert opened(data).size == PICTURE.size and read_infotext(data) == ""
    assert "too long" in caplog.text


def with_comment(comment: bytes) -> bytes:
    exif, data = Image.Exif(), io.BytesIO()
    exif.get_ifd(0x8769)[0x9286] = comment
    PICTURE.save(data, "JPEG", exif=exif)
    return data.getvalue()


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + "a cat, Steps: 8".encode("utf-16-be"),
        b"UNICODE\0" + "a cat, Steps: 8".encode("utf-16-le"),
        b"ASCII\0\0\0a cat, Steps: 8",
        b"a cat, Steps: 8\0",
    ],
)
def test_comments_of_other_programs_are_read(comment: bytes):
    assert read_infotext(with_comment(comment)) == "a cat, Steps: 8"


def saved(format: str, **options: Any) -> bytes:
    data = io.BytesIO()
    PICTURE.save(data, format, **options)
    return data.getvalue()


def test_a_text_after_the_pixels_of_a_png_and_a_gifs_comment_are_read():
    info = PngInfo()
    info.add_text("parameters", "a cat", zip=True)
    info.add_itxt("Title", "not this")
    assert read_infotext(saved("PNG", pnginfo=info)) == "a cat"
    assert read_infotext(saved("GIF", comment=b"a cat")) == "a cat"


@pytest.mark.parametrize("data", [b"", b"no picture", saved("PNG")[:60]])
def test_what_is_no_picture_is_refused(data: bytes):
    with pytest.raises(WebUIError, match="no picture"):
        read_infotext(data)

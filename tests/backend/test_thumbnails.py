import base64
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from backend.thumbnails import SIDE, picture_version, thumbnail


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "ink v1.5.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


def picture(color: str = "red", size: tuple[int, int] = (768, 1152), kind: str = "png", mode: str = "RGB") -> bytes:
    data = io.BytesIO()
    Image.new(mode, size, color).save(data, kind)
    return data.getvalue()


def drawn(path: Path | None) -> Image.Image:
    assert path is not None
    with Image.open(path) as image:
        assert image.format == "WEBP"
        return image.copy()


def middle(image: Image.Image) -> tuple[int, ...]:
    pixel = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return tuple(round(value / 64) for value in pixel)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif"])
def test_a_preview_becomes_a_small_webp_of_the_same_shape(model: Path, tmp_path: Path, kind: str):
    model.with_suffix(f".preview.{kind}").write_bytes(picture(kind=kind))
    path = thumbnail(model, {}, tmp_path / "cache")
    image = drawn(path)
    assert (image.size, middle(image)) == ((SIDE * 2 // 3, SIDE), (4, 0, 0))
    assert path is not None and path.stat().st_size < 4096


@pytest.mark.parametrize("mode", ["RGBA", "L", "LA", "P", "1", "I;16", "CMYK"])
def test_every_kind_of_picture_is_taken(model: Path, tmp_path: Path, mode: str):
    data = io.BytesIO()
    Image.new(mode, (40, 20)).save(data, "tiff" if mode == "CMYK" else "png")
    model.with_suffix(".png").write_bytes(data.getvalue())
    assert drawn(thumbnail(model, {}, tmp_path / "cache")).size == (40, 20)  # not made larger


def test_it_is_made_once(model: Path, tmp_path: Path):
    model.with_suffix(".png").write_bytes(picture())
    first = thumbnail(model, {}, tmp_path / "cache")
    assert first is not None
    made = first.stat().st_mtime_ns
    assert thumbnail(model, {}, tmp_path / "cache") == first and first.stat().st_mtime_ns == made


def test_a_changed_picture_takes_the_place_of_the_old_one(model: Path, tmp_path: Path):
    preview = model.with_suffix(".png")
    preview.write_bytes(picture("red"))
    thumbnail(model, {}, tmp_path / "cache")
    version = picture_version(model)
    preview.write_bytes(picture("blue"))
    os.utime(preview, ns=(0, 1))
    assert middle(drawn(thumbnail(model, {}, tmp_path / "cache"))) == (0, 0, 4)
    assert picture_version(model) != version
    assert len(list((tmp_path / "cache").rglob("*.*"))) == 1


def test_without_a_preview_the_cover_is_taken(model: Path, tmp_path: Path):
    metadata = {"ssmd_cover_images": json.dumps([base64.b64encode(picture("lime", kind="jpeg")).decode()])}
    assert middle(drawn(thumbnail(model, metadata, tmp_path / "cache"))) == (0, 4, 0)
    model.with_suffix(".png").write_bytes(picture("red"))
    assert middle(drawn(thumbnail(model, metadata, tmp_path / "cache"))) == (4, 0, 0)


def test_an_embedding_in_a_picture_is_its_own_preview(tmp_path: Path):
    (tmp_path / "style.png").write_bytes(picture("red"))
    assert middle(drawn(thumbnail(tmp_path / "style.png", {}, tmp_path / "cache"))) == (4, 0, 0)


@pytest.mark.parametrize("data", [b"", b"no picture", picture()[:200], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_a_picture_that_cannot_be_read_is_none(model: Path, tmp_path: Path, data: bytes):
    model.with_suffix(".png").write_bytes(data)
    assert thumbnail(model, {}, tmp_path / "cache") is None
    assert list((tmp_path / "cache").rglob("*.*")) == []


def test_a_picture_of_too_many_pixels_is_none(model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    model.with_suffix(".png").write_bytes(picture(mode="1", color="white", size=(8000, 8000)))
    assert thumbnail(model, {}, tmp_path / "cache") is None
    assert "8000 × 8000 pixels are too many" in caplog.text


def test_a_model_without_a_picture_or_that_is_gone_has_none(model: Path, tmp_path: Path):
    assert thumbnail(model, {}, tmp_path / "cache") is None
    model.unlink()
    assert (thumbnail(model, {}, tmp_path / "cache"), picture_version(model)) == (None, "")

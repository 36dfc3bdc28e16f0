import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import WebUIError
from backend.sidecar import cover, find_preview, read_sidecar, write_sidecar


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "ink v1.5.safetensors"


def test_the_notes_of_a_model_are_read(model: Path):
    notes = {"description": "d", "sd version": "SD1", "activation text": "ink", "preferred weight": 0.7, "notes": "", "example prompts": ["a"]}
    (model.parent / "ink v1.5.json").write_text(json.dumps(notes), "utf-8")
    assert read_sidecar(model) == notes


def test_without_files_there_are_no_notes(model: Path):
    assert read_sidecar(model) == {}
    assert find_preview(model) is None


def test_the_text_file_stands_in_for_a_description(model: Path):
    (model.parent / "ink v1.5.txt").write_text("from the text file\n", "utf-8")
    assert read_sidecar(model) == {"description": "from the text file"}
    (model.parent / "ink v1.5.json").write_text('\ufeff{"description": "from the notes"}', "utf-8")
    assert read_sidecar(model) == {"description": "from the notes"}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe\x00", b"null", b"[" * 100_000])
def test_broken_notes_count_as_none(model: Path, content: bytes):
    model.with_suffix(".json").write_bytes(content)
    assert read_sidecar(model) == {}


def test_the_preview_is_found_in_a1111s_order(model: Path):
    for name in ("ink v1.5.preview.webp", "ink v1.5.jpg", "ink v1.5.preview.png", "ink v1.5.png"):
        (model.parent / name).touch()
        assert find_preview(model) == model.parent / name


def test_writing_keeps_what_it_does_not_know(model: Path):
    model.with_suffix(".json").write_text('\ufeff{"civitai": {"id": 7}, "notes": "old", "sd version": "SD1", "empty": null}', "utf-8")
    write_sidecar(model, {"notes": "größer", "preferred weight": 0.7, "sd version": None})
    assert json.loads(model.with_suffix(".json").read_bytes()) == {"civitai": {"id": 7}, "notes": "größer", "empty": None, "preferred weight": 0.7}
    assert [path.name for path in model.parent.iterdir()] == ["ink v1.5.json"]


def test_what_was_written_is_read(model: Path):
    write_sidecar(model, {"activation text": "ink", "description": "d"})
    assert read_sidecar(model) == {"activation text": "ink", "description": "d"}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe\x00"])
def test_a_broken_file_is_not_written_over(model: Path, content: bytes):
    model.with_suffix(".json").write_bytes(content)
    with pytest.raises(WebUIError, match=r"ink v1\.5\.json is broken"):
        write_sidecar(model, {"notes": "n"})
    assert model.with_suffix(".json").read_bytes() == content


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(model: Path, monkeypatch: pytest.MonkeyPatch):
    write_sidecar(model, {"notes": "old"})
    monkeypatch.setattr("backend.sidecar.os.replace", _no_space)
    with pytest.raises(WebUIError, match="cannot be written: No space left"):
        write_sidecar(model, {"notes": "new"})
    assert read_sidecar(model) == {"notes": "old"}
    assert [path.name for path in model.parent.iterdir()] == ["ink v1.5.json"]


def test_half_a_letter_can_be_written(model: Path):
    write_sidecar(model, {"notes": "a\ud800b"})
    assert read_sidecar(model) == {"notes": "a?b"}


def test_the_cover_is_the_first_picture_of_the_metadata():
    images = json.dumps([base64.b64encode(data).decode() for data in (b"first", b"second")])
    assert cover({"ssmd_cover_images": images}) == b"first"
    assert cover({}) is cover({"ssmd_cover_images": "[]"}) is None


@given(st.one_of(st.text(), st.sampled_from(["[1]", "[null]", "{}", '{"a": 1}', '["é"]', '["a"]', "[" * 50_000, "7"])))
def test_no_cover_is_too_odd(text: str):
    found = cover({"ssmd_cover_images": text})
    assert found is None or isinstance(found, bytes)


def _no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")

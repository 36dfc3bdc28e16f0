import json
from pathlib import Path

import pytest

from backend.sidecar import find_preview, read_sidecar


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

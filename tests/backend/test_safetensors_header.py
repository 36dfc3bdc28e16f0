import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from backend.errors import WebUIError
from backend.safetensors_header import TensorInfo, read_header, read_metadata


def write(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    save_file({"a": torch.zeros(2, 3, dtype=torch.float16), "b": torch.zeros(0), "c": torch.tensor(1.0)}, tmp_path / "whole.safetensors", {"k": "v", "n": "{}"})
    return tmp_path / "whole.safetensors"


def test_names_dtypes_shapes_and_metadata_are_read(whole: Path):
    header = read_header(whole)
    assert header.metadata == {"k": "v", "n": "{}"}
    assert header.tensors["a"].dtype == "F16" and header.tensors["a"].shape == (2, 3)
    assert header.tensors["c"] == TensorInfo("F32", (), header.tensors["c"].offsets)
    assert header.size + max(info.offsets[1] for info in header.tensors.values()) == whole.stat().st_size


def test_the_fast_way_reads_the_same_metadata(whole: Path, tmp_path: Path):
    assert read_metadata(whole) == read_header(whole).metadata
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    assert read_metadata(tmp_path / "plain.safetensors") == {}


def test_metadata_behind_the_tensors_is_found(tmp_path: Path):
    text = '{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "__metadata__": {"k": "v"}}'
    assert read_metadata(write(tmp_path / "x.safetensors", text.encode(), b"\0")) == {"k": "v"}


@pytest.mark.parametrize("length", [10, 16_350, 16_365, 16_370, 16_375, 16_380, 16_384, 16_400, 40_000])
@pytest.mark.parametrize("letter", ["x", "é", "語", "\U0001f600"])
def test_metadata_of_any_length_are_read(tmp_path: Path, length: int, letter: str):
    tensors = {f"layer {n}": torch.zeros(1) for n in range(200)}
    save_file(tensors, tmp_path / "x.safetensors", {"a": letter * (length // len(letter.encode()))})
    assert read_metadata(tmp_path / "x.safetensors") == read_header(tmp_path / "x.safetensors").metadata


def test_the_tensor_that_is_named_last_need_not_lie_last(tmp_path: Path):
    text = (
        '{"__metadata__": {"k": "v"}, "a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}, "b": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}'
    )
    path = write(tmp_path / "x.safetensors", text.encode(), b"\0\0")
    assert read_metadata(path) == read_header(path).metadata == {"k": "v"}


@pytest.mark.parametrize("read", [read_header, read_metadata])
def test_half_a_letter_in_the_metadata_becomes_a_sign_that_can_be_sent(tmp_path: Path, read):
    text = r'{"__metadata__": {"k": "\ud83d\ude00 and \ud83d"}, "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}'
    path = write(tmp_path / "x.safetensors", text.encode(), b"\0")
    metadata = read(path).metadata if read is read_header else read(path)
    assert metadata["k"].startswith("\U0001f600 and ") and metadata["k"].encode()


@pytest.mark.parametrize("read", [read_header, read_metadata])
@pytest.mark.parametrize("kept", [0, 5, 8, 40, -1])
def test_a_file_that_is_cut_off_is_refused(whole: Path, read, kept: int):
    whole.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(WebUIError, match=r"whole\.safetensors is cut off"):
        read(whole)


@pytest.mark.parametrize("read", [read_header, read_metadata])
@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html><body>Sign in to download</body></html>",
        b"\xff" * 100,
        (2).to_bytes(8, "little") + b"[]",
        (9).to_bytes(8, "little") + b'{"a": nul',
        (2).to_bytes(8, "little") + b"{}" + b"left over",
    ],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, read, content: bytes):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(WebUIError, match=r"x\.safetensors is"):
        read(path)


def test_a_git_lfs_pointer_is_named(tmp_path: Path):
    path = tmp_path / "x.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(WebUIError, match="Git LFS pointer"):
        read_header(path)


def test_a_file_that_is_gone_is_named(tmp_path: Path):
    with pytest.raises(WebUIError, match=r"x\.safetensors cannot be read"):
        read_header(tmp_path / "x.safetensors")


@pytest.mark.parametrize("info", [{"shape": [3]}, {"shape": [-1]}, {"data_offsets": [1, 0]}, {"data_offsets": [0]}, {"shape": None}, {"dtype": "F16"}, []])
def test_tensors_that_contradict_themselves_are_refused(tmp_path: Path, info):
    good = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
    text = json.dumps({"a": {**good, **info} if isinstance(info, dict) else info})
    with pytest.raises(WebUIError, match=r"x\.safetensors"):
        read_header(write(tmp_path / "x.safetensors", text.encode(), b"\0"))


@settings(max_examples=200, deadline=None)
@given(where=st.integers(0, 400), what=st.binary(min_size=1, max_size=8))
def test_a_damaged_header_never_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, where: int, what: bytes):
    path = tmp_path_factory.getbasetemp() / "fuzzed.safetensors"
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(5)}, path, {"k": "v"})
    content = bytearray(path.read_bytes())
    content[where : where + len(what)] = what
    path.write_bytes(content)
    for read in (read_header, read_metadata):
        try:
            read(path)
        except WebUIError as error:
            assert "fuzzed.safetensors" in str(error)

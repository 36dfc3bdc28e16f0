import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import WebUIError
from backend.upload import GB, SUFFIX, Upload, UploadRefused, check_name, check_room
from tests.backend.stage import write_safetensors


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    return write_safetensors(tmp_path / "elsewhere/x.safetensors", {"a": "é"}).read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Lora"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("announced", [True, False])
def test_a_file_comes_in_whole_in_pieces_of_any_size(folder: Path, data: bytes, piece: int, announced: bool):
    with Upload(folder / "x.safetensors", size=len(data) if announced else None, most=GB) as upload:
        for start in range(0, len(data), piece):
            assert not (folder / "x.safetensors").exists()
            upload.write(data[start : start + piece])
        upload.finish()
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("x.safetensors", data)]


def test_a_file_that_is_none_is_refused_before_the_rest_comes(folder: Path, data: bytes):
    with Upload(folder / "x.safetensors", size=10_000_000, most=GB) as upload, pytest.raises(WebUIError, match="damaged"):
        upload.write(data[:-4])  # the header is there, and fits no file of this length
    with Upload(folder / "x.safetensors", size=None, most=GB) as upload, pytest.raises(UploadRefused, match=r"no \.safetensors file"):
        upload.write(b"\x80\x02}q\x01 a pickle")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_cut_off_leaves_nothing(folder: Path, data: bytes, announced: bool):
    for end in (0, 5, len(data) // 2, len(data) - 1):
        with pytest.raises(WebUIError, match="cut off"), Upload(folder / "x.safetensors", size=len(data) if announced else None, most=GB) as upload:
            upload.write(data[:end])
            upload.finish()
    assert list(folder.iterdir()) == []


def test_an_error_on_the_way_leaves_nothing(folder: Path, data: bytes):
    with pytest.raises(ConnectionError), Upload(folder / "x.safetensors", size=len(data), most=GB) as upload:
        upload.write(data[:50])
        raise ConnectionError
    assert list(folder.iterdir()) == []


def test_a_file_that_is_there_stays_even_if_it_comes_meanwhile(folder: Path, data: bytes):
    target = folder / "x.safetensors"
    with pytest.raises(UploadRefused, match="already") as refused, Upload(target, size=len(data), most=GB) as upload:
        upload.write(data)
        target.write_bytes(b"mine")
        upload.finish()
    assert (refused.value.status, target.read_bytes(), len(list(folder.iterdir()))) == (409, b"mine", 1)
    with pytest.raises(UploadRefused, match="already"):
        Upload(target, size=len(data), most=GB)


def test_more_than_is_allowed_or_announced_is_refused(folder: Path, data: bytes):
    with pytest.raises(UploadRefused) as refused:
        Upload(folder / "x.safetensors", size=2 * GB, most=GB)
    assert (refused.value.status, str(refused.value)) == (413, "x.safetensors has 2.0 GB; the setting allows 1.0 GB for an upload.")
    for size, most in ((None, len(data) - 1), (len(data) - 1, GB)):
        with pytest.raises(UploadRefused) as refused, Upload(folder / "x.safetensors", size=size, most=most) as upload:
            upload.write(data)
        assert refused.value.status == 413
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_told_before_the_first_byte(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9 * GB, 8 * GB, GB))  # type: ignore[attr-defined]
    with pytest.raises(UploadRefused, match=r"2\.0 GB are needed, and 1\.0 GB are free") as refused:
        check_room(folder / "x.safetensors", 2 * GB, 16 * GB)
    assert refused.value.status == 507


def test_what_a_killed_program_left_is_removed_a_day_later(folder: Path, data: bytes):
    old, young = folder / ".a.uploading", folder / ".b.uploading"
    for path in (old, young):
        path.touch()
    os.utime(old, (0, time.time() - 100_000))
    with Upload(folder / "x.safetensors", size=len(data), most=GB):
        pass
    assert list(folder.iterdir()) == [young]


@pytest.mark.parametrize(
    "name",
    ["", ".safetensors", "..safetensors", ".x.safetensors", "../x.safetensors", "a/x.safetensors", "a\\x.safetensors", "C:x.safetensors", "x.pt", "x",
     "x\0.safetensors", "x\n.safetensors", f"{'x' * 300}.safetensors", " x.safetensors", "x .safetensors", "x\ud800.safetensors", "x.safetensors/"],
)  # fmt: skip
def test_a_name_that_is_no_plain_name_is_refused(name: str):
    with pytest.raises(UploadRefused):
        check_name(name)


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("./\\~ :\0"), max_size=30))
def test_no_name_leads_out_of_the_folder(text: str):
    name = f"{text}{SUFFIX}"
    try:
        check_name(name)
    except UploadRefused:
        return
    path = Path("/models/Lora", name)
    assert (path.parent, Path(os.path.normpath(path))) == (Path("/models/Lora"), path)
    assert not path.name.startswith(".")

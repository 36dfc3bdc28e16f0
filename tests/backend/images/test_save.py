import os
import threading
from pathlib import Path

import pytest
from PIL import Image

from backend.images.metadata import Encoding
from backend.images.save import next_number, save_image, write_new

PICTURE = Image.new("RGB", (4, 4), "red")
PNG = Encoding()


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_numbers_go_on_where_the_folder_ends(tmp_path: Path):
    folder = tmp_path / "new" / "folder"
    for seed in ("7", "8"):
        save_image(PICTURE, folder, name=seed, encoding=PNG)
    (folder / "00041-old.txt").touch()
    assert save_image(PICTURE, folder, name="9", encoding=PNG).name == "00042-9.png"
    assert names(folder) == ["00000-7.png", "00001-8.png", "00041-old.txt", "00042-9.png"]


def test_grids_count_on_their_own(tmp_path: Path):
    save_image(PICTURE, tmp_path, name="7", encoding=PNG)
    assert [save_image(PICTURE, tmp_path, basename="grid", encoding=PNG).name for _ in range(2)] == ["grid-0000.png", "grid-0001.png"]
    assert save_image(PICTURE, tmp_path, name="7-a", basename="grid", encoding=PNG).name == "grid-0002-7-a.png"
    assert next_number(tmp_path) == 1


def test_a_number_is_used_where_there_is_no_name(tmp_path: Path):
    assert save_image(PICTURE, tmp_path, numbered=False, encoding=PNG).name == "00000.png"


def test_other_files_do_not_disturb_the_count(tmp_path: Path):
    for name in ("cat.png", "12ab.png", "grid-0007.png", "99999999999999999999.png", "-3.png"):
        (tmp_path / name).touch()
    assert next_number(tmp_path) == 0


def test_without_numbers_a_file_that_is_there_is_kept(tmp_path: Path):
    (tmp_path / "cat.png").write_bytes(b"precious")
    assert save_image(PICTURE, tmp_path, name="cat", numbered=False, encoding=PNG).name == "cat-1.png"
    assert (tmp_path / "cat.png").read_bytes() == b"precious"


def test_a_long_name_in_any_script_is_saved(tmp_path: Path):
    assert save_image(PICTURE, tmp_path, name="猫" * 200, encoding=Encoding(format="webp")).stat().st_size > 0


def test_many_threads_get_names_of_their_own(tmp_path: Path):
    threads = [threading.Thread(target=save_image, args=(PICTURE, tmp_path), kwargs={"name": "x", "encoding": PNG}) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == [f"{number:05}-x.png" for number in range(16)]


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_image(PICTURE, tmp_path, name="x", encoding=PNG)
    assert names(tmp_path) == []


def test_a_file_system_without_links_keeps_old_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(source: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(b"old")
    assert write_new(tmp_path, iter(["a", "b"]), b"new").name == "b"
    assert [(tmp_path / name).read_bytes() for name in names(tmp_path)] == [b"old", b"new"]


def test_the_file_is_readable_as_any_other(tmp_path: Path):
    (tmp_path / "plain").touch()
    path = save_image(PICTURE, tmp_path, name="x", encoding=PNG)
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", ".."])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(Exception, match="no name for a file"):
        write_new(folder, iter([name]), b"")
    assert names(tmp_path) == ["folder"] and names(folder) == []

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from backend.catalog import Catalog, Kind
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.paths import Paths
from backend.sidecar import write_sidecar
from backend.watch import watch
from tests.backend.opens import opened_files

SOON = 2.0  # seconds from a file's completion to the list
LATE = 20.0  # seconds for the same on a machine that does other things, too
FOLDERS: dict[Kind, str] = {"checkpoint": "models/Stable-diffusion", "vae": "models/VAE", "lora": "models/Lora", "embedding": "embeddings"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths.from_flags(parse_flags(["--data-dir", str(tmp_path)]), tmp_path)
    paths.ensure()
    return paths


@pytest.fixture
def loras(paths: Paths) -> Path:
    return paths.loras[0]


@pytest.fixture
def catalog(paths: Paths) -> Iterator[Catalog]:
    hashes = HashCache(paths.cache / "hashes.db")
    yield Catalog(paths, hashes)
    hashes.close()


@pytest.fixture
def watched(catalog: Catalog) -> Iterator[Catalog]:
    stop = watch(catalog)
    yield catalog
    stop()


def eventually(fact: Callable[[], bool], within: float = LATE) -> bool:
    """Whether it comes true in time."""
    pause, end = threading.Event(), time.monotonic() + within
    while not (true := fact()) and time.monotonic() < end:
        pause.wait(0.01)
    return true


def names(catalog: Catalog, kind: Kind = "lora") -> list[str]:
    return [entry.name for entry in catalog.entries(kind)]


def refused(catalog: Catalog) -> list[str]:
    return [each.name for each in catalog.refused("lora")]


def content(output_name: str = "", value: float = 0.0) -> bytes:
    return save({"a": torch.tensor([value])}, {"ss_output_name": output_name} if output_name else None)


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_file_that_is_dropped_shows_within_two_seconds(watched: Catalog, paths: Paths, kind: Kind):
    (paths.data / FOLDERS[kind] / "new.safetensors").write_bytes(content())
    assert eventually(lambda: names(watched, kind) == ["new.safetensors"], SOON)


def test_a_file_that_appears_changes_moves_and_leaves_is_followed(watched: Catalog, loras: Path):
    path = loras / "x.safetensors"
    path.write_bytes(content())
    assert eventually(lambda: names(watched) == ["x.safetensors"])
    path.write_bytes(content("changed"))
    assert eventually(lambda: [entry.alias for entry in watched.entries("lora")] == ["changed"])
    (loras / "sub").mkdir()
    path = path.rename(loras / "sub" / "y.safetensors")
    assert eventually(lambda: names(watched) == ["sub/y.safetensors"])
    path.unlink()
    assert eventually(lambda: names(watched) == [])


def test_a_file_that_is_replaced_by_a_rename_is_read_again(watched: Catalog, loras: Path):
    (loras / "x.safetensors").write_bytes(content("old"))
    assert eventually(lambda: watched.find("lora", "old") is not None)
    (loras / "x.safetensors.tmp").write_bytes(content("new"))
    os.replace(loras / "x.safetensors.tmp", loras / "x.safetensors")
    assert eventually(lambda: watched.find("lora", "new") is not None and watched.find("lora", "old") is None)


def test_a_file_that_is_edited_in_place_is_read_again(watched: Catalog, loras: Path):
    (loras / "x.safetensors").write_bytes(content("aaaa"))
    assert eventually(lambda: watched.find("lora", "aaaa") is not None)
    with (loras / "x.safetensors").open("r+b") as file:
        file.write(content("bbbb"))
    assert eventually(lambda: watched.find("lora", "bbbb") is not None)


def test_folders_that_come_move_and_leave_are_followed(watched: Catalog, paths: Paths, loras: Path):
    outside = paths.data / "prepared"
    (outside / "deep").mkdir(parents=True)
    for name in ("a.safetensors", "deep/b.safetensors"):
        (outside / name).write_bytes(content())
    outside.rename(loras / "styles")
    assert eventually(lambda: names(watched) == ["styles/a.safetensors", "styles/deep/b.safetensors"])
    (loras / "styles").rename(loras / "inks")
    assert eventually(lambda: names(watched) == ["inks/a.safetensors", "inks/deep/b.safetensors"])
    (loras / "inks" / "new.safetensors").write_bytes(content())
    assert eventually(lambda: "inks/new.safetensors" in names(watched))
    (loras / "inks").rename(outside)
    assert eventually(lambda: names(watched) == [])


def test_a_file_that_is_half_copied_is_not_offered_until_it_is_whole(watched: Catalog, loras: Path):
    data = content()
    with (loras / "x.safetensors").open("wb", buffering=0) as file:
        for part in (data[:4], data[4:30], data[30:-1]):
            file.write(part)
            assert eventually(lambda: refused(watched) == ["x.safetensors"])
            assert names(watched) == []
        file.write(data[-1:])
    assert eventually(lambda: names(watched) == ["x.safetensors"] and refused(watched) == [], SOON)


@pytest.mark.parametrize("suffix", [".part", ".crdownload", ".tmp", ".download", ".opdownload", ".aria2"])
def test_a_download_shows_when_it_is_renamed(watched: Catalog, loras: Path, suffix: str):
    part = loras / f"x.safetensors{suffix}"
    part.write_bytes(content())
    (loras / "other.safetensors").write_bytes(content())
    assert eventually(lambda: names(watched) == ["other.safetensors"])
    assert refused(watched) == []
    part.rename(loras / "x.safetensors")
    assert eventually(lambda: names(watched) == ["other.safetensors", "x.safetensors"], SOON)


def test_a_truncated_file_is_not_offered_and_has_a_word_why(watched: Catalog, loras: Path):
    (loras / "cut.safetensors").write_bytes(content()[:-2])
    (loras / "page.safetensors").write_bytes(b"<!DOCTYPE html><html>Sign in to download</html>")
    assert eventually(lambda: len(watched.refused("lora")) == 2)
    assert [each.reason for each in watched.refused("lora")] == [
        "cut.safetensors is cut off (2 bytes are missing): download it again.",
        "page.safetensors is no .safetensors file or is damaged: download it again.",
    ]
    assert names(watched) == []
    (loras / "cut.safetensors").unlink()
    assert eventually(lambda: refused(watched) == ["page.safetensors"])


def test_create_delete_rename_as_browsers_do_it(watched: Catalog, loras: Path):
    target, part = loras / "x.safetensors", loras / "Unconfirmed 42.crdownload"
    target.touch()  # the browser holds the name,
    part.write_bytes(content()[:20])
    target.unlink()  # gives it free,
    part.write_bytes(content())
    part.rename(target)  # and puts the file there
    assert eventually(lambda: names(watched) == ["x.safetensors"], SOON)
    assert refused(watched) == []


def test_a_thousand_files_at_once_all_show_after_few_looks(watched: Catalog, loras: Path):
    data = content()
    for number in range(1000):
        (loras / f"{number}.safetensors").write_bytes(data)
    assert eventually(lambda: len(names(watched)) == 1000)
    assert watched.revision < 30


def test_a_new_file_is_the_only_one_that_is_opened(watched: Catalog, loras: Path):
    for number in range(20):
        (loras / f"{number}.safetensors").write_bytes(content())
    assert eventually(lambda: len(names(watched)) == 20)
    prepared = loras / "new.part"
    prepared.write_bytes(content())
    with opened_files() as opened:
        prepared.rename(loras / "new.safetensors")
        assert eventually(lambda: "new.safetensors" in names(watched))
    assert opened == [str(loras / "new.safetensors")]


def test_a_sidecar_that_is_written_raises_the_revision(watched: Catalog, loras: Path):
    (loras / "ink.safetensors").write_bytes(content())
    assert eventually(lambda: names(watched) == ["ink.safetensors"])
    revision = watched.revision
    write_sidecar(loras / "ink.safetensors", {"notes": "n"})
    assert eventually(lambda: watched.revision > revision, SOON)
    revision = watched.revision
    (loras / "ink.preview.png").write_bytes(b"png")
    assert eventually(lambda: watched.revision > revision, SOON)


def test_folders_that_send_no_events_are_looked_at_now_and_then(catalog: Catalog, loras: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (loras / "link").symlink_to(elsewhere)
    stop = watch(catalog, rescan=0.05)
    (elsewhere / "x.safetensors").write_bytes(content())
    assert eventually(lambda: names(catalog) == ["link/x.safetensors"])
    (elsewhere / "x.safetensors").unlink()
    assert eventually(lambda: names(catalog) == [])
    stop()


def test_the_slow_look_goes_on_while_events_come(catalog: Catalog, loras: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (loras / "link").symlink_to(elsewhere)
    stop, busy = watch(catalog, rescan=0.2), threading.Event()
    thread = threading.Thread(target=_keep_writing, args=(loras / "busy.part", busy))
    thread.start()
    (elsewhere / "x.safetensors").write_bytes(content())
    try:
        assert eventually(lambda: names(catalog) == ["link/x.safetensors"])
    finally:
        busy.set()
        thread.join()
        stop()


def test_a_folder_that_cannot_be_watched_is_looked_at_now_and_then(
    catalog: Catalog, loras: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("backend.watch.Observer.schedule", _no_watches_left)
    with caplog.at_level(logging.WARNING):
        stop = watch(catalog, rescan=0.05)
    save_file({"a": torch.zeros(1)}, loras / "x.safetensors")
    assert eventually(lambda: names(catalog) == ["x.safetensors"])
    stop()
    assert "cannot be watched (No space left on device)" in caplog.text


def test_stopping_ends_every_thread(catalog: Catalog):
    before = set(threading.enumerate())
    watch(catalog)()
    assert set(threading.enumerate()) <= before


def _keep_writing(path: Path, stop: threading.Event) -> None:
    while not stop.wait(0.01):
        with contextlib.suppress(OSError):
            path.write_bytes(b"x")


def _no_watches_left(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.catalog import Catalog
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.paths import Paths
from backend.watch import watch

SOON = 5.0  # seconds; a busy machine


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths.from_flags(parse_flags(["--data-dir", str(tmp_path)]), tmp_path)
    paths.ensure()
    return paths


@pytest.fixture
def catalog(paths: Paths) -> Iterator[Catalog]:
    hashes = HashCache(paths.cache / "hashes.db")
    yield Catalog(paths, hashes)
    hashes.close()


@pytest.fixture
def watched(catalog: Catalog, paths: Paths) -> Iterator[Catalog]:
    stop = watch(catalog)
    yield catalog
    stop()


def eventually(fact: Callable[[], bool]) -> bool:
    """Whether it comes true soon."""
    pause, end = threading.Event(), time.monotonic() + SOON
    while not (true := fact()) and time.monotonic() < end:
        pause.wait(0.02)
    return true


def names(catalog: Catalog) -> list[str]:
    return [entry.name for entry in catalog.entries("lora")]


def test_a_file_that_appears_changes_moves_and_leaves_is_followed(watched: Catalog, paths: Paths):
    path = paths.loras[0] / "x.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    assert eventually(lambda: names(watched) == ["x.safetensors"])
    save_file({"a": torch.zeros(1)}, path, {"ss_output_name": "changed"})
    assert eventually(lambda: watched.entries("lora")[0].alias == "changed")
    (paths.loras[0] / "sub").mkdir()
    path = path.rename(paths.loras[0] / "sub" / "y.safetensors")
    assert eventually(lambda: names(watched) == ["sub/y.safetensors"])
    path.unlink()
    assert eventually(lambda: names(watched) == [])


def test_a_download_shows_when_it_is_renamed(watched: Catalog, paths: Paths):
    part = paths.loras[0] / "x.safetensors.crdownload"
    save_file({"a": torch.zeros(1)}, part)
    part.rename(paths.loras[0] / "x.safetensors")
    assert eventually(lambda: names(watched) == ["x.safetensors"])


def test_many_files_at_once_are_few_looks(watched: Catalog, paths: Paths):
    for number in range(50):
        save_file({"a": torch.zeros(1)}, paths.loras[0] / f"{number}.safetensors")
    assert eventually(lambda: len(names(watched)) == 50)
    assert watched.revision < 15


def test_folders_that_send_no_events_are_looked_at_now_and_then(catalog: Catalog, paths: Paths, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (paths.loras[0] / "link").symlink_to(elsewhere)
    stop = watch(catalog, rescan=0.05)
    save_file({"a": torch.zeros(1)}, elsewhere / "x.safetensors")
    assert eventually(lambda: names(catalog) == ["link/x.safetensors"])
    stop()


def test_stopping_ends_every_thread(catalog: Catalog, paths: Paths):
    before = set(threading.enumerate())
    watch(catalog)()
    assert set(threading.enumerate()) <= before

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.background_hashes import hash_in_background
from backend.catalog import Catalog
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.paths import Paths

LATE = 20.0  # seconds; a busy machine


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
def hashing(catalog: Catalog) -> Iterator[Catalog]:
    end = hash_in_background(catalog, patience=0.01)
    yield catalog
    end()


def eventually(fact: Callable[[], bool]) -> bool:
    pause, end = threading.Event(), time.monotonic() + LATE
    while not (true := fact()) and time.monotonic() < end:
        pause.wait(0.01)
    return true


def add(path: Path, value: float = 0.0) -> str:
    """The file's hash."""
    save_file({"a": torch.tensor([value])}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_file_is_hashed_and_new_ones_when_they_come(hashing: Catalog, paths: Paths):
    lora, checkpoint = add(paths.loras[0] / "x.safetensors", 1), add(paths.checkpoints[0] / "y.safetensors", 2)
    (paths.embeddings / "z.pt").write_bytes(b"old pickle")
    hashing.refresh()
    assert eventually(lambda: [entry.hash for entry in (*hashing.entries("lora"), *hashing.entries("checkpoint"))] == [lora, checkpoint])
    later = add(paths.loras[0] / "later.safetensors", 3)
    hashing.refresh()
    assert eventually(lambda: [entry.hash for entry in hashing.entries("lora")] == [later, lora])
    assert hashing.hashes.all_known()[str(paths.embeddings / "z.pt")][2] == hashlib.sha256(b"old pickle").hexdigest()


def test_both_hashes_of_a_lora_come_from_one_reading(hashing: Catalog, paths: Paths, tmp_path: Path):
    path = paths.loras[0] / "x.safetensors"
    save_file({"a": torch.arange(1_000_000.0)}, path, {"k": "v"})
    hashing.refresh()
    assert eventually(lambda: bool(hashing.entries("lora")[0].hash))
    lazy = HashCache(paths.cache / "hashes.db", hashing=False)  # tells what is known only
    other = HashCache(tmp_path / "other.db")
    assert (lazy.sha256(path), lazy.tensors_hash(path)) == (other.sha256(path), other.tensors_hash(path))
    lazy.close()
    other.close()


def test_the_list_changes_once_for_many_files(catalog: Catalog, paths: Paths):
    for number in range(20):
        add(paths.loras[0] / f"{number}.safetensors", number)
    catalog.refresh()
    revision = catalog.revision
    end = hash_in_background(catalog, patience=0.01)
    assert eventually(lambda: all(entry.hash for entry in catalog.entries("lora")))
    end()
    assert catalog.revision == revision + 1


def test_without_hashing_no_thread_runs(paths: Paths):
    hashes, before = HashCache(paths.cache / "hashes.db", hashing=False), set(threading.enumerate())
    end = hash_in_background(Catalog(paths, hashes))
    assert set(threading.enumerate()) <= before
    end()
    hashes.close()


def test_stopping_ends_it_in_the_middle_of_a_file(catalog: Catalog, paths: Paths, monkeypatch: pytest.MonkeyPatch):
    add(paths.loras[0] / "x.safetensors")
    catalog.refresh()
    started, fill = threading.Event(), catalog.hashes.fill

    def slow_fill(path: Path, *, tensors: bool, stop: Callable[[], bool]) -> None:
        started.set()
        assert eventually(stop)
        fill(path, tensors=tensors, stop=stop)

    monkeypatch.setattr(catalog.hashes, "fill", slow_fill)
    end = hash_in_background(catalog, patience=0.01)
    assert started.wait(LATE)
    end()
    assert catalog.hashes.all_known() == {}


def test_duplicates_are_files_of_the_same_bytes(hashing: Catalog, paths: Paths):
    folder = paths.loras[0]
    for name, value in (("b", 1), ("a", 1), ("c", 2), ("d", 3), ("e", 3), ("f", 1)):
        add(folder / f"{name}.safetensors", value)
    (folder / "link.safetensors").symlink_to(folder / "c.safetensors")
    hashing.refresh()
    assert eventually(lambda: all(entry.hash for entry in hashing.entries("lora")))
    assert [[entry.stem for entry in group] for group in hashing.duplicates("lora")] == [["a", "b", "f"], ["d", "e"]]
    assert hashing.duplicates("checkpoint") == ()

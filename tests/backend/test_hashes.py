import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.hashes import HashCache


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[HashCache]:
    cache = HashCache(tmp_path / "cache" / "hashes.db")
    yield cache
    cache.close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.arange(4.0)}, path, {"title": "first"})
    return path


def test_the_hash_is_that_of_the_whole_file(cache: HashCache, model: Path):
    assert cache.sha256(model) == hashlib.sha256(model.read_bytes()).hexdigest()


def test_the_hash_of_the_tensors_does_not_follow_the_metadata(cache: HashCache, model: Path):
    first = cache.tensors_hash(model)
    assert first == hashlib.sha256(torch.arange(4.0).numpy().tobytes()).hexdigest()
    save_file({"a": torch.arange(4.0)}, model, {"title": "a longer second title"})
    assert cache.tensors_hash(model) == first != cache.sha256(model)


def test_other_files_have_one_hash(cache: HashCache, tmp_path: Path):
    path = tmp_path / "x.pt"
    path.write_bytes(b"abc")
    assert cache.tensors_hash(path) == cache.sha256(path)


def test_a_hash_is_computed_once(cache: HashCache, model: Path):
    assert cache.known(model) is None
    first, stat = cache.sha256(model), model.stat()
    model.write_bytes(b"x" * stat.st_size)  # other contents under the same size and time: only reading would tell
    os.utime(model, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.sha256(model) == cache.known(model) == first


def test_a_changed_file_is_hashed_again(cache: HashCache, model: Path):
    first, stat = cache.sha256(model), model.stat()
    cache.tensors_hash(model)
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    os.utime(model, ns=(stat.st_atime_ns, stat.st_mtime_ns - 10**9))  # an older file of the same size counts as changed, too
    assert cache.known(model) is None
    assert cache.sha256(model) == hashlib.sha256(content).hexdigest() != first
    assert cache.tensors_hash(model) == hashlib.sha256(content[-16:]).hexdigest()


def test_two_processes_share_what_they_know(cache: HashCache, model: Path, tmp_path: Path):
    other = HashCache(tmp_path / "cache" / "hashes.db")
    assert other.sha256(model) == cache.known(model)
    other.close()


def test_many_threads_may_ask_at_once(cache: HashCache, tmp_path: Path):
    paths = [tmp_path / f"{n}.bin" for n in range(20)]
    for path in paths:
        path.write_bytes(path.name.encode())
    with ThreadPoolExecutor(8) as pool:
        hashes = list(pool.map(cache.sha256, paths * 5))
    assert hashes == [hashlib.sha256(path.name.encode()).hexdigest() for path in paths] * 5


def test_without_hashing_nothing_is_computed_but_what_is_known_is_used(cache: HashCache, model: Path, tmp_path: Path):
    lazy = HashCache(tmp_path / "cache" / "hashes.db", hashing=False)
    assert (lazy.sha256(model), lazy.tensors_hash(model)) == ("", "")
    assert lazy.sha256(model) == "" != cache.sha256(model) == lazy.sha256(model)
    lazy.close()


def test_files_are_found_by_the_start_of_either_hash(cache: HashCache, model: Path):
    short, tensors = cache.sha256(model)[:10], cache.tensors_hash(model)[:12]
    assert cache.files_with(short) == cache.files_with(tensors) == {model}
    assert cache.files_with("0" * 10) == set()
    model.write_bytes(b"other")
    assert cache.files_with(short) == set()


def test_a_damaged_cache_is_made_anew(model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "hashes.db").write_bytes(b"no database at all " * 100)
    cache = HashCache(tmp_path / "hashes.db")
    assert cache.sha256(model) == cache.known(model)
    assert "is damaged" in caplog.text
    cache.close()


def test_without_a_place_to_keep_them_hashes_still_work(model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "file").write_text("in the way")
    cache = HashCache(tmp_path / "file" / "hashes.db")
    assert cache.sha256(model) == cache.known(model)
    assert "Nothing can be kept" in caplog.text
    cache.close()


@pytest.mark.parametrize("size", [1, 2_000_000])
def test_one_reading_gives_both_hashes(cache: HashCache, tmp_path: Path, size: int):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.arange(size, dtype=torch.uint8)}, path, {"title": "x" * 1_500_000})  # a header that ends within the second chunk
    cache.fill(path, tensors=True, stop=lambda: False)
    assert cache.filled(tensors=True) == cache.filled(tensors=False) == {str(path): (path.stat().st_size, path.stat().st_mtime_ns)}
    assert cache.known(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert cache.tensors_hash(path) == hashlib.sha256(path.read_bytes()[-size:]).hexdigest()


def test_a_reading_of_the_whole_file_keeps_the_hash_of_the_tensors(cache: HashCache, model: Path):
    tensors = cache.tensors_hash(model)
    cache.fill(model, tensors=False, stop=lambda: False)
    assert list(cache.filled(tensors=True)) == [str(model)]
    assert cache.files_with(tensors) == {model}


def test_a_reading_that_is_stopped_leaves_nothing(cache: HashCache, model: Path):
    cache.fill(model, tensors=True, stop=lambda: True)
    assert cache.known(model) is None and cache.filled(tensors=False) == {}

import base64
import hashlib
import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from backend.conditioning.textual_inversion import Bundled, EmbeddingStore, read_embedding
from backend.errors import WebUIError
from backend.prompts.tokenizer import Tokenizer

VECTORS = torch.arange(8.0).view(2, 4)


@dataclass(frozen=True)
class File:
    path: Path
    mtime_ns: int = 1
    size: int = 1
    hash: str = ""

    @property
    def stem(self) -> str:
        return self.path.stem


def a1111(vectors: Any = VECTORS) -> dict:
    return {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": vectors},
        "name": "other",
        "step": 500,
        "sd_checkpoint": "ecbf2ab887",
        "sd_checkpoint_name": "tiny",
    }


def write(path: Path, data: Any) -> Path:
    if path.suffix == ".safetensors":
        save_file(data, path)
    else:
        torch.save(data, path)
    return path


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.pt", a1111()),
        ("x.pt", a1111(torch.nn.Parameter(VECTORS))),
        ("x.pt", {"string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(VECTORS)})}),
        ("x.bin", {"<anything>": VECTORS}),
        ("x.safetensors", {"emb_params": VECTORS.half()}),
    ],
)
def test_every_layout_gives_its_vectors(tmp_path: Path, name: str, data: dict):
    embedding = read_embedding(write(tmp_path / name, data), "x")
    assert embedding is not None
    assert torch.equal(embedding.vectors_for("clip_l"), VECTORS)
    assert (embedding.name, embedding.vectors, embedding.shape) == ("x", 2, 4)


def test_a_file_in_the_old_pickle_format_is_read(tmp_path: Path):
    torch.save(a1111(), tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    embedding = read_embedding(tmp_path / "x.pt", "x")
    assert embedding is not None
    assert (embedding.step, embedding.sd_checkpoint, embedding.sd_checkpoint_name) == (500, "ecbf2ab887", "tiny")


def test_a_single_vector_is_one_token(tmp_path: Path):
    embedding = read_embedding(write(tmp_path / "x.bin", {"<cat>": VECTORS[0]}), "x")
    assert embedding is not None
    assert embedding.vectors == 1


def test_a_pair_for_sdxl_has_vectors_for_each_encoder(tmp_path: Path):
    embedding = read_embedding(write(tmp_path / "x.safetensors", {"clip_l": VECTORS, "clip_g": torch.ones(2, 6)}), "x")
    assert embedding is not None
    assert (embedding.shape, embedding.vectors) == (10, 2)
    assert embedding.vectors_for("clip_g").shape == (2, 6)


def test_a_picture_brings_its_own_name(tmp_path: Path):
    info = PngInfo()
    info.add_text("sd-ti-embedding", base64.b64encode(json.dumps(a1111({"TORCHTENSOR": VECTORS.tolist()})).encode()).decode())
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    embedding = read_embedding(tmp_path / "x.png", "x")
    assert embedding is not None
    assert embedding.name == "other"
    assert torch.equal(embedding.vectors_for("clip_l"), VECTORS)


def test_the_hash_is_that_of_the_whole_file(tmp_path: Path):
    path = write(tmp_path / "x.pt", a1111())
    embedding = read_embedding(path, "x")
    assert embedding is not None
    assert embedding.hash == hashlib.sha256(path.read_bytes()).hexdigest()


class Evil:
    def __reduce__(self):
        return (print, ("code was run",))


@pytest.mark.parametrize(
    "make",
    [
        lambda path: torch.save({"a": VECTORS, "b": VECTORS}, path),
        lambda path: torch.save([VECTORS], path),
        lambda path: torch.save({"string_to_param": {}}, path),
        lambda path: torch.save({"*": "text"}, path),
        lambda path: path.write_bytes(b"\x80\x02no"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(pickle.dumps({"*": Evil()}, protocol=2)),
    ],
)
def test_foreign_and_broken_files_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]):
    make(tmp_path / "x.pt")
    with pytest.raises(WebUIError, match=r"x\.pt"):
        read_embedding(tmp_path / "x.pt", "x")
    assert "code was run" not in capsys.readouterr().out


def test_a_truncated_safetensors_file_is_refused_by_name(tmp_path: Path):
    path = write(tmp_path / "x.safetensors", {"emb_params": VECTORS})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(WebUIError, match=r"x\.safetensors"):
        read_embedding(path, "x")


def test_the_store_reads_changed_files_alone(tmp_path: Path):
    store, file = EmbeddingStore(), File(write(tmp_path / "x.pt", a1111()))
    store.load([file])
    before = store.revision
    write(file.path, a1111(VECTORS[:1]))
    store.load([file])
    assert store.revision == before
    assert store.listing(4)["loaded"]["x"]["vectors"] == 2
    store.load([replace(file, mtime_ns=2)])
    assert store.revision == before + 1
    assert store.listing(4)["loaded"]["x"]["vectors"] == 1
    store.load([])
    assert store.listing(4) == {"loaded": {}, "skipped": {}}


def test_a_broken_file_is_logged_and_the_others_are_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "bad.pt").write_bytes(b"no")
    store = EmbeddingStore()
    with caplog.at_level(logging.WARNING):
        store.load([File(tmp_path / "bad.pt"), File(write(tmp_path / "x.pt", a1111()))])
    assert "bad.pt" in caplog.text
    assert list(store.listing(4)["loaded"]) == ["x"]


def test_only_what_fits_the_model_is_found_in_prompts(tmp_path: Path, tokenizer: Tokenizer):
    store = EmbeddingStore()
    store.load([File(write(tmp_path / "small.pt", a1111())), File(write(tmp_path / "big.pt", a1111(torch.ones(1, 6))))])
    fitting = store.fitting(4, tokenizer)
    small, big = tokenizer.encode("small"), tokenizer.encode("big")
    assert fitting.loaded.find(small, 0) is not None
    assert fitting.loaded.find(big, 0) is None
    assert fitting.skipped.find(big, 0) is not None
    assert store.listing(4)["loaded"] == {
        "small": {"step": 500, "sd_checkpoint": "ecbf2ab887", "sd_checkpoint_name": "tiny", "shape": 4, "vectors": 2},
    }
    assert list(store.listing(4)["skipped"]) == ["big"]


def bundled(name: str = "word", source: int = 1, **tensors: torch.Tensor) -> Bundled:
    return Bundled(name=name, network="ink", source=source, tensors=tensors or {"string_to_param.*": VECTORS})


@pytest.mark.parametrize(
    ("tensors", "keys"),
    [({"string_to_param.*": VECTORS}, [""]), ({"emb_params": VECTORS}, [""]), ({"clip_l": VECTORS, "clip_g": VECTORS}, ["clip_l", "clip_g"])],
)
def test_a_textual_inversion_may_come_in_the_file_of_a_lora(tensors: dict[str, torch.Tensor], keys: list[str], tokenizer: Tokenizer):
    store = EmbeddingStore()
    store.load([], [bundled("word", 1, **tensors)])
    found = store.fitting(4 * len(keys), tokenizer).loaded.find(tokenizer.encode("word"), 0)
    assert found is not None and list(found[0].tensors) == keys and torch.equal(found[0].tensors[keys[0]], VECTORS)
    assert found[0].short_hash == "ink"  # what A1111 writes for its hash


def test_bundled_ones_stay_as_long_as_their_lora(tmp_path: Path):
    store = EmbeddingStore()
    store.load([], [bundled()])
    revision = store.revision
    store.load([], [bundled()])
    store.load([])  # somebody asks for the list in between
    assert store.revision == revision and list(store.listing(None)["loaded"]) == ["word"]
    store.load([], [bundled(source=2)])
    assert store.revision == revision + 1
    store.load([], [])
    assert store.listing(None)["loaded"] == {} and store.revision == revision + 2


def test_a_file_goes_before_a_bundled_one_of_the_same_name(tmp_path: Path):
    store = EmbeddingStore()
    store.load([File(write(tmp_path / "word.pt", a1111(VECTORS + 1)))], [bundled()])
    assert store.listing(None)["loaded"]["word"]["step"] == 500


def test_a_bundled_one_of_an_unknown_layout_is_left_out_with_a_word(caplog: pytest.LogCaptureFixture):
    store = EmbeddingStore()
    store.load([], [bundled("word", 1, a=VECTORS, b=VECTORS)])
    assert store.listing(None)["loaded"] == {}
    assert "word in the LoRA ink is not a textual inversion" in caplog.text

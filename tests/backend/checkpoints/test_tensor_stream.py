from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from backend.checkpoints.tensor_stream import Form, write_stream
from backend.errors import WebUIError
from backend.safetensors_header import read_header

TENSORS = {
    "whole": torch.arange(6).reshape(2, 3),
    "brain": torch.randn(3, 5, generator=torch.Generator().manual_seed(1)).bfloat16(),
    "byte": torch.tensor([1, 2, 3], dtype=torch.uint8),
    "number": torch.tensor(0.5),
    "nothing": torch.zeros(0),
    "turned": torch.arange(6.0).reshape(2, 3).t(),
    "eight": torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn),
}
FORMS = {name: Form(tensor.dtype, tuple(tensor.shape)) for name, tensor in TENSORS.items()}


def write(path: Path, *, replace: bool = False, each=lambda done: None, read=TENSORS.__getitem__) -> None:
    write_stream(path, ".x.part", FORMS, {"format": "pt", "über": "ß"}, read, replace=replace, each=each)


def test_safetensors_own_reader_finds_the_same_tensors_and_metadata(tmp_path: Path):
    write(path := tmp_path / "x.safetensors")
    found = load_file(path)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].float(), tensor.float())
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "über": "ß"}


def test_every_tensor_begins_at_a_multiple_of_its_numbers_size(tmp_path: Path):
    write(path := tmp_path / "x.safetensors")
    start = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    for name, info in read_header(path).tensors.items():
        assert (start + info.offsets[0]) % TENSORS[name].element_size() == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), WebUIError("no"), OSError(28, "No space left on device")])
def test_whatever_goes_wrong_nothing_is_left_and_what_was_there_stays(tmp_path: Path, error: BaseException):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"old")

    def each(done: int) -> None:
        if done == 3:
            assert (tmp_path / ".x.part").exists()
            raise error

    with pytest.raises((type(error), WebUIError)):
        write(path, replace=True, each=each)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("x.safetensors", b"old")]


def test_a_full_disk_is_told_before_the_first_byte(tmp_path: Path):
    forms = {"huge": Form(torch.float32, (1 << 20, 1 << 20, 1 << 8))}
    with pytest.raises(WebUIError, match="not enough room"):
        write_stream(tmp_path / "x.safetensors", ".x.part", forms, {}, lambda name: torch.zeros(1), replace=False, each=lambda done: None)
    assert list(tmp_path.iterdir()) == []

"""The command line: what it makes, prints and refuses."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import checkpoint_files as files
from tests.backend.networks.small import NAMES, whole_lora
from tools.lora import ingredient, main


def test_merge_makes_one_file_of_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ink, oil = whole_lora(tmp_path / "ink.safetensors"), whole_lora(tmp_path / "oil.safetensors", rank=3)
    out = tmp_path / "out.safetensors"
    assert main(["merge", str(out), f"{ink}=0.8", f"{oil}=0.5,-1"]) == 0
    assert capsys.readouterr().out == f"{out}: 5 layers, rank 5, exact\n"
    assert len(load_file(out)) == 3 * len(NAMES)
    assert main(["merge", str(out), str(ink)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(["merge", str(out), str(ink), str(oil), "--rank", "2", "--force"]) == 0
    assert "5 layers, rank 2, relative error 0." in capsys.readouterr().out


def test_resize_tells_rank_and_error_of_each_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    oil, out = whole_lora(tmp_path / "oil.safetensors", rank=3), tmp_path / "out.safetensors"
    assert main(["resize", str(out), str(oil), "--rank", "3", "--sv-fro", "0.9", "--precision", "fp32", "--verbose"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(NAMES) + 1
    assert {line.partition(": rank ")[0] for line in lines[:-1]} == set(NAMES) and all(", error 0." in line for line in lines[:-1])
    assert {tensor.dtype for tensor in load_file(out).values()} == {torch.float32}


def test_extract_takes_two_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    base, out = files.write_sd1(tmp_path / "base.safetensors"), tmp_path / "out.safetensors"
    tensors = load_file(base)
    tensors["model.diffusion_model.time_embed.0.weight"] += torch.ones(1, tensors["model.diffusion_model.time_embed.0.weight"].shape[1]).half()
    save_file(tensors, tmp_path / "tuned.safetensors")
    assert main(["extract", str(out), str(tmp_path / "tuned.safetensors"), str(base), "--rank", "1"]) == 0
    assert f"{out}: 1 layers, rank 1, relative error 0.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["merge", "OUT", "gone.safetensors"], "gone.safetensors is not there any more"),
        (["merge", "OUT", "gone.safetensors", "--conv-rank", "2"], "--conv-rank needs --rank"),
        (["extract", "OUT", "a.safetensors", "b.safetensors", "--rank", "2"], "a.safetensors is not there any more"),
    ],
)
def test_what_goes_wrong_is_a_sentence(arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path / "out.safetensors") if word == "OUT" else word for word in arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["--rank", "0"], ["--rank", "2", "--sv-fro", "2"], ["--rank", "2", "--sv-ratio", "1"], ["--rank", "2", "--sv-fro", "1", "--sv-ratio", "2"]]
)
def test_numbers_out_of_range_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["resize", "out.safetensors", "in.safetensors", *words])
    assert "error: argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "name", "te", "unet"),
    [("a.safetensors", "a.safetensors", 1, 1), ("a.pt=0.8", "a.pt", 0.8, 0.8), ("a=b.pt=-1,0.5", "a=b.pt", -1, 0.5)],
)
def test_a_weight_stands_behind_the_name(text: str, name: str, te: float, unet: float):
    found = ingredient(text)
    assert (found.path, found.te_weight, found.unet_weight) == (Path(name), te, unet)


def test_a_file_may_have_an_equals_sign_in_its_name(tmp_path: Path):
    path = whole_lora(tmp_path / "a=1.safetensors")
    assert ingredient(str(path)).path == path

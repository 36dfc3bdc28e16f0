import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.errors import WebUIError
from backend.networks.low_rank import LowRank
from backend.networks.network_file import KEPT_OPEN, FileIdentity, NetworkFiles
from tests.backend.networks.small import lora_parts, whole_lora, write_lora


@pytest.mark.parametrize("suffix", ["safetensors", "pt", "ckpt", "bin"])
def test_a_file_of_any_suffix_is_read(tmp_path: Path, suffix: str):
    path = write_lora(tmp_path / f"x.{suffix}", {"lora_unet_conv_in": lora_parts((6, 4, 3, 3)), "other": {"weight": torch.zeros(1)}})
    deltas = NetworkFiles().get(FileIdentity.of(path)).deltas
    known = deltas["lora_unet_conv_in"]
    assert known is not None and isinstance(known["weight"], LowRank) and deltas["other"] is None


def test_a_pickle_with_code_in_it_is_refused(tmp_path: Path):
    torch.save({"x": pytest.raises}, tmp_path / "x.pt")
    with pytest.raises(WebUIError, match=r"x\.pt contains code"):
        NetworkFiles().get(FileIdentity.of(tmp_path / "x.pt"))


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: int):
    path = whole_lora(tmp_path / "x.safetensors")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WebUIError, match=r"x\.safetensors is cut off"):
        NetworkFiles().get(FileIdentity.of(path))


def test_a_file_that_is_gone_is_refused(tmp_path: Path):
    with pytest.raises(WebUIError, match=r"x\.safetensors is not there any more"):
        NetworkFiles().get(FileIdentity.of(tmp_path / "x.safetensors"))


def test_a_file_is_opened_once_until_it_changes(tmp_path: Path):
    files, path = NetworkFiles(), whole_lora(tmp_path / "x.safetensors")
    first = files.get(FileIdentity.of(path))
    assert files.get(FileIdentity.of(path)) is first and files.reads == 1
    whole_lora(path, rank=3)
    assert files.get(FileIdentity.of(path)) is not first and files.reads == 2


def test_only_the_last_few_files_stay_open(tmp_path: Path):
    files, identities = NetworkFiles(), [FileIdentity.of(whole_lora(tmp_path / f"{n}.safetensors")) for n in range(KEPT_OPEN + 1)]
    for identity in (*identities, *identities[2:]):
        files.get(identity)
    assert files.reads == KEPT_OPEN + 1
    files.get(identities[0])
    assert files.reads == KEPT_OPEN + 2


def test_modules_with_nan_are_known(tmp_path: Path):
    good, bad = lora_parts((6, 4, 3, 3)), lora_parts((8, 6, 1, 1))
    bad["lora_up.weight"][0, 0] = math.nan
    path = write_lora(tmp_path / "x.safetensors", {"good": good, "bad": bad, "unknown": {"mystery": torch.tensor(math.nan)}})
    assert NetworkFiles().get(FileIdentity.of(path)).damaged == {"bad"}


def test_textual_inversions_in_the_file_are_kept_apart(tmp_path: Path):
    words = {"bundle_emb.ema yasuhara": {"string_to_param.*": torch.ones(2, 4)}, "bundle_emb.xl": {"clip_l": torch.ones(1), "clip_g": torch.zeros(1)}}
    path = write_lora(tmp_path / "x.safetensors", {"lora_unet_conv_in": lora_parts((6, 4, 3, 3)), **words})
    file = NetworkFiles().get(FileIdentity.of(path))
    assert file.deltas.keys() == {"lora_unet_conv_in"}
    assert {word: set(tensors) for word, tensors in file.embeddings.items()} == {"ema yasuhara": {"string_to_param.*"}, "xl": {"clip_l", "clip_g"}}


def test_the_scale_of_pefts_metadata_counts(tmp_path: Path):
    tensors = {"unet.conv_in.lora_A.weight": torch.ones(4, 36), "unet.conv_in.lora_B.weight": torch.ones(6, 4)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"lora_adapter_metadata": '{"unet.lora_alpha": 2}'})
    deltas = NetworkFiles().get(FileIdentity.of(tmp_path / "x.safetensors")).deltas["unet.conv_in"]
    assert deltas is not None and isinstance(deltas["weight"], LowRank) and deltas["weight"].scale == 0.5

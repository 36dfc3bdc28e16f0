from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.checkpoints.small_vae import SmallVaes
from tests.backend.checkpoints.conftest import CPU
from tests.backend.checkpoints.small_files import write, write_approx_nn, write_taesd

LATENT = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(1))
DEVICE = CPU.device


def test_published_taesd_files_do_what_their_networks_do(tmp_path: Path):
    decoder, encoder = write_taesd(tmp_path / "VAE-taesd")
    small = SmallVaes(tmp_path)
    decode, encode = small.find("TAESD", "decoder", "SD1", DEVICE), small.find("TAESD", "encoder", "SD2", DEVICE)
    assert decode is not None and encode is not None
    with torch.no_grad():
        pixels = decode(LATENT)
        assert torch.equal(pixels, decoder(LATENT)) and pixels.shape == (2, 3, 24, 40)
        assert torch.equal(encode(pixels), encoder(pixels)) and encode(pixels).shape == LATENT.shape


def test_approx_nn_shows_a_latent_at_twice_its_size(tmp_path: Path):
    write_approx_nn(tmp_path / "VAE-approx" / "vaeapprox-sdxl.pt")
    decode = SmallVaes(tmp_path).find("Approx NN", "decoder", "SDXL", DEVICE)
    assert decode is not None and decode(LATENT).shape == (2, 3, 6, 10)
    assert decode(LATENT).std() > 0
    assert SmallVaes(tmp_path).find("Approx NN", "decoder", "SD1", DEVICE) is None


def test_safetensors_and_the_other_folder_count_as_well(tmp_path: Path):
    path = write_approx_nn(tmp_path / "x.pt")
    (tmp_path / "VAE-taesd").mkdir()
    save_file(torch.load(path, weights_only=True), tmp_path / "VAE-taesd" / "model.safetensors")
    assert SmallVaes(tmp_path).find("Approx NN", "decoder", "SD1", DEVICE) is not None


def test_what_is_missing_or_damaged_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    small = SmallVaes(tmp_path)
    assert [small.find("TAESD", "decoder", "SD1", DEVICE) for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1 and "taesd_decoder.pth" in caplog.text
    write(tmp_path / "VAE-taesd" / "taesdxl_decoder.pth", {"1.weight": torch.zeros(1)})
    assert [small.find("TAESD", "decoder", "SDXL", DEVICE) for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 2 and "taesdxl_decoder.pth cannot be used" in caplog.text


def test_a_file_with_code_in_it_is_not_run(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    (tmp_path / "VAE-approx").mkdir()
    torch.save({"conv1.weight": Trap()}, tmp_path / "VAE-approx" / "model.pt")
    assert SmallVaes(tmp_path).find("Approx NN", "decoder", "SD1", DEVICE) is None
    assert not (tmp_path / "sprung").exists() and "cannot be used" in caplog.text


def test_other_methods_have_no_network(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    small = SmallVaes(tmp_path)
    assert small.find("Approx cheap", "decoder", "SD1", DEVICE) is small.find("Approx NN", "encoder", "SD1", DEVICE) is None
    assert not caplog.records

import json
from pathlib import Path

import pytest

from tests.header_items import read_item
from tools.inspect_model import main


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return read_item("sd1_lora_kohya_inv_shinkai").write(tmp_path / "shinkai.safetensors")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return read_item("sdxl_unet_diffusers_inv").write(tmp_path / "unet.safetensors")


def test_a_file_is_an_object_on_a_line(lora: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(lora), str(lora), "--json"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == second
    assert first == {
        "file": str(lora),
        "kind": "LoRA",
        "scheme": "kohya",
        "family": "SD1",
        "rank": 128,
        "ranks": {"128": 264},
        "modules": {"te": 72, "net": 192},
        "also": [],
        "source": "keys",
        "fits": "SD1 checkpoints",
    }


def test_without_json_it_is_a_sentence(lora: Path, capsys: pytest.CaptureFixture[str]):
    main([str(lora)])
    assert capsys.readouterr().out == f"{lora}: LoRA for SD1, rank 128, kohya names, 264 layers (te 72, net 192); fits SD1 checkpoints\n"


def test_the_layers_that_fit_a_checkpoint_are_counted(lora: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]):
    main([str(lora), "--checkpoint", str(checkpoint), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["fitting"], found["total"]) == (50, 264)
    assert found["fits"] == "50 of 264 layers, because it is for SD1 and the checkpoint is SDXL"


def test_the_word_in_the_sidecar_counts(lora: Path, capsys: pytest.CaptureFixture[str]):
    lora.with_suffix(".json").write_text('{"sd version": "SD2"}', "utf-8")
    main([str(lora), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["family"], found["source"]) == ("SD2", "sidecar")


def test_a_damaged_file_is_said_and_the_others_are_still_told(lora: Path, capsys: pytest.CaptureFixture[str]):
    cut = lora.with_name("cut.safetensors")
    cut.write_bytes(lora.read_bytes()[:1000])
    assert main([str(cut), str(lora), "--json"]) == 1
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == {"file": str(cut), "error": "cut.safetensors is cut off: download it again."}
    assert second["kind"] == "LoRA"


def test_a_checkpoint_that_is_none_is_refused(lora: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(lora), "--checkpoint", str(lora)]) == 1
    assert "no Stable Diffusion checkpoint" in capsys.readouterr().err


def test_a_family_that_is_not_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    main([str(read_item("flux_lora_kohya_inv").write(tmp_path / "flux.safetensors")), "--json"])
    assert json.loads(capsys.readouterr().out)["fits"] == "not at all, because Flux is not run by this program"

"""A1111's flags → device and precision of each part."""

import pytest
import torch

from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.flags import parse_flags

F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    def be(*, gpus: int = 0, mps: bool = False, bfloat16: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bfloat16})

    return be


def chosen(*argv: str) -> tuple[str, torch.dtype, torch.dtype, torch.dtype]:
    place = Placement.choose(parse_flags(argv))
    return str(place.device), place.unet_dtype, place.text_dtype, place.vae_dtype


def test_on_a_cpu_the_unet_runs_in_bfloat16_where_that_is_native(machine):
    machine(bfloat16=True)
    assert chosen() == ("cpu", BF16, F32, F32)
    machine(bfloat16=False)
    assert chosen() == ("cpu", F32, F32, F32)


@pytest.mark.parametrize("argv", [("--no-half",), ("--precision", "full"), ("--no-half", "--use-cpu", "all")])
def test_no_half_and_full_precision_mean_float32_throughout(argv: tuple[str, ...], machine):
    machine(bfloat16=True)
    assert chosen(*argv) == ("cpu", F32, F32, F32)
    assert Placement.choose(parse_flags(argv)).with_unet_dtype("bfloat16").unet_dtype == F32


def test_the_setting_decides_otherwise(machine):
    machine(bfloat16=True)
    place = Placement.choose(parse_flags(()))
    assert place.with_unet_dtype("float32").unet_dtype == F32
    assert place.with_unet_dtype("float32").with_unet_dtype("Automatic") == place
    with pytest.raises(WebUIError, match=r"'float8'\. Known: Automatic, float32"):
        place.with_unet_dtype("float8")


def test_a_gpu_runs_in_half_precision_but_for_what_the_flags_say(machine):
    machine(gpus=2)
    assert chosen() == ("cuda", F16, F16, F16)
    assert chosen("--no-half-vae") == ("cuda", F16, F16, F32)
    assert chosen("--no-half") == ("cuda", F32, F32, F32)
    assert chosen("--device-id", "1")[0] == "cuda:1"
    assert chosen("--use-cpu", "all")[0] == "cpu"
    with pytest.raises(WebUIError, match="Known: 0, 1"):
        chosen("--device-id", "2")


def test_on_mps_the_vae_stays_in_float32(machine):
    machine(mps=True)
    assert chosen() == ("mps", F16, F16, F32)


def test_medvram_and_lowvram_matter_on_a_gpu_only(machine):
    machine(gpus=1)
    offload = {argv: Placement.choose(parse_flags(argv.split())).offload for argv in ("", "--medvram", "--lowvram")}
    assert offload == {"": "none", "--medvram": "medium", "--lowvram": "low"}
    machine()
    assert Placement.choose(parse_flags(["--lowvram"])).offload == "none"


def test_the_log_line_says_which_and_why(machine):
    machine(bfloat16=True)
    line = Placement.choose(parse_flags(())).describe()
    assert line == "cpu: U-Net in bfloat16, text encoder in float32, VAE in float32, channels last (the processor computes bfloat16 natively)"

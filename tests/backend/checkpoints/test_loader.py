"""Files of every layout load as what they are, with every number where it belongs; bad files are refused in one sentence."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.checkpoints.loader import load
from backend.checkpoints.model import Model
from backend.errors import WebUIError
from tests import checkpoint_files as files
from tests.backend.checkpoints.conftest import CPU, OPTIONS, inputs


def loaded(path: Path, vae: Path | None = None) -> Model:
    return load(path, vae, CPU, OPTIONS)


LAYOUTS: Mapping[str, tuple[dict[str, Tensor], str, bool]] = {
    "sd1": (files.sd1_tensors(), "SD1", False),
    "sd1 inpainting": (files.sd1_tensors(inpaint=True), "SD1", True),
    "sd1 instruct-pix2pix": (files.sd1_tensors(edit=True), "SD1", False),
    "sd1 without text_model": (files.sd1_tensors(text_prefix="cond_stage_model.transformer."), "SD1", False),
    "sd2": ({**files.sd2_tensors(), "v_pred": torch.zeros(0)}, "SD2", False),
    "sd2 inpainting": (files.sd2_tensors(inpaint=True), "SD2", True),
    "sdxl": (files.sdxl_tensors(), "SDXL", False),
    "sdxl inpainting": (files.sdxl_tensors(inpaint=True), "SDXL", True),
    "refiner": (files.refiner_tensors(), "SDXL Refiner", False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_family_is_read_off_the_tensors_and_the_model_draws(layout: str, tmp_path: Path):
    tensors, family, inpaint = LAYOUTS[layout]
    model = loaded(files.write(tmp_path / "x.safetensors", tensors))
    assert (model.architecture.family, model.architecture.inpaint, model.architecture.edit) == (family, inpaint, layout.endswith("pix2pix"))
    with torch.inference_mode():
        out = model.predict(*inputs(model))
        pixels = model.decode(out)
    assert out.shape == (2, 4, 8, 8) and out.dtype == torch.float32 and out.std() > 0.1
    assert pixels.shape == (2, 3, 64, 64) and pixels.isfinite().all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_tensor_of_the_file_is_in_the_model_and_nothing_else(layout: str, tmp_path: Path):
    tensors, _, _ = LAYOUTS[layout]
    model = loaded(files.write(tmp_path / "x.safetensors", tensors))
    unused = ("logit_scale", "position_ids", "v_pred", *(() if "conditioner" in "".join(tensors) else ("text_projection",)))
    wanted = sorted(value.half().sum(dtype=torch.float64).item() for key, value in tensors.items() if not key.endswith(unused) and "in_proj" not in key)
    stacked = [part for key, value in tensors.items() if "in_proj" in key for part in value.half().chunk(3)]
    wanted = sorted([*wanted, *(part.sum(dtype=torch.float64).item() for part in stacked)])
    modules = (model.unet, model.vae, *model.text_encoders)
    found = sorted(p.sum(dtype=torch.float64).item() for module in modules for p in module.parameters())
    assert found == pytest.approx(wanted, abs=1e-9)


def test_head_counts_follow_the_family(tmp_path: Path):
    sd1 = loaded(files.write_sd1(tmp_path / "1.safetensors"))
    sd2 = loaded(files.write(tmp_path / "2.safetensors", {**files.unet_tensors(channels=64, mult=(1, 2, 2, 2), linear_projection=True), **_rest_of_sd2()}))
    assert sd1.architecture.unet.heads == (8, 8, 8, 8)
    assert sd2.architecture.unet.heads == (1, 2, 2, 2)


def _rest_of_sd2() -> dict[str, Tensor]:
    return {"v_pred": torch.zeros(0), **files.vae_tensors(), **files.openclip_text_tensors("cond_stage_model.model.")}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_files_of_every_precision_give_their_own_numbers(dtype: torch.dtype, tmp_path: Path):
    tensors = files.sd1_tensors()
    model = loaded(files.write(tmp_path / "x.safetensors", tensors, dtype=dtype))
    assert torch.equal(model.unet.get_parameter("conv_in.weight"), tensors["model.diffusion_model.input_blocks.0.0.weight"].to(dtype).float())


def test_ema_weights_are_left_aside(tmp_path: Path):
    tensors = files.sd1_tensors()
    model = loaded(files.write(tmp_path / "x.safetensors", files.with_ema(tensors)))
    assert torch.equal(model.unet.get_parameter("conv_in.weight"), tensors["model.diffusion_model.input_blocks.0.0.weight"].half().float())


def test_a_pickle_loads_like_the_same_safetensors(tmp_path: Path, sd1: Model):
    pickled = loaded(files.write_sd1(tmp_path / "x.ckpt"))
    old = tmp_path / "old.ckpt"
    torch.save({key: value.half() for key, value in files.sd1_tensors().items()}, old, _use_new_zipfile_serialization=False)
    x = inputs(sd1)
    assert torch.equal(pickled.predict(*x), sd1.predict(*x))
    assert torch.equal(loaded(old).predict(*x), sd1.predict(*x))


def test_openclip_and_transformers_layout_of_the_same_encoder_agree(tmp_path: Path):
    prefix = "conditioner.embedders.1.model."
    tensors = files.sdxl_tensors()
    model = loaded(files.write(tmp_path / "a.safetensors", tensors, dtype=torch.float32))
    encoder = model.text_encoders[1]
    assert torch.equal(encoder.get_parameter("text_projection.weight"), tensors[f"{prefix}text_projection"].t())
    for n, name in enumerate(("q_proj", "k_proj", "v_proj")):
        rows = tensors[f"{prefix}transformer.resblocks.1.attn.in_proj_weight"].chunk(3)[n]
        assert torch.equal(encoder.get_parameter(f"text_model.encoder.layers.1.self_attn.{name}.weight"), rows)
    assert encoder.config.hidden_act == "gelu" and model.text_encoders[0].config.hidden_act == "quick_gelu"


# --------------------------------------------------------------------------- markers


@pytest.mark.parametrize(
    ("extra", "metadata", "yaml", "prediction", "zero_snr"),
    [
        ((), {}, None, "epsilon", False),
        (("v_pred",), {}, None, "v", False),
        (("v_pred", "ztsnr"), {}, None, "v", True),
        ((), {"modelspec.prediction_type": "v"}, None, "v", False),
        ((), {"modelspec.prediction_type": "epsilon"}, 'parameterization: "v"', "epsilon", False),
        ((), {}, 'parameterization: "v"', "v", False),
        ((), {}, "zero_snr: true", "epsilon", True),
    ],
)
def test_prediction_and_zero_snr_come_from_markers_or_the_yaml(extra, metadata, yaml, prediction, zero_snr, tmp_path: Path):
    path = files.write(tmp_path / "x.safetensors", files.sd1_tensors() | {key: torch.zeros(0) for key in extra}, metadata=metadata)
    if yaml:
        path.with_suffix(".yaml").write_text(f"model:\n  params:\n    {yaml}\n")
    architecture = loaded(path).architecture
    assert (architecture.prediction, architecture.zero_snr) == (prediction, zero_snr)


@pytest.mark.parametrize(("bias", "prediction"), [(0.5, "epsilon"), (-5.0, "v")])
def test_sd2_without_a_marker_is_asked_what_it_predicts(bias: float, prediction: str, tmp_path: Path):
    tensors = files.sd2_tensors()
    tensors["model.diffusion_model.out.2.weight"].zero_()
    tensors["model.diffusion_model.out.2.bias"].fill_(bias)
    assert loaded(files.write(tmp_path / "x.safetensors", tensors)).architecture.prediction == prediction


def test_the_files_own_alphas_are_honoured(tmp_path: Path, sd1: Model):
    table = torch.linspace(0.9, 0.1, 1000)
    model = loaded(files.write(tmp_path / "x.safetensors", {**files.sd1_tensors(), "alphas_cumprod": table}))
    assert torch.equal(model.alphas_cumprod, table)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    assert torch.equal(sd1.alphas_cumprod, torch.cumprod(1 - betas, 0).float())


# --------------------------------------------------------------------------- VAE files


def test_the_chosen_vae_goes_before_the_files_own(tmp_path: Path, sd1_file: Path):
    chosen = files.write_vae(tmp_path / "sd1.vae.pt", seed=51)  # beside the checkpoint; that it belongs to it is the plan's business
    own, other = (loaded(sd1_file, path).vae.get_parameter("decoder.conv_out.bias") for path in (None, chosen))
    expected = [files.vae_tensors(seed=seed)["first_stage_model.decoder.conv_out.bias"].half().float() for seed in (1, 51)]
    assert torch.equal(own, expected[0])
    assert torch.equal(other, expected[1])


def test_a_vae_in_diffusers_layout_gives_the_same_picture(tmp_path: Path, sd1: Model, sd1_file: Path):
    state = {key: value.contiguous() for key, value in sd1.vae.state_dict().items()}
    path = files.write(tmp_path / "d.safetensors", state)
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(sd1_file, path).decode(latent), sd1.decode(latent))


# --------------------------------------------------------------------------- bad files


def _without(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    return {key: value for key, value in tensors.items() if not key.startswith(start)}


BAD: Mapping[str, tuple[dict[str, Tensor], str]] = {
    "no VAE": (_without(files.sd1_tensors(), "first_stage_model."), "contains no VAE: choose one in SD VAE"),
    "no text encoder": (_without(files.sd1_tensors(), "cond_stage_model."), "contains no text encoder"),
    "a LoRA": ({"lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": torch.zeros(4, 4)}, "is a LoRA: move it to models/Lora"),
    "a VAE": (files.vae_tensors(prefix=""), "is a VAE: move it to models/VAE"),
    "an embedding": ({"emb_params": torch.zeros(1, 4)}, "is a textual inversion: move it to the embeddings folder"),
    "another model": ({"layers.0.weight": torch.zeros(4)}, "is no Stable Diffusion checkpoint"),
    "Flux": ({"double_blocks.0.img_attn.proj.weight": torch.zeros(4)}, "is a Flux model"),
    "depth": ({**files.sd1_tensors(), "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 5, 3, 3)}, "takes 5 input channels"),
    "a gap": (_without(files.sd1_tensors(), "model.diffusion_model.middle_block.1.norm"), "lacks 2 tensors of its U-Net"),
    "a wrong shape": ({**files.sd1_tensors(), "model.diffusion_model.out.2.weight": torch.zeros(4, 8, 3, 3)}, "as 4×8×3×3 instead of 4×32×3×3"),
    "nothing": ({}, "contains no weights"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_is_refused_with_one_sentence(fault: str, tmp_path: Path):
    tensors, sentence = BAD[fault]
    with pytest.raises(WebUIError) as error:
        loaded(files.write(tmp_path / "x.safetensors", tensors))
    assert str(error.value).startswith("x.safetensors") and sentence in str(error.value)


@pytest.mark.parametrize("name", ["x.safetensors", "x.ckpt"])
def test_a_truncated_file_is_refused(name: str, tmp_path: Path):
    path = files.write_sd1(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WebUIError, match=r"x\.(safetensors|ckpt).*(cut off|damaged|truncated|incomplete)"):
        loaded(path)


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path):
    torch.save({"state_dict": {"a": torch.zeros(1)}, "bomb": Bomb(tmp_path / "mark")}, tmp_path / "x.ckpt")
    with pytest.raises(WebUIError, match=r"x\.ckpt contains code besides weights"):
        loaded(tmp_path / "x.ckpt")
    assert not (tmp_path / "mark").exists()


def test_what_the_first_checkpoints_carry_besides_weights_does_no_harm(tmp_path: Path):
    path = tmp_path / "x.ckpt"
    torch.save({"state_dict": {key: value.half() for key, value in files.sd1_tensors().items()}, "best": np.float64(0.5)}, path)
    assert loaded(path).architecture.family == "SD1"


def test_a_web_page_and_a_missing_file_are_told_apart(tmp_path: Path):
    (tmp_path / "x.ckpt").write_text("<!doctype html>")
    with pytest.raises(WebUIError, match="is no PyTorch file"):
        loaded(tmp_path / "x.ckpt")
    with pytest.raises(WebUIError, match="is not there any more"):
        loaded(tmp_path / "y.safetensors")

"""A model's calls, its options as a state function, and its weights as they were loaded."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.checkpoints.cast import copy_into
from backend.checkpoints.loader import load
from backend.checkpoints.model import Model
from backend.errors import WebUIError
from tests import checkpoint_files as files
from tests.backend.checkpoints.conftest import CPU, OPTIONS, inputs


def rolled(x: Tensor) -> Tensor:
    """By whole cells of the lowest resolution, which the network cannot tell from no shift at all if the picture has no edge."""
    return x.roll((8, 8), dims=(2, 3))


@pytest.mark.parametrize("write", [files.write_sd1, files.write_sd2_v])
def test_predict_equals_diffusers_forward(write, tmp_path: Path):
    model = load(write(tmp_path / "x.safetensors"), None, CPU, OPTIONS)
    x, t, cross, _ = inputs(model, size=16)
    with torch.inference_mode():
        torch.testing.assert_close(model.predict(x, t, cross), model.unet(x, t, cross).sample, rtol=0, atol=2e-5)


def test_predict_writes_to_none_of_its_arguments(sd1: Model):
    given = inputs(sd1)
    before = [value.clone() for value in given if value is not None]
    sd1.predict(*given)
    assert all(torch.equal(a, b) for a, b in zip(before, given, strict=False))


def test_fractional_timesteps_matter(sd1: Model):
    x, t, cross, _ = inputs(sd1)
    assert not torch.equal(sd1.predict(x, t, cross), sd1.predict(x, t + 0.3, cross))


@pytest.mark.parametrize("size", [(9, 13), (12, 8), (5, 5)])
def test_sizes_that_do_not_halve_evenly_are_drawn(size: tuple[int, int], sd1: Model):
    _, t, cross, _ = inputs(sd1)
    x = torch.randn(2, 4, *size, generator=torch.Generator().manual_seed(1))
    assert sd1.predict(x, t, cross).shape == x.shape


def test_a_picture_does_not_depend_on_its_place_in_the_batch(sd1: Model):
    x, t, cross, _ = inputs(sd1)
    both = sd1.predict(x, t, cross)
    torch.testing.assert_close(sd1.predict(x[1:], t[1:], cross[1:]), both[1:], rtol=0, atol=1e-5)


def test_decode_equals_diffusers_decode(sd1: Model):
    latent = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(sd1.decode(latent), sd1.vae.decode(latent / 0.18215).sample, rtol=0, atol=1e-5)


def test_encode_gives_the_posteriors_mean_or_a_draw(sd1: Model):
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    mean = sd1.encode(pixels)
    assert mean.shape == (1, 4, 8, 8)
    drawn = sd1.encode(pixels, noise=torch.ones(1, 4, 8, 8))
    assert 0 < (drawn - mean).abs().max() < 0.1


# --------------------------------------------------------------------------- options


def test_tiling_makes_pictures_seamless_and_off_is_off(sd1: Model):
    x, t, cross, _ = inputs(sd1, size=16)
    before = sd1.predict(x, t, cross)
    sd1.set_options(replace(OPTIONS, tiling=True))
    torch.testing.assert_close(rolled(sd1.predict(x, t, cross)), sd1.predict(rolled(x), t, cross), rtol=0, atol=1e-4)
    assert (sd1.predict(x, t, cross) - before).abs().max() > 0.1
    sd1.set_options(OPTIONS)
    assert torch.equal(sd1.predict(x, t, cross), before)


def test_a_new_vae_is_tiled_like_the_rest(sd1: Model, tmp_path: Path):
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    sd1.set_options(replace(OPTIONS, tiling=True))
    seamless = sd1.decode(latent)
    sd1.set_options(OPTIONS)
    assert not torch.equal(seamless, sd1.decode(latent))


def test_token_merging_changes_a_little_and_off_is_off(sd1: Model):
    given = inputs(sd1, size=16)
    before = sd1.predict(*given)
    sd1.set_options(replace(OPTIONS, token_merging_ratio=0.5))
    difference = (sd1.predict(*given) - before).abs().mean()
    assert 0 < difference < before.abs().mean()
    sd1.set_options(OPTIONS)
    assert torch.equal(sd1.predict(*given), before)


def test_upcast_attention_changes_nothing_in_float32_and_little_in_bfloat16(sd1: Model, sd1_file: Path):
    given = inputs(sd1)
    exact = sd1.predict(*given)
    sd1.set_options(replace(OPTIONS, upcast_attention=True))
    assert torch.equal(sd1.predict(*given), exact)
    half = load(sd1_file, None, replace(CPU, unet_dtype=torch.bfloat16, channels_last=True), OPTIONS)
    plain = half.predict(*given)
    half.set_options(replace(OPTIONS, upcast_attention=True))
    upcast = half.predict(*given)
    assert plain.dtype == torch.float32 and plain.is_contiguous() and not torch.equal(plain, upcast)
    assert (upcast - exact).abs().mean() < 0.05


def test_vae_tiling_decodes_big_latents_in_tiles(sd1: Model):
    latent = torch.randn(1, 4, 72, 72, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = sd1.decode(latent)
        sd1.set_options(replace(OPTIONS, vae_tiling=True))
        tiled = sd1.decode(latent)
        assert torch.equal(sd1.decode(latent[..., :64, :64]), _untiled(sd1, latent[..., :64, :64]))  # one tile is no tiling
    assert tiled.shape == whole.shape and not torch.equal(tiled, whole)


def _untiled(model: Model, latent: Tensor) -> Tensor:
    model.set_options(OPTIONS)
    return model.decode(latent)


# --------------------------------------------------------------------------- NaN


def overflowing(tmp_path: Path) -> Path:
    """A VAE whose activations do not fit into float16."""
    tensors = files.sd1_tensors()
    tensors["first_stage_model.decoder.conv_in.weight"] *= 3e4
    tensors["first_stage_model.decoder.conv_in.bias"].fill_(6e4)
    return files.write(tmp_path / "nan.safetensors", tensors, dtype=torch.float32)


def test_nan_in_half_precision_is_decoded_again_in_float32(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = overflowing(tmp_path)
    latent = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    exact = load(path, None, CPU, OPTIONS).decode(latent)
    half = load(path, None, replace(CPU, vae_dtype=torch.float16), OPTIONS)
    picture = half.decode(latent)
    assert picture.isfinite().all() and (picture - exact).abs().max() < 0.2
    assert "NaN" in caplog.text and "float32" in caplog.text


def test_without_the_retry_nan_is_an_error(tmp_path: Path):
    half = load(overflowing(tmp_path), None, replace(CPU, vae_dtype=torch.float16), replace(OPTIONS, vae_retry_float32=False))
    with pytest.raises(WebUIError, match="--no-half-vae"):
        half.decode(torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1)))


def test_a_latent_that_is_not_a_number_is_an_error(sd1: Model):
    with pytest.raises(WebUIError, match="Upcast cross attention"):
        sd1.decode(torch.full((1, 4, 8, 8), float("nan")))


# --------------------------------------------------------------------------- weights


def parameters(model: Model) -> dict[str, Tensor]:
    return {f"{component}.{name}": parameter for component, modules in model.named_modules().items() for name, parameter in modules[""].named_parameters()}


def restore(model: Model, name: str) -> None:
    copy_into(parameters(model)[name], model.as_loaded(name))


@pytest.mark.parametrize("name", ["x.safetensors", "x.ckpt"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_weight_can_be_made_what_it_was(name: str, dtype: torch.dtype, tmp_path: Path):
    model = load(files.write_sdxl(tmp_path / name), None, replace(CPU, unet_dtype=dtype, channels_last=dtype != torch.float32), OPTIONS)
    for key, parameter in parameters(model).items():
        loaded, place = parameter.clone(), parameter.data_ptr()
        restore(model, key)  # before the first write, as the patcher does
        assert torch.equal(parameter, loaded)
        parameter.add_(1)
        restore(model, key)
        assert parameter.data_ptr() == place and torch.equal(parameter, loaded)


def test_weights_are_private_also_where_the_file_has_their_precision(tmp_path: Path):
    path = files.write_sd1(tmp_path / "x.safetensors", dtype=torch.float32)
    before = path.read_bytes()
    first, second = load(path, None, CPU, OPTIONS), load(path, None, CPU, OPTIONS)
    for parameter in first.unet.parameters():
        parameter.zero_()
    assert path.read_bytes() == before
    restore(first, "unet.conv_in.weight")
    assert torch.equal(first.unet.get_parameter("conv_in.weight"), second.unet.get_parameter("conv_in.weight"))


def test_an_old_pickle_keeps_a_copy_from_the_first_touch(tmp_path: Path):
    path = tmp_path / "old.ckpt"
    torch.save({key: value.half() for key, value in files.sd1_tensors().items()}, path, _use_new_zipfile_serialization=False)
    model = load(path, None, CPU, OPTIONS)
    weight = model.unet.get_parameter("conv_in.weight")
    loaded = weight.clone()
    restore(model, "unet.conv_in.weight")
    weight.zero_()
    restore(model, "unet.conv_in.weight")
    assert torch.equal(weight, loaded)


def test_a_file_that_was_overwritten_gives_no_pristine_weight(sd1: Model, sd1_file: Path):
    os.utime(sd1_file, ns=(1, 1))
    with pytest.raises(WebUIError, match="was overwritten while it was loaded"):
        restore(sd1, "unet.conv_in.weight")


def test_a_file_that_was_replaced_or_deleted_still_gives_the_weights_that_were_loaded(sd1: Model, sd1_file: Path, tmp_path: Path):
    weight = sd1.unet.get_parameter("conv_in.weight")
    loaded = weight.clone()
    for change in (lambda: os.replace(files.write_sd1(tmp_path / "new.safetensors", seed=9), sd1_file), sd1_file.unlink):
        change()
        weight.zero_()
        restore(sd1, "unet.conv_in.weight")
        assert torch.equal(weight, loaded)


def test_a_model_loaded_in_inference_mode_can_be_patched_outside_it(sd1_file: Path):
    with torch.inference_mode():
        model = load(sd1_file, None, CPU, OPTIONS)
    model.unet.get_parameter("conv_in.weight").add_(1)


def test_closing_gives_the_memory_back_though_somebody_holds_the_model(sd1: Model):
    sd1.close()
    assert sum(parameter.numel() for parameter in (*sd1.unet.parameters(), *sd1.vae.parameters())) == 0

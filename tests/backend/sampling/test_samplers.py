import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from backend.errors import Interrupted, WebUIError
from backend.sampling.ddim import get_timesteps
from backend.sampling.names import SAMPLERS
from backend.sampling.samplers import calls_total
from tests.backend.sampling.toy import STD, ToyArchitecture, ToyConditioning, ToyModel, draw, options

LABELS = [info.label for info in SAMPLERS]
GOLDEN = json.loads((Path(__file__).parent / "golden_latents.json").read_text())  # written when all golden pictures of A1111 agreed


@pytest.mark.parametrize("case", GOLDEN)
def test_latents_are_as_they_were_when_they_equalled_a1111s(case: str):
    sampler, _, changes = case.partition(" | ")
    latent = draw(options(sampler, **json.loads(changes or "{}")), seeds=(1, 2), size=2)
    assert latent[:, :, 0, 0].flatten().tolist() == pytest.approx(GOLDEN[case], abs=2e-4)


@pytest.mark.parametrize("sampler", LABELS)
def test_known_pictures_are_drawn(sampler: str):
    latent = draw(options(sampler, steps=24, cfg_scale=1.0), seeds=(5,), size=48)
    expected_std = {"LCM": 0.45}.get(sampler, STD)  # LCM ends with a mean over what the picture could be
    if sampler != "DDIM CFG++":  # there guidance 1 is not 1
        assert latent.mean().item() == pytest.approx(0.3, abs=0.08)
    assert latent.std().item() == pytest.approx(expected_std, abs=0.2)


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "LMS", "Heun", "DPM2", "Restart", "DPM fast", "DPM adaptive"])
def test_without_noise_the_exact_path_is_followed(sampler: str):
    """Gaussian data: x − mean shrinks by √(std² + sigma²), whatever the sampler."""
    first = draw(options(sampler, steps=18, cfg_scale=1.0, eta=0.0, scheduler="Karras"), seeds=(5,), size=8)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    exact = 0.3 + (noise * 14.614642 - 0.3) * STD / (STD**2 + 14.614642**2) ** 0.5
    assert (first - exact).abs().max() < 0.1


@pytest.mark.parametrize("sampler", [label for label in LABELS if label != "DPM adaptive"])
def test_same_seed_same_picture_in_any_batch_position(sampler: str):
    asked = options(sampler, steps=4)
    cond, uncond = ToyConditioning(0.5, 0.3), ToyConditioning(0.0, -0.1)
    batch = draw(asked, seeds=(8, 9), cond=cond, uncond=uncond)
    alone = draw(asked, seeds=(9,), cond=ToyConditioning(0.3), uncond=ToyConditioning(-0.1))
    assert torch.allclose(batch[1], alone[0], atol=1e-4)
    assert not torch.allclose(batch[0], alone[0], atol=0.1)


@pytest.mark.parametrize("sampler", LABELS)
def test_steps_are_told_one_after_another_and_end_at_their_number(sampler: str):
    told: list[tuple[int, int]] = []
    latent = draw(options(sampler), on_step=lambda step, steps, denoised: told.append((step, steps)))
    assert all(earlier <= later for (earlier, _), (later, _) in pairwise(told)) and told[0][0] == 1
    assert told[-1][0] == told[-1][1] and torch.isfinite(latent).all()


@pytest.mark.parametrize("sampler", LABELS)
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_few_steps_give_a_finite_latent(sampler: str, steps: int):
    assert torch.isfinite(draw(options(sampler, steps=steps))).all()


@pytest.mark.parametrize("sampler", LABELS)
def test_interrupt_comes_within_one_call_and_carries_the_last_picture(sampler: str):
    model, seen = ToyModel(), []
    with pytest.raises(Interrupted) as stop:
        draw(options(sampler), model=model, on_step=lambda step, steps, denoised: seen.append(denoised), cancel=lambda: len(model.asked) >= 3)
    assert len(model.asked) == 3
    assert stop.value.denoised is seen[-1]


def test_interrupt_before_the_first_call_carries_nothing():
    with pytest.raises(Interrupted) as stop:
        draw(options(), cancel=lambda: True)
    assert stop.value.denoised is None


@pytest.mark.parametrize(("sampler", "calls"), [("Euler", 8), ("Heun", 15), ("DPM++ SDE", 15), ("DPM fast", 8), ("DDIM", 7), ("PLMS", 8), ("UniPC", 8)])
def test_number_of_unet_calls(sampler: str, calls: int):
    model = ToyModel()
    draw(options(sampler), model=model)
    assert len(model.asked) == calls


@pytest.mark.parametrize(("sampler", "total"), [("Euler", 8), ("Heun", 16), ("Restart", 16), ("DPM++ 2M SDE", 8)])
def test_prompt_editing_counts_calls_of_second_order_samplers_twice(sampler: str, total: int):
    assert calls_total(options(sampler)) == total


@pytest.mark.parametrize(("steps", "entries"), [(8, 8), (20, 20), (30, 31), (1, 1), (2000, 1000)])
def test_ddim_timesteps_have_a_whole_stride(steps: int, entries: int):
    timesteps = get_timesteps(options("DDIM", steps=steps))
    assert len(timesteps) == entries and timesteps[0] == 1 and max(timesteps) <= 999


@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M", "DDIM", "UniPC", "LCM"])
def test_v_models_draw_the_same_picture(sampler: str):
    v_model = ToyModel(ToyArchitecture(prediction="v"))
    assert torch.allclose(draw(options(sampler), model=v_model), draw(options(sampler)), atol=0.02)


def test_zero_terminal_snr_comes_from_the_option_or_the_model():
    by_option, by_model, plain = ToyModel(), ToyModel(ToyArchitecture(zero_snr=True)), ToyModel()
    option = draw(options(zero_terminal_snr=True), model=by_option)
    assert torch.equal(option, draw(options(), model=by_model))
    draw(options(), model=plain)
    assert by_option.asked[0][0].std() == pytest.approx(plain.asked[0][0].std().item(), rel=0.01)  # scaled to 1 before the U-Net
    assert not torch.allclose(option, draw(options()), atol=1e-3)


def test_sgm_noise_multiplier_starts_with_a_little_more_noise():
    model, plain = ToyModel(), ToyModel()
    draw(options(sgm_noise_multiplier=True), model=model), draw(options(), model=plain)
    ratio = model.asked[0][0] / plain.asked[0][0]
    assert torch.allclose(ratio, torch.tensor((1 + 14.614642**2) ** 0.5 / 14.614642), atol=1e-6)


def test_timesteps_are_fractional_unless_quantized():
    model, quantized = ToyModel(), ToyModel()
    draw(options("DPM++ 2M"), model=model), draw(options("DPM++ 2M", quantize_timesteps=True), model=quantized)
    assert any(t[0] % 1 for _, t, _ in model.asked) and not any(t[0] % 1 for _, t, _ in quantized.asked)


def test_one_brownian_path_for_the_batch_depends_on_the_last_seed_alone():
    asked = options("DPM++ SDE", brownian_per_image=False)
    assert torch.equal(draw(asked, seeds=(1, 2)), draw(asked, seeds=(1, 2)))
    assert not torch.equal(draw(asked, seeds=(1, 2))[0], draw(options("DPM++ SDE"), seeds=(1, 2))[0])


def test_unknown_sampler_is_named_with_the_known_ones():
    with pytest.raises(WebUIError, match=r"'NoSuch'.*Euler a"):
        draw(replace(options(), sampler="NoSuch"))

import pytest
import torch

from backend.sampling.names import SAMPLERS
from backend.sampling.start import Start
from tests.backend.sampling.toy import ToyModel, draw, options

LABELS = [info.label for info in SAMPLERS]
PICTURE = torch.linspace(-2, 2, 64).reshape(1, 4, 4, 4)


@pytest.mark.parametrize(
    ("strength", "fixed", "total", "t_enc"), [(0.75, False, 20, 15), (1.0, False, 20, 19), (0.0, False, 20, 0), (0.5, True, 40, 19), (0.0, True, 0, 19)]
)
def test_steps_are_counted_as_a1111_counts_them(strength: float, fixed: bool, total: int, t_enc: int):
    start = Start(latent=PICTURE, denoising_strength=strength, fixed_steps=fixed)
    assert (start.total_steps(20), start.t_enc(20)) == (total, t_enc)


@pytest.mark.parametrize("sampler", LABELS)
def test_the_less_denoising_the_nearer_to_the_picture(sampler: str):
    picture = PICTURE.expand(1, 4, 4, 4) * 0.4
    far, near = ((draw(options(sampler, steps=20), start=Start(latent=picture, denoising_strength=d)) - picture).abs().mean() for d in (0.9, 0.15))
    assert near < 0.6 * far


@pytest.mark.parametrize("sampler", LABELS)
def test_what_the_mask_keeps_stays_to_the_bit_and_the_rest_is_drawn(sampler: str):
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 2:] = 1
    latent = draw(options(sampler, steps=10), seeds=(1, 2), start=Start(latent=PICTURE.expand(2, -1, -1, -1), denoising_strength=0.8, mask=mask))
    assert torch.equal(latent[..., :2], PICTURE[..., :2].expand(2, -1, -1, -1))
    assert (latent[..., 2:] - PICTURE[..., 2:]).abs().mean() > 0.1


@pytest.mark.parametrize("sampler", LABELS)
def test_no_denoising_in_fixed_steps_is_the_picture_itself(sampler: str):
    assert torch.equal(draw(options(sampler), start=Start(latent=PICTURE, denoising_strength=0.0, fixed_steps=True)), PICTURE)


@pytest.mark.parametrize("sampler", LABELS)
@pytest.mark.parametrize("strength", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("steps", [1, 2])
def test_the_ends_of_strength_and_steps_give_a_finite_latent(sampler: str, strength: float, steps: int):
    assert torch.isfinite(draw(options(sampler, steps=steps), start=Start(latent=PICTURE, denoising_strength=strength))).all()


def test_fixed_steps_walk_as_many_steps_as_asked():
    told: list[tuple[int, int]] = []
    start = Start(latent=PICTURE, denoising_strength=0.4, fixed_steps=True)
    draw(options("Euler", steps=6), start=start, on_step=lambda step, steps, denoised: told.append((step, steps)))
    assert told == [(i, 6) for i in range(1, 7)]


@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_noise_may_be_multiplied_and_added_to(sampler: str):
    first = {}
    for name, more in {"plain": {}, "doubled": {"noise_multiplier": 2.0}, "extra": {"extra_noise": 0.5}}.items():
        model = ToyModel()
        draw(options(sampler), model=model, start=Start(latent=torch.zeros(1, 4, 4, 4), denoising_strength=0.5, **more))
        first[name] = model.asked[0][0][:1]
    assert torch.allclose(first["doubled"], 2 * first["plain"], atol=1e-5)
    assert first["extra"].std() > first["plain"].std() * 1.05
    ratio = first["extra"] / first["plain"]
    assert torch.allclose(ratio, ratio[0, 0, 0, 0].expand_as(ratio), atol=1e-3)

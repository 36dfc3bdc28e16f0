import pytest
import torch

from backend.request import SoftInpaint
from backend.sampling.names import SAMPLERS, SamplerInfo
from backend.sampling.soft_inpainting import blend, covered
from backend.sampling.start import Start
from tests.backend.sampling.toy import draw, options

PICTURE = torch.linspace(-2, 2, 64).reshape(1, 4, 4, 4)
GRAY = torch.tensor([0.0, 0.25, 0.75, 1.0]).reshape(1, 1, 1, 4)


def lengths(latent: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(latent, dim=1)


def test_what_is_covered_whole_or_not_at_all_stays_so_and_the_rest_is_drawn_more_as_the_noise_goes():
    early, late = (covered(GRAY, level, SoftInpaint()) for level in (10.0, 0.1))
    assert early[..., [0, 3]].tolist() == late[..., [0, 3]].tolist() == [[[[0.0, 1.0]]]]
    assert (early[..., 1:3] < 0.25).all() and (late[..., 1:3] > 0.9).all()
    assert torch.equal(covered(GRAY, 10.0, SoftInpaint(schedule_bias=0)), covered(GRAY, 0.1, SoftInpaint(schedule_bias=0)))


@pytest.mark.parametrize("boost", [1, 4, 32])
def test_a_mix_is_as_long_as_what_it_was_made_of(boost: float):
    drawn = PICTURE.flip(1)
    half = torch.full((1, 1, 4, 4), 0.5)
    mixed, plain = blend(PICTURE, drawn, half, boost), (PICTURE + drawn) / 2
    assert (lengths(plain) < 0.9 * lengths(PICTURE)).any()
    wanted = ((lengths(PICTURE).double() ** boost + lengths(drawn).double() ** boost) / 2) ** (1 / boost)
    assert torch.allclose(lengths(mixed).double(), wanted, rtol=1e-3)
    assert torch.allclose(torch.nn.functional.normalize(mixed, dim=1), torch.nn.functional.normalize(plain, dim=1), atol=1e-4)


def test_the_ends_of_a_mix_are_the_two_latents():
    drawn = PICTURE.flip(1)
    assert torch.allclose(blend(PICTURE, drawn, torch.zeros(1, 1, 4, 4), 4), PICTURE, atol=1e-4)
    assert torch.allclose(blend(PICTURE, drawn, torch.ones(1, 1, 4, 4), 4), drawn, atol=1e-4)


@pytest.mark.parametrize("info", SAMPLERS, ids=lambda info: info.label)
def test_every_sampler_changes_the_more_the_whiter_the_mask(info: SamplerInfo):
    start = Start(latent=PICTURE, denoising_strength=0.8, mask=GRAY.expand(1, 1, 4, 4), soft=SoftInpaint(preservation_strength=2))
    latent = draw(options(info.label, steps=10), start=start)
    change = (latent - PICTURE).abs().mean(dim=(0, 1, 2))
    assert change.isfinite().all()
    if not info.timesteps:  # those blend before each call and, as in A1111, not after the last: the finished picture's mask has to do it
        assert change[0] < change[3] and change[1] < change[3]

"""TCD beside diffusers' scheduler of that name, with one model and one noise."""

import pytest
import torch
from diffusers.schedulers.scheduling_tcd import TCDScheduler
from torch import Tensor

from backend.job import SamplingOptions
from backend.sampling.added_sampler import AddedWalk
from backend.sampling.schedulers import Spacing
from backend.sampling.sigma_table import SigmaTable
from extensions.acceleration_samplers.engine import distilled, linear_quadratic, tcd

SHAPE = (2, 4, 3, 3)


def reference() -> TCDScheduler:
    return TCDScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


TABLE = SigmaTable(reference().alphas_cumprod)


def spacing(n: int) -> Spacing:
    return Spacing(n=n, low=TABLE.low, high=TABLE.high, table=TABLE)


def picture_in(x: Tensor, sigma: Tensor | float) -> Tensor:
    """Of a model that knows pictures of N(0.3, 0.8²) alone; x has the noise sigma on top."""
    return 0.3 + 0.8**2 / (0.8**2 + sigma**2) * (x - 0.3)


def noises() -> list[Tensor]:
    random = torch.Generator().manual_seed(3)
    return [torch.randn(SHAPE, generator=random) for _ in range(20)]


def theirs(steps: int, gamma: float) -> Tensor:
    """The finished latent, without the factor that it has in their scale."""
    scheduler, fresh = reference(), torch.Generator().manual_seed(11)
    scheduler.set_timesteps(steps)
    x, alphas = noises()[0], scheduler.alphas_cumprod
    for t in scheduler.timesteps:
        sigma = ((1 - alphas[t]) / alphas[t]) ** 0.5
        noisy = x / alphas[t] ** 0.5
        x = scheduler.step((noisy - picture_in(noisy, sigma)) / sigma, t, x, eta=gamma, generator=fresh, return_dict=False)[0]
    return x / alphas[0] ** 0.5


def ours(steps: int, gamma: float, told: list[int] | None = None) -> Tensor:
    fresh = torch.Generator().manual_seed(11)
    walk = AddedWalk(
        options=SamplingOptions(),
        noise=lambda: torch.randn(SHAPE, generator=fresh),
        brownian=lambda sigma, sigma_next: pytest.fail("TCD is not Brownian"),
        step=lambda step, steps, denoised: (told if told is not None else []).append(step),
        table=TABLE,
        settings={"tcd_gamma": gamma},
        seeds=(1, 2),
    )
    sigmas = distilled(steps, TABLE.low, TABLE.high, spacing(steps))
    sigmas[-1] = TABLE.sigmas[0]  # where theirs ends; the program's walk ends at 0
    return tcd(picture_in, noises()[0] * (1 + sigmas[0] ** 2) ** 0.5, sigmas, walk)


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 8])
@pytest.mark.parametrize("gamma", [0.3, 0.5, 1.0])
def test_tcd_is_that_of_diffusers(steps: int, gamma: float):
    assert (ours(steps, gamma) - theirs(steps, gamma)).abs().max() < 2e-4


@pytest.mark.parametrize("steps", [2, 8])
def test_without_gamma_it_is_that_of_diffusers_too(steps: int):
    assert (ours(steps, 0.0) - theirs(steps, 0.0)).abs().max() < 2e-4


def test_each_step_is_told_and_the_end_without_noise_is_the_picture():
    told: list[int] = []
    assert (ours(4, 0.3) != ours(4, 0.9)).any()
    ours(4, 0.3, told)
    assert told == [0, 1, 2, 3]


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 6, 8, 25, 50])
def test_the_schedule_of_tcd_walks_the_timesteps_of_diffusers(steps: int):
    scheduler = reference()
    scheduler.set_timesteps(steps)
    sigmas = distilled(steps, TABLE.low, TABLE.high, spacing(steps))
    assert torch.allclose(sigmas[:-1], TABLE.sigma(scheduler.timesteps)) and sigmas[-1] == 0


@pytest.mark.parametrize("schedule", [distilled, linear_quadratic])
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 20, 51, 150])
def test_schedules_fall_from_the_highest_noise_to_none(schedule, steps: int):
    sigmas = schedule(steps, TABLE.low, TABLE.high, spacing(steps))
    assert sigmas.shape == (steps + 1,) and sigmas.dtype == torch.float32
    assert sigmas[0] == pytest.approx(TABLE.high) and sigmas[-1] == 0 and (sigmas[1:] < sigmas[:-1]).all()


def test_linear_quadratic_goes_evenly_and_then_in_a_parabola():
    way = 1 - linear_quadratic(8, 0.0, 1.0, spacing(8)).double()
    assert way[:5].tolist() == pytest.approx([0, 0.00625, 0.0125, 0.01875, 0.025], abs=1e-6)
    rise = way.diff()[4:].diff()
    assert rise.tolist() == pytest.approx([rise[0].item()] * 3, abs=1e-6) and rise[0] > 0

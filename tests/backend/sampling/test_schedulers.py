from dataclasses import replace

import pytest
import torch

from backend.errors import WebUIError
from backend.sampling.names import BUILT_IN, SCHEDULERS
from backend.sampling.schedulers import SCHEDULES, get_sigmas
from backend.sampling.sigma_table import SigmaTable
from tests.backend.sampling.toy import options, sd_alphas

TABLE = SigmaTable(sd_alphas())
GOLDEN = {  # of Euler, when its golden pictures equalled those of A1111
    "Uniform": [14.61464, 4.086081, 1.61558, 0.6951496, 0.02916754, 0.0],
    "Karras": [14.61464, 4.796544, 1.274105, 0.2479517, 0.02916754, 0.0],
    "Exponential": [14.61464, 3.088987, 0.652896, 0.1379977, 0.02916754, 0.0],
    "Polyexponential": [14.61464, 3.088988, 0.652896, 0.1379977, 0.02916754, 0.0],
    "SGM Uniform": [14.61464, 5.092408, 2.279731, 1.162865, 0.5711889, 0.0],
    "KL Optimal": [14.61463, 2.632888, 1.294768, 0.7116271, 0.3356377, 0.02916753],
    "Align Your Steps": [14.615, 3.226936, 1.396, 0.5100471, 0.029, 0.0],
    "Simple": [14.61464, 5.087763, 2.276463, 1.160578, 0.5692849, 0.0],
    "Normal": [14.61464, 4.086081, 1.61558, 0.6951496, 0.02916754, 0.0],
    "DDIM": [5.134431, 2.292854, 1.168216, 0.5740503, 0.04131448, 0.0],
    "Beta": [14.61464, 12.05226, 7.321905, 2.591549, 0.02916753, 0.0],
    "Turbo": [14.61464, 5.087763, 2.276463, 1.160578, 0.5692849, 0.0],
}


def sigmas(scheduler: str, steps: int, sampler: str = "Euler", sdxl: bool = False, **changes: object) -> torch.Tensor:
    info = BUILT_IN.find_sampler(sampler)
    assert info is not None
    return get_sigmas(replace(options(sampler), scheduler=scheduler, steps=steps, **changes), info, TABLE, sdxl=sdxl)


def test_every_schedule_on_the_page_is_there():
    assert list(SCHEDULES) == [info.label for info in SCHEDULERS if info.label != "Automatic"]


@pytest.mark.parametrize(("scheduler", "expected"), GOLDEN.items())
def test_five_steps(scheduler: str, expected: list[float]):
    assert sigmas(scheduler, 5).tolist() == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("scheduler", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 20, 150])
def test_sigmas_fall_and_end_with_0(scheduler: str, steps: int):
    found = sigmas(scheduler, steps)
    assert found.dtype == torch.float32 and torch.isfinite(found).all()
    assert (found[:-1] > found[1:]).all()
    assert found[-1] == 0 or scheduler == "KL Optimal"
    assert len(found) == steps + 1 or scheduler == "DDIM"


def test_ddim_schedule_may_have_more_steps_than_asked():
    assert len(sigmas("DDIM", 30)) == 32


def test_kl_optimal_ends_at_the_lowest_sigma():
    assert sigmas("KL Optimal", 10)[-1].item() == pytest.approx(TABLE.low, rel=1e-4)


def test_align_your_steps_has_its_published_sigmas_at_11_and_another_table_for_sdxl():
    assert sigmas("Align Your Steps", 11)[1:3].tolist() == pytest.approx([6.475, 3.861])
    assert sigmas("Align Your Steps", 11, sdxl=True)[1:3].tolist() == pytest.approx([6.315, 3.771])


def test_samplers_that_discard_lose_the_next_to_last_of_one_step_more():
    full = sigmas("Karras", 9)
    for found in (sigmas("Karras", 8, sampler="DPM2"), sigmas("Karras", 8, discard_next_to_last_sigma=True)):
        assert torch.equal(found, torch.cat([full[:8], full[-1:]]))


def test_range_and_rho_are_obeyed():
    assert sigmas("Karras", 5, sigma_min=0.1, sigma_max=10.0)[[0, 4]].tolist() == pytest.approx([10, 0.1])
    assert torch.equal(sigmas("Karras", 5, old_karras_sigmas=True), sigmas("Karras", 5, sigma_min=0.1, sigma_max=10.0))
    assert torch.equal(sigmas("Karras", 5, rho=7.0), sigmas("Karras", 5)) and not torch.equal(sigmas("Karras", 5, rho=5.0), sigmas("Karras", 5))
    assert torch.equal(sigmas("Uniform", 5, sigma_max=10.0), sigmas("Uniform", 5))


def test_unknown_schedule_is_named_with_the_known_ones():
    with pytest.raises(WebUIError, match=r"'NoSuch'.*Karras"):
        sigmas("NoSuch", 5)

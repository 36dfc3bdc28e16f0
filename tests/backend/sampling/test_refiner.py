"""The refiner: when it takes over, and that from then on everything is asked of it."""

import pytest
import torch

from backend.sampling.guidance import Refiner, Told
from tests.backend.sampling.toy import ToyArchitecture, ToyConditioning, ToyModel, draw, options


def drawn(sampler: str, at: float, *, by_steps: bool = False, refiner_prediction: str = "epsilon", **changes: object) -> tuple[torch.Tensor, int, int]:
    """The latent, and how often base and refiner were asked."""
    base, other = ToyModel(), ToyModel(ToyArchitecture(prediction=refiner_prediction))
    told = Told(other, ToyConditioning(0.9), ToyConditioning(-0.2))
    latent = draw(options(sampler, **changes), model=base, refiner=Refiner(at, by_steps, lambda: told))
    return latent, len(base.asked), len(other.asked)


@pytest.mark.parametrize(("sampler", "base", "refiner"), [("Euler", 4, 4), ("DDIM", 4, 3), ("Heun", 7, 8), ("DPM++ 2M", 4, 4)])
def test_it_takes_over_where_half_of_the_timesteps_are_gone(sampler: str, base: int, refiner: int):
    """Uniform: 999, 856, 714, 571, 428 …; Heun looks at each of them twice but the first."""
    assert drawn(sampler, 0.5)[1:] == (base, refiner)


def test_by_steps_it_takes_over_at_a_share_of_the_calls():
    assert drawn("Euler", 0.5, by_steps=True)[1:] == (4, 4)
    assert drawn("DPM++ 2M", 0.25, by_steps=True)[1:] == (2, 6)


def test_never_and_at_once():
    assert drawn("Euler", 1.0)[1:] == (8, 0)
    assert drawn("Euler", 0.0)[1:] == (0, 8)


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "LCM", "UniPC"])
def test_from_then_on_its_prompts_count(sampler: str):
    alone = draw(options(sampler), cond=ToyConditioning(0.9), uncond=ToyConditioning(-0.2))
    assert torch.equal(drawn(sampler, 0.0)[0], alone)


@pytest.mark.parametrize("sampler", ["Euler", "DDIM"])
def test_what_a_refiner_predicts_is_read_in_its_own_way(sampler: str):
    same, v = drawn(sampler, 0.5)[0], drawn(sampler, 0.5, refiner_prediction="v")[0]
    assert torch.allclose(same, v, atol=1e-3)

"""Samplers and schedule types of extensions at work, on the toy model. Their functions stand in this file."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.errors import EngineFailed, Interrupted
from backend.job import SamplingOptions
from backend.sampling.added_sampler import AddedWalk
from backend.sampling.names import SamplerInfo, SchedulerInfo
from backend.sampling.schedulers import Spacing
from tests.backend.sampling.toy import ToyModel, draw, options


def like_k_diffusion(model, x: Tensor, sigmas: Tensor, walk: AddedWalk) -> Tensor:
    """Euler a in the manner of k-diffusion: a sigma for each picture."""
    each = x.new_ones([x.shape[0]])
    for i in range(len(sigmas) - 1):
        denoised = model(x, sigmas[i] * each, **{"any": "extra argument"})
        walk.step(i, len(sigmas) - 1, denoised)
        up = min(sigmas[i + 1], walk.options.eta * (sigmas[i + 1] ** 2 * (sigmas[i] ** 2 - sigmas[i + 1] ** 2) / sigmas[i] ** 2) ** 0.5)
        down = (sigmas[i + 1] ** 2 - up**2) ** 0.5
        x = x + (x - denoised) / sigmas[i] * (down - sigmas[i])
        if sigmas[i + 1] > 0:
            x = x + walk.noise() * up
    return x


def raises(model, x, sigmas, walk):
    raise RuntimeError("not today")


def gives_nan(model, x, sigmas, walk):
    return model(x, sigmas[0]) * float("nan")


def gives_another_shape(model, x, sigmas, walk):
    return model(x, 3.0)[:, :2]


def asks_another_shape(model, x, sigmas, walk):
    return model(x[:, :2], 3.0)


def asks_nowhere(model, x, sigmas, walk):
    return model(x, float("nan"))


def plain(model, x, sigmas, walk):
    return model(x, sigmas[0])


def swallows(model, x, sigmas, walk):
    try:
        return model(x, sigmas[0])
    except Exception:
        return x


def halves(n: int, sigma_min: float, sigma_max: float, facts: Spacing) -> list[float]:
    return [*(facts.settings["from"] / 2**i for i in range(n)), 0.0]


def gives_too_few(n, sigma_min, sigma_max, facts):
    return [sigma_max, 0.0]


def rises(n, sigma_min, sigma_max, facts):
    return torch.linspace(0, 1, n + 1)


def with_sampler(name: str, **changes: object) -> SamplingOptions:
    info = SamplerInfo(label="Mine", aliases=(), target=f"{__name__}:{name}", extension="strange")
    return replace(options("Euler a"), sampler="Mine", added_sampler=info, **changes)


def with_scheduler(name: str) -> SamplingOptions:
    info = SchedulerInfo(name="mine", label="Mine", target=f"{__name__}:{name}", extension="strange")
    return replace(options(), scheduler="Mine", added_scheduler=info, added_settings={"from": 8.0})


@pytest.mark.parametrize("changes", [{}, {"eta": 0.5}, {"ensd": 31337}, {"discard_next_to_last_sigma": True}])
def test_one_in_the_manner_of_k_diffusion_draws_what_the_programs_own_draws(changes):
    told: list[int] = []
    drawn = draw(with_sampler("like_k_diffusion", **changes), seeds=(1, 2), on_step=lambda step, steps, denoised: told.append(step))
    assert torch.allclose(drawn, draw(replace(options("Euler a"), **changes), seeds=(1, 2)), atol=1e-6)
    assert told[:2] == [1, 2]


def test_a_picture_does_not_depend_on_its_place_in_the_batch():
    asked = with_sampler("like_k_diffusion")
    assert torch.allclose(draw(asked, seeds=(1, 2))[1], draw(asked, seeds=(2,))[0], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "RuntimeError: not today"),
        ("gives_nan", "ValueError: it gave numbers without end, or NaN"),
        ("gives_another_shape", r"TypeError: it gave \(1, 2, 4, 4\) instead of \(1, 4, 4, 4\)"),
        ("asks_another_shape", r"TypeError: it asked for \(1, 2, 4, 4\) instead of"),
        ("asks_nowhere", "ValueError: it asked for the noise level nan"),
        ("nosuch", "AttributeError"),
    ],
)
def test_one_that_fails_ends_with_its_extensions_name(name: str, why: str):
    with pytest.raises(EngineFailed, match=rf"^The extension strange failed \(the sampler Mine\): {why}"):
        draw(with_sampler(name))


def test_what_fails_in_the_model_is_not_laid_at_the_extensions_door():
    class Failing(ToyModel):
        def predict(self, x, t, cross, vector=None):
            raise RuntimeError("the card is gone")

    class Broken(ToyModel):
        def predict(self, x, t, cross, vector=None):
            return torch.full_like(x, float("nan"))

    with pytest.raises(RuntimeError, match="the card is gone"):
        draw(with_sampler("plain"), model=Failing())
    assert draw(with_sampler("plain"), model=Broken()).isnan().all()


def test_it_stops_when_asked_whatever_it_catches():
    with pytest.raises(Interrupted):
        draw(with_sampler("swallows"), cancel=lambda: True)


def test_a_schedule_type_is_walked_down():
    model = ToyModel()
    draw(with_scheduler("halves"), model=model)
    sigmas = [8.0 / 2**i for i in range(8)]
    assert [x.shape[0] for x, *_ in model.asked] == [2] * len(sigmas)
    expected = draw(replace(options(), scheduler="Karras"))
    assert not torch.equal(draw(with_scheduler("halves")), expected)


@pytest.mark.parametrize(
    ("name", "why"), [("gives_too_few", r"it gave \(2,\) numbers instead of \(9,\)"), ("rises", "noise levels that fall"), ("nosuch", "module")]
)
def test_a_schedule_type_that_fails_ends_with_its_extensions_name(name: str, why: str):
    with pytest.raises(EngineFailed, match=rf"^The extension strange failed \(the schedule type Mine\): .*{why}"):
        draw(with_scheduler(name))

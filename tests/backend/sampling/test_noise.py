from dataclasses import dataclass, replace

import pytest
import torch

from backend.sampling.noise import ImageNoise, Shape, slerp

SHAPE = (4, 8, 8)


@dataclass(frozen=True)
class Asked:
    seeds: tuple[int, ...] = (1234,)
    subseeds: tuple[int, ...] = (99,)
    strength: float = 0.0
    resize_from: tuple[int, int] = (0, 0)
    source: str = "CPU"
    ensd: int = 0
    shape: Shape = SHAPE

    def noise(self) -> ImageNoise:
        return ImageNoise(self.shape, self.seeds, self.subseeds, self.strength, self.resize_from, self.source, self.ensd, "cpu")


def seeded(seed: int, shape: Shape = SHAPE, draws: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(draws)][-1]


def test_first_and_next_are_successive_draws_of_the_seed():
    noise = Asked().noise()
    assert torch.equal(noise.first()[0], seeded(1234))
    assert torch.equal(noise.next()[0], seeded(1234, draws=2))


@pytest.mark.parametrize("source", ["GPU", "CPU", "NV"])
def test_same_seed_same_noise_in_any_batch_position(source: str):
    batch = replace(Asked(), seeds=(7, 1234), subseeds=(1, 99), source=source, strength=0.3, ensd=5).noise()
    alone = replace(Asked(), source=source, strength=0.3, ensd=5).noise()
    assert torch.equal(batch.first()[1], alone.first()[0])
    assert torch.equal(batch.next()[1], alone.next()[0])


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    noise = replace(Asked(), strength=0.5, resize_from=(32, 32), ensd=3).noise()
    noise.first(), noise.next()
    assert torch.equal(torch.get_rng_state(), before)


def test_variation_strength_leads_from_seed_to_subseed():
    assert torch.equal(replace(Asked(), strength=0.0).noise().first()[0], seeded(1234))
    assert torch.allclose(replace(Asked(), strength=1.0).noise().first()[0], seeded(99), atol=1e-5)
    half = replace(Asked(), strength=0.5).noise().first()[0]
    assert torch.allclose(half, slerp(0.5, seeded(1234), seeded(99)))
    assert abs(half.std() - 1) < 0.1


def test_nearly_equal_noises_are_blended_plainly():
    low = seeded(1)
    assert torch.equal(slerp(0.25, low, low), low * 0.25 + low * 0.75)


def test_smaller_old_picture_lies_in_the_middle():
    noise = replace(Asked(), resize_from=(32, 48)).noise().first()[0]  # 4 columns, 6 rows
    assert torch.equal(noise[:, 1:7, 2:6], seeded(1234, (4, 6, 4)))
    border = torch.ones(8, 8, dtype=torch.bool)
    border[1:7, 2:6] = False
    assert torch.equal(noise[:, border], seeded(1234)[:, border])


def test_larger_old_picture_is_cropped_and_an_odd_overhang_leaves_a_line():
    noise = replace(Asked(), resize_from=(96, 88)).noise().first()[0]  # 12 columns, 11 rows
    old = seeded(1234, (4, 11, 12))
    assert torch.equal(noise[:, :7], old[:, 2:9, 2:10])
    assert torch.equal(noise[:, 7], seeded(1234)[:, 7])


def test_ensd_changes_every_draw_but_the_first():
    noise = replace(Asked(), ensd=31337).noise()
    assert torch.equal(noise.first()[0], seeded(1234))
    assert torch.equal(noise.next()[0], seeded(1234 + 31337))


def test_nv_source_gives_cuda_numbers_on_the_cpu():
    first = replace(Asked(), seeds=(0,), source="NV").noise().first().flatten()
    assert torch.allclose(first[:2], torch.tensor([-0.92466259, -0.42534414]))

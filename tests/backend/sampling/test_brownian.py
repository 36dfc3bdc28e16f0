import torch
from torch import Tensor

from backend.sampling.brownian import BrownianNoise, BrownianPath

KNOWN = {  # (start, end): torchsde 0.2.6, BrownianTree(t0=0.0291675, t1=14.614642, entropy=1234)
    (0.0291675, 14.614642): [2.98908448, -0.907806933, -0.851644516, -7.92953968],
    (1.5, 5.0): [-0.566793025, -1.80326939, 0.182214677, -2.62871313],
    (7.321875, 7.322): [-0.00201733573, -0.00207636179, 0.00801946223, 0.0151904579],
    (0.03, 0.0301): [0.0018604733, 0.00278918189, 0.00945507921, -0.0186195578],
}


def cpu_draw(seed: int) -> Tensor:
    return torch.randn(1, 2, 2, generator=torch.Generator().manual_seed(seed))


def path(seed: int = 1234) -> BrownianPath:
    return BrownianPath(0.0291675, 14.614642, seed, cpu_draw)


def test_increments_are_those_of_torchsde():
    for (start, end), values in KNOWN.items():
        assert torch.equal(path().increment(start, end).flatten(), torch.tensor(values))


def test_increments_add_up_whatever_was_asked_before():
    one, other = path(), path()
    whole = one.increment(0.5, 9.0)
    parts = [other.increment(a, b) for a, b in ((7.3, 9.0), (0.5, 1.25), (1.25, 7.3))]
    assert torch.allclose(whole, sum(parts, torch.zeros(())), atol=1e-5)


def test_increments_do_not_depend_on_what_the_cache_forgot():
    one, times = path(), torch.linspace(14.6, 0.03, 40).tolist()
    first = one.increment(times[1], times[0])
    for start, end in zip(times[1:], times, strict=False):
        one.increment(start, end)
    assert torch.equal(one.increment(times[1], times[0]), first)


def test_no_time_passed_no_change():
    assert torch.equal(path().increment(2.0, 2.0), torch.zeros(1, 2, 2))
    assert torch.equal(path().increment(2.0, 2.0000001), torch.zeros(1, 2, 2))


def test_noise_is_standard_normal_and_each_image_has_its_own_path():
    def draw(seed: int) -> Tensor:
        return torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(seed))

    high, low = torch.tensor(5.0), torch.tensor(1.5)
    both, alone = BrownianNoise(0.03, 14.6, [1, 2], draw)(high, low), BrownianNoise(0.03, 14.6, [2], draw)(high, low)
    assert both.shape == (2, 4, 64, 64) and torch.equal(both[1], alone[0]) and not torch.equal(both[0], both[1])
    assert abs(both.mean()) < 0.03 and abs(both.std() - 1) < 0.03

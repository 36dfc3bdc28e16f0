import pytest
import torch

from backend.sampling.sigma_table import SigmaTable, effective_alphas
from tests.backend.sampling.toy import sd_alphas


def test_range_is_stable_diffusions():
    table = SigmaTable(sd_alphas())
    assert (table.low, table.high) == pytest.approx((0.0291675, 14.614642), rel=1e-5)


def test_whole_timesteps_are_the_entries():
    table = SigmaTable(sd_alphas())
    assert torch.allclose(table.sigma(torch.arange(1000)), table.sigmas, rtol=1e-6)
    assert table.timestep(table.sigmas[500]) == 500


def test_timestep_is_the_inverse_of_sigma():
    table = SigmaTable(sd_alphas())
    for t in (0.0, 0.25, 17.5, 998.75, 999.0):
        assert table.timestep(table.sigma(torch.tensor(t))).item() == pytest.approx(t, abs=2e-3)


def test_beyond_the_range_timesteps_stay_at_the_ends():
    table = SigmaTable(sd_alphas())
    assert [table.timestep(torch.tensor(sigma)).item() for sigma in (0.001, 100.0)] == [0, 999]


def test_quantized_timesteps_are_whole():
    table = SigmaTable(sd_alphas(), quantize=True)
    assert table.timestep(SigmaTable(sd_alphas()).sigma(torch.tensor(17.4))) == 17


def test_lcm_table_has_each_20th_timestep():
    table = SigmaTable(sd_alphas(), stride=20)
    assert len(table.sigmas) == 50
    assert [table.timestep(sigma).item() for sigma in (table.sigmas[0], table.sigmas[1], table.sigmas[-1])] == [19, 39, 999]
    assert torch.allclose(table.sigma(torch.tensor([39.0, 999.0])), table.sigmas[[1, -1]])


def test_zero_terminal_snr_ends_in_noise_alone_and_keeps_the_start():
    alphas = effective_alphas(sd_alphas(), zero_terminal_snr=True, downcast=False)
    assert alphas[0] == pytest.approx(sd_alphas()[0].item(), rel=1e-6)
    assert SigmaTable(alphas).high == pytest.approx(4518.76, rel=1e-5)


def test_downcast_rounds_to_float16():
    alphas = effective_alphas(sd_alphas(), zero_terminal_snr=False, downcast=True)
    assert alphas.dtype == torch.float16 and torch.equal(alphas, sd_alphas().half())
    assert SigmaTable(alphas).sigmas.dtype == torch.float32

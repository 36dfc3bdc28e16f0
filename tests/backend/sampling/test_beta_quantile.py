import pytest

from backend.sampling.beta_quantile import beta_cumulative, beta_quantile


@pytest.mark.parametrize(
    ("probability", "a", "b", "expected"),
    [
        (0.0001, 0.6, 0.6, 3.998377158137721e-07),
        (0.25, 0.6, 0.6, 0.17568037865269498),
        (0.5, 0.6, 0.6, 0.5000000000000001),
        (0.9, 0.6, 0.6, 0.9604155944112192),
        (0.3, 0.8, 0.4, 0.496003062933307),
        (0.95, 0.8, 0.4, 0.999249586204425),
        (0.7, 2.0, 5.0, 0.36035769038002013),
        (0.01, 1.0, 1.0, 0.01),
    ],
)
def test_quantiles_are_scipys(probability: float, a: float, b: float, expected: float):
    assert beta_quantile(probability, a, b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("x", [1e-6, 0.1, 0.5, 0.9, 0.999])
def test_quantile_is_the_inverse_of_the_cumulative_function(x: float):
    assert beta_quantile(beta_cumulative(x, 0.8, 0.4), 0.8, 0.4) == pytest.approx(x, rel=1e-9)


def test_ends_are_the_ends():
    assert (beta_quantile(0.0, 0.6, 0.6), beta_quantile(1.0, 0.6, 0.6)) == (0.0, 1.0)

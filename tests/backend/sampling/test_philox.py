import numpy as np
import pytest

from backend.sampling.philox import Philox, philox


@pytest.mark.parametrize(
    ("seed", "draw", "words"),
    [(0, 0, (0x6627E8D5, 0xE169C58D))],  # Random123's known answer for key 0, counter 0
)
def test_philox_gives_the_published_words(seed: int, draw: int, words: tuple[int, int]):
    first, second = philox(seed, draw, 1)
    assert (int(first[0]), int(second[0])) == words


def test_first_numbers_of_seed_0_are_those_of_a_cuda_card():
    expected = [-0.92466259, -0.42534414, -2.6438458, 0.14518388]
    assert np.allclose(Philox(0).randn((4,)), expected, atol=1e-7)


def test_draws_follow_one_another_and_elements_do_not_depend_on_the_shape():
    one, other = Philox(7), Philox(7)
    first, second = one.randn((4, 8, 8)), one.randn((4, 8, 8))
    assert not np.array_equal(first, second)
    assert np.array_equal(other.randn((256,)), first.ravel()) and np.array_equal(other.randn((16,)), second.ravel()[:16])


def test_all_64_bits_of_the_seed_count():
    assert not np.array_equal(Philox(5).randn((4,)), Philox(5 + 2**32).randn((4,)))
    assert not np.array_equal(Philox(2**63 + 9).randn((4,)), Philox(9).randn((4,)))


def test_numbers_are_standard_normal():
    numbers = Philox(3).randn((100_000,))
    assert numbers.dtype == np.float32
    assert abs(numbers.mean()) < 0.02 and abs(numbers.std() - 1) < 0.02

import torch

from backend.conditioning.emphasis import EMPHASIS


def example(texts: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(texts, 77, 8, generator=generator) + 0.5
    weights = torch.ones(texts, 77)
    weights[0, 3] = 1.5
    return z, weights, torch.ones(texts, dtype=torch.int64)


def test_original_scales_tokens_and_keeps_the_mean():
    z, weights, counts = example()
    out = EMPHASIS["Original"](z, weights, counts)
    torch.testing.assert_close(out.mean(), z.mean())
    torch.testing.assert_close(out[:, 3] / out[:, 4], 1.5 * z[:, 3] / z[:, 4])


def test_original_takes_the_mean_over_all_texts_as_often_as_they_occur():
    z, weights, _ = example(2)
    out = EMPHASIS["Original"](z, weights, torch.tensor([3, 1]))
    spread = [0, 0, 0, 1]
    expected = EMPHASIS["Original"](z[spread], weights[spread], torch.ones(4))
    torch.testing.assert_close(out, expected[[0, 3]])


def test_no_norm_only_scales():
    z, weights, counts = example()
    torch.testing.assert_close(EMPHASIS["No norm"](z, weights, counts), z * weights[..., None])


def test_weights_of_one_and_ignore_change_nothing():
    z, weights, counts = example()
    torch.testing.assert_close(EMPHASIS["Original"](z, torch.ones_like(weights), counts), z)
    assert EMPHASIS["Ignore"](z, weights, counts) is z
    assert EMPHASIS["None"](z, weights, counts) is z

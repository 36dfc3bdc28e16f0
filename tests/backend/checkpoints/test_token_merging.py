"""Merging tokens and taking the merging back."""

import torch

from backend.checkpoints.token_merging import merging


def tokens(height: int, width: int, channels: int = 16) -> torch.Tensor:
    return torch.randn(2, height * width, channels, generator=torch.Generator().manual_seed(0))


def test_the_ratio_of_tokens_goes_and_comes_back_in_its_place():
    x = tokens(6, 8)
    merge, unmerge = merging(x, 6, 8, 0.5)
    merged = merge(x)
    assert merged.shape == (2, 24, 16)
    assert unmerge(merged).shape == x.shape


def test_tokens_that_were_not_merged_come_back_bit_equal():
    x = tokens(6, 8)
    merge, unmerge = merging(x, 6, 8, 0.25)
    same = (unmerge(merge(x)) == x).all(dim=-1).sum(dim=1)
    assert (same >= 48 - 2 * 12).all() and (same < 48).all()


def test_equal_tokens_merge_without_loss():
    x = tokens(1, 1).expand(2, 64, 16)
    merge, unmerge = merging(x, 8, 8, 0.75)
    torch.testing.assert_close(unmerge(merge(x)), x)


def test_no_more_than_three_of_four_tokens_go():
    x = tokens(8, 8)
    merge, _ = merging(x, 8, 8, 0.9)
    assert merge(x).shape[1] == 16


def test_odd_sizes_lose_no_token():
    x = tokens(5, 7)
    merge, unmerge = merging(x, 5, 7, 0.0)
    assert torch.equal(unmerge(merge(x)), x)

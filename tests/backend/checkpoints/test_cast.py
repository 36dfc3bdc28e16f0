"""copy_into gives torch's bits."""

import pytest
import torch

from backend.checkpoints import cast
from backend.checkpoints.cast import copy_into

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("source", [torch.float16, torch.bfloat16])
def test_every_half_precision_number_is_converted_as_torch_does_it(source: torch.dtype, target: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cast, "BLOCK", 3000)
    every = torch.arange(-(2**15), 2**15).to(torch.int16).view(source).view(256, 256)
    one, other = torch.zeros(256, 256, dtype=target), torch.zeros(256, 256, dtype=target)
    copy_into(one, every)
    other.copy_(every)
    assert torch.equal(one.isnan(), other.isnan())
    assert torch.equal(one.nan_to_num().view(torch.uint8), other.nan_to_num().view(torch.uint8))


@pytest.mark.parametrize("shape", [(), (0,), (5,), (0, 3), (4, 0), (6, 2, 3, 3)])
def test_any_shape_and_layout_can_be_copied(shape: tuple[int, ...]):
    source = torch.randn(shape, generator=torch.Generator().manual_seed(0)).half()
    layout = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    target = torch.zeros(shape, dtype=torch.bfloat16).contiguous(memory_format=layout)
    copy_into(target, source)
    assert torch.equal(target, source.to(torch.bfloat16))

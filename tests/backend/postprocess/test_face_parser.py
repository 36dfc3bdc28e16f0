import pytest
import torch

from backend.postprocess.face_parser import NOT_FACE, face_mask, parsenet, square_mask
from tests.backend.postprocess.face_networks import face_parser, parsenet_tensors


def test_the_network_says_what_facexlibs_says():
    """Numbers of facexlib 0.3.0's ParseNet with the same weights."""
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    said = parsenet(parsenet_tensors(), x)
    assert said[0, [0, 7, 18], 3, 9].tolist() == pytest.approx([-12.215377, -4.769013, 4.507823], abs=1e-4)
    assert said.argmax(dim=1)[0, ::5, ::5].tolist() == [[18, 18, 14, 10], [18, 14, 6, 6], [6, 18, 18, 18], [18, 6, 11, 1]]


@pytest.mark.parametrize("kind", [0, 1, 13, 16, 17, 18])
def test_skin_and_hair_are_pasted_and_clothes_are_not(kind: int):
    mask = face_mask(face_parser(kind), torch.zeros(1, 3, 128, 128))
    assert mask[0, 0, 64, 64].item() == pytest.approx(0 if kind in NOT_FACE else 1)
    assert mask[0, 0, 9].max() == mask[0, 0, :, -10].max() == 0


def test_the_square_fades_towards_its_sides():
    mask = square_mask(512)[0, 0]
    assert (mask[256, 256].item(), mask[0].max().item()) == (pytest.approx(1), pytest.approx(0, abs=1e-6))
    assert 0.3 < mask[256, 51].item() < 0.7 and (mask[256, :256].diff() >= -1e-6).all()

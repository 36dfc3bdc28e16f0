import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from backend.postprocess.face_alignment import OUTSIDE, SIZE, TEMPLATE, box_of, inverse, laid_back, resized, similarity, upright


def pixels(image: Image.Image) -> Tensor:
    """(3, h, w), 0…255"""
    return torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)


def turned(angle: float, scale: float, x: float, y: float) -> Tensor:
    """The template's points elsewhere."""
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    return torch.tensor(TEMPLATE, dtype=torch.float64) * scale @ turn.T + torch.tensor([x, y])


def smooth(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([127 + 100 * np.sin(x / 17 + c) * np.cos(y / 19) for c in range(3)], -1).astype(np.uint8))


def test_points_are_brought_onto_the_template():
    points = turned(0.4, 0.3, 50, 20)
    matrix = similarity(points)
    assert torch.allclose(points @ matrix[:, :2].T + matrix[:, 2], torch.tensor(TEMPLATE, dtype=torch.float64), atol=1e-6)


def test_a_point_in_a_wrong_place_does_not_count():
    """Numbers of OpenCV 5's estimateAffinePartial2D with LMEDS, for a nose that is far off."""
    points = torch.tensor([[93.8, 55.1], [123.9, 45.8], [139.5, 50.0], [105.5, 85.8], [132.2, 77.5]])
    assert similarity(points).flatten().tolist() == pytest.approx([3.822362, -1.185110, -100.340751, 1.185110, 3.822362, -81.716183], abs=1e-3)


def test_what_is_turned_upright_and_laid_back_is_what_it_was():
    picture, matrix = pixels(smooth(260, 300)), similarity(turned(-0.3, 0.35, 40, 90))
    box = box_of(matrix, 260, 300)
    back = laid_back(upright(picture, matrix), matrix, box)[0]
    share = laid_back(torch.ones(1, 1, SIZE, SIZE), matrix, box)[0, 0]
    part = picture[:, box[1] : box[3], box[0] : box[2]]
    assert ((back - part).abs() * (share > 0.999)).max() < 6
    assert (share > 0.999).sum() > 0.9 * (SIZE * 0.35) ** 2


def test_beyond_the_picture_is_grey():
    face = upright(torch.zeros(3, 100, 100), similarity(turned(0, 0.2, -60, -60)))
    assert face[0, :, 2, 2].tolist() == list(OUTSIDE) and face[0, :, -2, -2].tolist() == [0, 0, 0]


def test_a_face_outside_has_an_empty_box():
    assert box_of(similarity(turned(0, 0.2, 500, 0)), 100, 100) == (0, 0, 0, 0)


def test_the_inverse_undoes():
    matrix = similarity(turned(0.7, 0.3, 5, 6))
    both = inverse(matrix)[:, :2] @ matrix[:, :2]
    assert torch.allclose(both, torch.eye(2, dtype=torch.float64), atol=1e-9)


def test_resizing_keeps_a_field_and_a_slope():
    slope = torch.arange(40.0).mul(6).expand(3, 30, 40)
    larger = resized(slope, 80, 60)
    assert larger.shape == (3, 60, 80)
    assert (larger[0, 5, 12:70] - (torch.arange(80.0) * 3 - 1.5)[12:70]).abs().max() <= 0.51
    assert resized(torch.full((3, 8, 8), 77.0), 5, 21).unique().tolist() == [77]

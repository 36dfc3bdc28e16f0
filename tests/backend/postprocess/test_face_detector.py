import pytest
import torch

from backend.postprocess.face_detector import anchors_of, find_faces, retinaface
from tests.backend.postprocess.face_networks import retinaface_tensors, spots, white_detector
from tests.backend.postprocess.test_face_alignment import pixels


def test_the_network_says_what_facexlibs_says():
    """Numbers of facexlib 0.3.0's layers with the same weights, over a body of torchvision's bottlenecks."""
    x = torch.randn(1, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    scores, boxes, points = retinaface(retinaface_tensors(), x)
    assert scores[[0, 33, 69, 70, 99]].tolist() == pytest.approx([0.584676, 0.605314, 0.522273, 0.605517, 0.492507], abs=1e-4)
    assert boxes[5].tolist() == pytest.approx([-0.298978, 0.284508, 0.136680, -0.104441], abs=1e-4)
    assert points[-1, :3].tolist() == pytest.approx([-0.227168, -0.156093, -0.164985], abs=1e-4)


def test_there_are_two_anchors_for_each_place_at_three_strides():
    anchors = anchors_of(40, 56)
    assert len(anchors) == 2 * (5 * 7 + 3 * 4 + 2 * 2)
    assert anchors[:3].tolist() == [[4, 4, 16, 16], [4, 4, 32, 32], [12, 4, 16, 16]]
    assert anchors[-1].tolist() == [48, 48, 512, 512]


def test_faces_are_found_where_they_are_and_told_once():
    seen = pixels(spots((320, 320), (64, 48), (160, 240)).resize((640, 640)))
    faces = find_faces(white_detector(), seen)
    assert sorted(faces.boxes.round().tolist()) == [[104, 72, 168, 136], [296, 456, 360, 520]]
    eyes, middle = faces.points[:, :2].mean(dim=1), (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    assert ((middle - eyes)[:, 1] > 1).all() and (faces.scores > 0.97).all()


def test_nothing_is_found_where_nothing_is_sure():
    assert len(find_faces(white_detector(), pixels(spots((320, 320)))).scores) == 0

"""Faces and their five points: RetinaFace (Deng et al. 2019) on a ResNet, with the names and numbers of facexlib's detection_Resnet50_Final.pth."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.postprocess.layers import Weights, conv, count, norm

CONFIDENCE = 0.97  # A1111's
MOST_OVERLAP = 0.4  # of two boxes, before the weaker one counts as the same face
MEANS = (104.0, 117.0, 123.0)  # of blue, green, red in the pictures of its training
STRIDES = (8, 16, 32)
SIZES = ((16, 32), (64, 128), (256, 512))  # sides of the anchors at each stride, in pixels
VARIANCES = (0.1, 0.2)  # units of places and of sizes in what the network says
NARROW = 64  # networks of at most this width leak a little below zero


@dataclass(frozen=True, kw_only=True)
class Faces:
    """The surest first, in pixels of the picture that was looked at. points: eyes, nose, corners of the mouth, each left one first."""

    scores: Tensor  # (n,)
    boxes: Tensor  # (n, 4): left, top, right, bottom
    points: Tensor  # (n, 5, 2): x, y


def find_faces(weights: Weights, picture: Tensor, confidence: float = CONFIDENCE) -> Faces:
    """picture: (3, h, w), red first, 0…255, on the device of the weights. Raises KeyError for weights of another network."""
    height, width = picture.shape[-2:]
    inputs = picture.flip(0)[None] - picture.new_tensor(MEANS).view(1, 3, 1, 1)
    scores, offsets, moves = retinaface(weights, inputs)
    anchors = anchors_of(height, width).to(offsets)
    sure = scores > confidence
    scores, offsets, moves, anchors = scores[sure], offsets[sure], moves[sure], anchors[sure]
    centers = anchors[:, :2] + offsets[:, :2] * VARIANCES[0] * anchors[:, 2:]
    sizes = anchors[:, 2:] * torch.exp(offsets[:, 2:] * VARIANCES[1])
    boxes = torch.cat([centers - sizes / 2, centers + sizes / 2], dim=1)
    points = anchors[:, None, :2] + moves.view(-1, 5, 2) * VARIANCES[0] * anchors[:, None, 2:]
    kept = _distinct(boxes.cpu(), scores.cpu())
    return Faces(scores=scores.cpu()[kept], boxes=boxes.cpu()[kept], points=points.cpu()[kept])


def anchors_of(height: int, width: int) -> Tensor:
    """(n, 4): x and y of the middle, width, height; in pixels, in the order of the network's answers."""
    anchors: list[Tensor] = []
    for stride, sizes in zip(STRIDES, SIZES, strict=True):
        y, x, size = torch.meshgrid(
            (torch.arange(-(-height // stride)) + 0.5) * stride,
            (torch.arange(-(-width // stride)) + 0.5) * stride,
            torch.tensor(sizes, dtype=torch.float32),
            indexing="ij",
        )
        anchors.append(torch.stack([x, y, size, size], dim=-1).view(-1, 4))
    return torch.cat(anchors)


def retinaface(weights: Weights, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(1, 3, h, w), blue first, means taken off → scores (n,), boxes (n, 4), points (n, 10), relative to the anchors."""
    features = [_context(weights, f"ssh{level}", feature) for level, feature in enumerate(_pyramid(weights, _body(weights, x)), start=1)]
    scores = _heads(weights, "ClassHead", features, 2).softmax(dim=-1)[:, 1]
    return scores, _heads(weights, "BboxHead", features, 4), _heads(weights, "LandmarkHead", features, 10)


def _body(weights: Weights, x: Tensor) -> list[Tensor]:
    """He et al. 2015: the last three stages, at strides 8, 16, 32."""
    x = norm(weights, "body.bn1", conv(weights, "body.conv1", x, 2)).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    stages: list[Tensor] = []
    for stage in range(1, 5):
        for block in range(count(weights, f"body.layer{stage}")):
            x = _bottleneck(weights, f"body.layer{stage}.{block}", x, 2 if stage > 1 and block == 0 else 1)
        stages.append(x)
    return stages[1:]


def _bottleneck(weights: Weights, name: str, x: Tensor, stride: int) -> Tensor:
    kept = x
    if f"{name}.downsample.0.weight" in weights:
        kept = norm(weights, f"{name}.downsample.1", conv(weights, f"{name}.downsample.0", x, stride))
    x = norm(weights, f"{name}.bn1", conv(weights, f"{name}.conv1", x)).relu()
    x = norm(weights, f"{name}.bn2", conv(weights, f"{name}.conv2", x, stride)).relu()
    return (norm(weights, f"{name}.bn3", conv(weights, f"{name}.conv3", x)) + kept).relu()


def _pyramid(weights: Weights, stages: list[Tensor]) -> list[Tensor]:
    """Lin et al. 2016, with a merging layer after each sum but the coarsest."""
    levels = [_unit(weights, f"fpn.output{level}", stage) for level, stage in enumerate(stages, start=1)]
    for level in (1, 0):
        coarser = F.interpolate(levels[level + 1], size=levels[level].shape[-2:], mode="nearest")
        levels[level] = _unit(weights, f"fpn.merge{level + 1}", levels[level] + coarser)
    return levels


def _context(weights: Weights, name: str, x: Tensor) -> Tensor:
    """SSH (Najibi et al. 2017): what is seen through 3, 5 and 7 pixels, side by side."""
    middle = _unit(weights, f"{name}.conv5X5_1", x)
    wide = _unit(weights, f"{name}.conv7X7_2", middle)
    seen = (("conv3X3", x), ("conv5X5_2", middle), ("conv7x7_3", wide))
    return torch.cat([norm(weights, f"{name}.{part}.1", conv(weights, f"{name}.{part}.0", of)) for part, of in seen], dim=1).relu()


def _unit(weights: Weights, name: str, x: Tensor) -> Tensor:
    x = norm(weights, f"{name}.1", conv(weights, f"{name}.0", x))
    width = x.shape[1] * 4 if name.startswith("ssh") else x.shape[1]  # these have a quarter of the network's
    return F.leaky_relu(x, 0.1 if width <= NARROW else 0.0)


def _heads(weights: Weights, name: str, features: list[Tensor], values: int) -> Tensor:
    """(n, values)"""
    answers = (conv(weights, f"{name}.{level}.conv1x1", feature) for level, feature in enumerate(features))
    return torch.cat([answer.permute(0, 2, 3, 1).reshape(-1, values) for answer in answers])


def _distinct(boxes: Tensor, scores: Tensor) -> list[int]:
    """Places of the boxes that are no weaker copy of another, the surest first."""
    rest = scores.argsort(descending=True).tolist()
    kept: list[int] = []
    while rest:
        best = rest.pop(0)
        kept.append(best)
        overlaps = _overlap(boxes[best], boxes[rest]).tolist() if rest else []
        rest = [place for place, overlap in zip(rest, overlaps, strict=True) if overlap <= MOST_OVERLAP]
    return kept


def _overlap(box: Tensor, others: Tensor) -> Tensor:
    """Common area by whole area, (n,)"""
    common = (torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])).clamp(min=0).prod(dim=1)
    whole = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(dim=1) - common
    return common / whole

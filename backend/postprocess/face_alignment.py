"""A face turned upright into a square, and back: the similarity between its five points and a template's, and pixels moved by it."""

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

SIZE = 512  # pixels of the square's side
# Eyes, nose, corners of the mouth of FFHQ's faces in it, as facexlib has them.
TEMPLATE = ((192.98138, 239.94708), (318.90277, 240.1936), (256.63416, 314.01935), (201.26117, 371.41043), (313.08905, 371.15118))
OUTSIDE = (132.0, 133.0, 135.0)  # red, green, blue of what lies beyond the picture
CUBE = 4  # half the width of the Lanczos kernel, in pixels


def similarity(points: Tensor) -> Tensor:
    """(5, 2) → (2, 3), float64: what brings the points onto the template, with turn, scale and shift alone.

    Least median of squares (Rousseeuw 1984) over all pairs of points, then least squares over those that agree:
    one point that was found in a wrong place does not count.
    """
    points, template = points.double(), torch.tensor(TEMPLATE, dtype=torch.float64)
    fits = [_least_squares(points[list(pair)], template[list(pair)]) for pair in combinations(range(len(points)), 2)]
    errors = [(_moved(fit, points) - template).square().sum(dim=1) for fit in fits]
    best = min(errors, key=lambda error: float(error.median()))
    tolerance = max(2.5 * 1.4826 * (1 + 5 / (len(points) - 2)) * float(best.median()) ** 0.5, 0.001)
    agree = best <= tolerance**2
    return _least_squares(points[agree], template[agree])


def inverse(matrix: Tensor) -> Tensor:
    """(2, 3) → (2, 3)"""
    turn = torch.linalg.inv(matrix[:, :2])
    return torch.cat([turn, -turn @ matrix[:, 2:]], dim=1)


def upright(picture: Tensor, matrix: Tensor) -> Tensor:
    """(3, h, w) in 0…255, red first → (1, 3, 512, 512), rounded to whole levels."""
    border = picture.new_tensor(OUTSIDE).view(1, 3, 1, 1)
    return (_sampled(picture[None] - border, inverse(matrix), (0, 0, SIZE, SIZE)) + border).round()


def laid_back(square: Tensor, matrix: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """(1, c, 512, 512) → (1, c, bottom − top, right − left), as it lies in this part of the picture; 0 beyond it. matrix: similarity's."""
    return _sampled(square, matrix, box)


def box_of(matrix: Tensor, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the square in a picture of this size; empty where it lies outside."""
    corners = torch.tensor([[-1.0, -1.0], [SIZE, -1.0], [-1.0, SIZE], [SIZE, SIZE]], dtype=torch.float64)
    places = _moved(inverse(matrix), corners)
    (left, top), (right, bottom) = places.min(dim=0).values.floor().tolist(), places.max(dim=0).values.ceil().tolist()
    limited = (max(int(left), 0), max(int(top), 0), min(int(right) + 1, width), min(int(bottom) + 1, height))
    return limited if limited[0] < limited[2] and limited[1] < limited[3] else (0, 0, 0, 0)


def resized(picture: Tensor, width: int, height: int) -> Tensor:
    """(3, h, w) in 0…255 → (3, height, width), by Lanczos over 8 pixels without smoothing, as facexlib makes what the detector sees."""
    columns, rows = (_lanczos(before, after).float().to(picture.device) for before, after in ((picture.shape[2], width), (picture.shape[1], height)))
    return (rows @ picture @ columns.T).round().clamp(0, 255)


def _least_squares(points: Tensor, targets: Tensor) -> Tensor:
    """(n, 2), (n, 2) → (2, 3): [[a, −b, x], [b, a, y]]"""
    x, y, one, zero = points[:, 0], points[:, 1], torch.ones(len(points)).double(), torch.zeros(len(points)).double()
    equations = torch.cat([torch.stack([x, -y, one, zero], dim=1), torch.stack([y, x, zero, one], dim=1)])
    a, b, right, down = torch.linalg.lstsq(equations, targets.T.reshape(-1, 1)).solution.flatten().tolist()
    return torch.tensor([[a, -b, right], [b, a, down]], dtype=torch.float64)


def _moved(matrix: Tensor, points: Tensor) -> Tensor:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _sampled(source: Tensor, matrix: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """Of each pixel in the box of the result, what lies at matrix · (x, y, 1) in the source, bilinear; 0 outside. In float64 up to the places alone."""
    left, top, right, bottom = box
    y, x = torch.meshgrid(torch.arange(top, bottom, dtype=torch.float64), torch.arange(left, right, dtype=torch.float64), indexing="ij")
    places = _moved(matrix, torch.stack([x, y], dim=-1))  # (h, w, 2)
    last = torch.tensor([source.shape[3] - 1, source.shape[2] - 1], dtype=torch.float64).clamp(min=1)
    grid = (places / last * 2 - 1)[None].float().to(source.device)
    return F.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def _lanczos(before: int, after: int) -> Tensor:
    """(after, before): how much each old pixel gives to each new one; beyond the edge the outermost repeats."""
    places = (torch.arange(after, dtype=torch.float64) + 0.5) * before / after - 0.5
    taps = places.floor()[:, None] + torch.arange(1 - CUBE, CUBE + 1)
    away = taps - places[:, None]
    parts = torch.sinc(away) * torch.sinc(away / CUBE)
    weights = torch.zeros(after, before, dtype=torch.float64)
    return weights.scatter_add_(1, taps.long().clamp(0, before - 1), parts / parts.sum(dim=1, keepdim=True))

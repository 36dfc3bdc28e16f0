"""Small networks with the names of facexlib's files: random ones, and a detector whose faces are where a test wants them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from backend.face_files import DETECTOR, PARSER, FaceFiles
from backend.postprocess.face_alignment import SIZE, TEMPLATE
from backend.postprocess.face_model import FaceModel

FACE = 64  # pixels of a face's square, in what the detector sees
CORNER = 128
STEP = 16  # pixels between places where it looks
GREEN = (0, 255, 0)


@dataclass
class Random:
    """Layers filled from a seed."""

    seed: int
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def conv(self, name: str, inner: int, out: int, size: int, bias: bool = False) -> None:
        self.tensors[f"{name}.weight"] = torch.randn(out, inner, size, size, generator=self.generator) / (inner * size * size) ** 0.5
        if bias:
            self.tensors[f"{name}.bias"] = torch.randn(out, generator=self.generator) * 0.1

    def norm(self, name: str, width: int) -> None:
        for part, middle, spread in (("weight", 1, 0.1), ("bias", 0, 0.1), ("running_mean", 0, 0.1), ("running_var", 1, 0.1)):
            self.tensors[f"{name}.{part}"] = middle + spread * torch.rand(width, generator=self.generator)

    def unit(self, name: str, inner: int, out: int, size: int) -> None:
        self.conv(f"{name}.0", inner, out, size)
        self.norm(f"{name}.1", out)


def retinaface_tensors(seed: int = 0, planes: int = 2, width: int = 8) -> dict[str, Tensor]:
    """planes: a quarter of the first stage's width."""
    net = Random(seed)
    net.conv("body.conv1", 3, planes, 7)
    net.norm("body.bn1", planes)
    inner = planes
    for stage in range(1, 5):
        narrow = planes * 2 ** (stage - 1)
        name = f"body.layer{stage}.0"
        for number, (before, after, size) in enumerate(((inner, narrow, 1), (narrow, narrow, 3), (narrow, narrow * 4, 1)), start=1):
            net.conv(f"{name}.conv{number}", before, after, size)
            net.norm(f"{name}.bn{number}", after)
        net.unit(f"{name}.downsample", inner, narrow * 4, 1)
        inner = narrow * 4
    for level in range(1, 4):
        net.unit(f"fpn.output{level}", planes * 4 * 2**level, width, 1)
        if level < 3:
            net.unit(f"fpn.merge{level}", width, width, 3)
        for part, before, after in _ssh(width):
            net.unit(f"ssh{level}.{part}", before, after, 3)
        for head, values in (("ClassHead", 2), ("BboxHead", 4), ("LandmarkHead", 10)):
            net.conv(f"{head}.{level - 1}.conv1x1", width, 2 * values, 1, bias=True)
    return net.tensors


def parsenet_tensors(seed: int = 0, width: int = 4) -> dict[str, Tensor]:
    net = Random(seed)
    net.conv("encoder.0.conv2d", 3, width, 3, bias=True)
    for name, resized in (("encoder.1", True), ("body.0", False), ("body.1", False), ("decoder.0", True)):
        if resized:
            net.conv(f"{name}.shortcut_func.conv2d", width, width, 3, bias=True)
        for part in ("conv1", "conv2"):
            net.conv(f"{name}.{part}.conv2d", width, width, 3)
            net.norm(f"{name}.{part}.norm.norm", width)
    net.conv("out_mask_conv.conv2d", width, 19, 3, bias=True)
    return net.tensors


def face_parser(kind: int) -> dict[str, Tensor]:
    """That calls everything this class."""
    tensors = parsenet_tensors()
    tensors["out_mask_conv.conv2d.bias"][kind] = 1000
    return tensors


def white_detector() -> dict[str, Tensor]:
    """A face for each white spot of 16 pixels around (16·i, 16·j) of what it sees: FACE pixels wide, its middle 8 pixels to the right and below."""
    tensors = _silent()
    tensors["fpn.output2.0.weight"][0, 0] = 1
    tensors["ClassHead.1.conv1x1.weight"][0, 0], tensors["ClassHead.1.conv1x1.weight"][1, 0] = -0.1, 0.1
    tensors["ClassHead.1.conv1x1.bias"][:2] = torch.tensor([5.0, -5.0])
    return tensors


def corner_detector() -> dict[str, Tensor]:
    """A face in the corner of every picture: CORNER pixels wide, from (0, 0)."""
    tensors = _silent()
    tensors["fpn.output2.1.bias"][0] = 1
    merge = tensors["fpn.merge2.0.weight"]
    merge[0, 0, 0, 1] = merge[0, 0, 1, 0] = -1  # what lies above and to the left: nothing in the corner alone
    tensors["ClassHead.1.conv1x1.weight"][0, 0], tensors["ClassHead.1.conv1x1.weight"][1, 0] = -10, 10
    tensors["ClassHead.1.conv1x1.bias"][:2] = torch.tensor([5.0, -5.0])
    points = torch.tensor(TEMPLATE) / SIZE * CORNER - STEP / 2  # from the middle of the place
    tensors["LandmarkHead.1.conv1x1.bias"][:10] = points.flatten() / (0.1 * FACE)
    return tensors


def painter(path: Path) -> FaceModel:
    """In the place of a restorer: paints every face green, or as green as the weight says."""
    del path
    return FaceModel(network=torch.nn.Identity(), call=lambda network, face, weight: face.new_tensor([-1.0, 1, -1]).view(1, 3, 1, 1).expand_as(face))


def face_folder(folder: Path, detector: Mapping[str, Tensor], parser: Mapping[str, Tensor] | None = None) -> FaceFiles:
    """With a file of GFPGAN that holds nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({}, folder / "GFPGANv1.4.pth")
    torch.save(dict(detector), folder / DETECTOR)
    if parser is not None:
        torch.save(dict(parser), folder / PARSER)
    return FaceFiles((folder,), ())


def spots(size: tuple[int, int], *places: tuple[int, int]) -> Image.Image:
    """Grey, with white spots for a detector that sees the picture twice as large."""
    image = Image.new("RGB", size, (90, 80, 70))
    for x, y in places:
        image.paste((255, 255, 255), (x - 4, y - 4, x + 4, y + 4))
    return image


def _ssh(width: int) -> Iterator[tuple[str, int, int]]:
    yield "conv3X3", width, width // 2
    yield "conv5X5_1", width, width // 4
    for part in ("conv5X5_2", "conv7X7_2", "conv7x7_3"):
        yield part, width // 4, width // 4


def _silent() -> dict[str, Tensor]:
    """Brightness goes through all layers as it is, finds nothing, and would have faces FACE pixels wide."""
    tensors = retinaface_tensors(planes=1, width=4)
    for name, tensor in tensors.items():
        tensor.fill_(1.0 if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")) else 0.0)
    tensors["body.conv1.weight"][0, :, 3, 3] = 1 / 3
    for stage in range(1, 5):
        tensors[f"body.layer{stage}.0.downsample.0.weight"][0, 0] = 1
    tensors["fpn.merge2.0.weight"][0, 0, 1, 1] = 1
    tensors["ssh2.conv3X3.0.weight"][0, 0, 1, 1] = 1
    for level in range(3):
        tensors[f"ClassHead.{level}.conv1x1.bias"].copy_(torch.tensor([9.0, -9, 9, -9]))
    points = (torch.tensor(TEMPLATE) / SIZE - 0.5) * 10
    tensors["LandmarkHead.1.conv1x1.bias"][:10] = points.flatten()
    return tensors

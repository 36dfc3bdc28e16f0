"""Faces of a picture: found, turned upright, restored, laid back into their places. The rest of the picture stays as it is, bit for bit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backend.checkpoints.placement import Placement
from backend.errors import Interrupted, NotFound, WebUIError
from backend.face_files import FaceFiles
from backend.job import FaceOptions
from backend.postprocess import face_alignment as alignment
from backend.postprocess.face_detector import find_faces
from backend.postprocess.face_model import FaceModel, load_face_model
from backend.postprocess.face_parser import face_mask, square_mask
from backend.postprocess.layers import Weights
from backend.postprocess.upscaler_model import read_tensors
from backend.progress import CancelToken, Event, Status

OnEvent = Callable[[Event], None]
Network = tuple[str, Weights]  # the file's name, for errors
Answer = TypeVar("Answer")

SEEN = 640  # pixels of the shorter side of what the detector sees
NEAREST_EYES = 5.0  # pixels between the eyes; what is nearer is no face that could be restored
NO_FACE = "No face was found: nothing was restored."


@dataclass(frozen=True, kw_only=True)
class Restored:
    image: Image.Image
    faces: int


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    key: tuple[object, ...]  # which files, in which state
    device: torch.device
    model: FaceModel
    detector: Network
    parser: Network | None


class FaceRestorers:
    """What was used last stays in memory: in that of the device, or with `unload` in the computer's."""

    def __init__(self, files: FaceFiles, placement: Placement, open_model: Callable[[Path], FaceModel] = load_face_model) -> None:
        self._files = files
        self._open_model = open_model
        self._placement = placement
        self._loaded: _Loaded | None = None

    def load(self, options: FaceOptions, on_event: OnEvent) -> None:
        """Has the files read, so that what is wrong with them shows before anything is drawn. Raises WebUIError that names the file."""
        model, detector, parser = self._files.restorer(options.model), self._files.detector(), self._files.parser()
        if model is None or detector is None:
            raise NotFound(self._files.missing(options.model))
        key = tuple(_identity(path) for path in (model, detector, parser) if path is not None)
        if self._loaded is not None and self._loaded.key == key:
            return
        self._loaded = None  # its memory is free before the next one comes
        on_event(Status(text=f"Loading {model.name} …"))
        self._loaded = _Loaded(
            key=key,
            device=torch.device("cpu"),
            detector=(detector.name, _weights(detector)),
            parser=(parser.name, _weights(parser)) if parser else None,
            model=self._open_model(model),
        )

    def restore_drawn(self, images: Sequence[Image.Image], options: FaceOptions, *, on_event: OnEvent, cancel: CancelToken) -> list[Restored | None]:
        """None after a cancel: those pictures stay as they were drawn. Raises WebUIError as load does."""
        restored: list[Restored | None] = []
        for image in images:
            try:
                restored.append(None if cancel.cancelled else self.restore(image, options, on_event=on_event, cancel=cancel))
            except Interrupted:
                restored.append(None)
        return restored

    def restore(self, image: Image.Image, options: FaceOptions, *, on_event: OnEvent, cancel: CancelToken) -> Restored:
        """RGB → RGB. Raises Interrupted, and WebUIError as load does."""
        self.load(options, on_event)
        loaded = self._on(self._placement.faces)
        try:
            pixels = torch.from_numpy(np.array(image.convert("RGB"), np.float32)).permute(2, 0, 1).to(loaded.device)  # (3, h, w), 0…255
            found = _points(loaded, pixels)
            for number, points in enumerate(found, start=1):
                if cancel.cancelled:
                    raise Interrupted
                on_event(Status(text=f"Restoring face {number} of {len(found)} …"))
                _restore(loaded, pixels, points, options.weight)
        finally:
            if options.unload:
                self._on(torch.device("cpu"))
        return Restored(image=_image(pixels) if found else image, faces=len(found))

    def _on(self, device: torch.device) -> _Loaded:
        """The loaded ones, there."""
        loaded = self._loaded
        assert loaded is not None
        if loaded.device != device:
            loaded.model.network.to(device)
            parser = loaded.parser and _moved(loaded.parser, device)
            self._loaded = loaded = replace(loaded, device=device, detector=_moved(loaded.detector, device), parser=parser)
        return loaded


def _points(loaded: _Loaded, pixels: Tensor) -> Sequence[Tensor]:
    """Five points of each face, (5, 2), in the picture."""
    height, width = pixels.shape[-2:]
    scale = min(height, width) / SEEN
    seen = pixels if scale == 1 else alignment.resized(pixels, max(int(width / scale), 1), max(int(height / scale), 1))
    name, weights = loaded.detector
    faces = _named(name, lambda: find_faces(weights, seen))
    places = faces.points * scale
    return [points for points in places if float((points[0] - points[1]).norm()) >= NEAREST_EYES]


def _restore(loaded: _Loaded, pixels: Tensor, points: Tensor, weight: float) -> None:
    """Into the pixels."""
    matrix = alignment.similarity(points)
    box = alignment.box_of(matrix, pixels.shape[2], pixels.shape[1])
    if box[2] <= box[0]:
        return
    face = alignment.upright(pixels, matrix) / 127.5 - 1
    levels = ((loaded.model(face, weight).float().clamp(-1, 1) + 1) / 2 * 255).floor()  # whole levels, as A1111 hands them on
    if loaded.parser is None:
        mask = square_mask(alignment.SIZE).to(levels)
    else:
        name, weights = loaded.parser
        mask = _named(name, lambda: face_mask(weights, levels / 127.5 - 1))
    left, top, right, bottom = box
    part = pixels[:, top:bottom, left:right]
    laid, share = alignment.laid_back(levels, matrix, box)[0].round(), alignment.laid_back(mask, matrix, box)[0]
    part.copy_(share * laid + (1 - share) * part)


def _moved(named: Network, device: torch.device) -> Network:
    return named[0], {key: tensor.to(device) for key, tensor in named[1].items()}


def _named(file: str, of: Callable[[], Answer]) -> Answer:
    """What a network says; where its file is of another one, an error that names it."""
    try:
        return of()
    except (KeyError, RuntimeError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise WebUIError(f"{file} is not the network that it is called after: {error}") from error


def _weights(path: Path) -> Weights:
    """Also as saved from several GPUs at once."""
    return {key.removeprefix("module."): tensor.float() for key, tensor in read_tensors(path).items() if isinstance(tensor, Tensor)}


def _identity(path: Path) -> tuple[str, int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise WebUIError(f"{path.name} cannot be read: {error.strerror}.") from error
    return str(path), stat.st_size, stat.st_mtime_ns


def _image(pixels: Tensor) -> Image.Image:
    """Fractions are cut off, as in facexlib; but not those of rounding in float32."""
    return Image.fromarray((pixels + 1e-3).clamp(0, 255).to("cpu", torch.uint8).permute(1, 2, 0).contiguous().numpy())

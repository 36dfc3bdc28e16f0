from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from backend.checkpoints.placement import Placement
from backend.errors import Interrupted, WebUIError
from backend.face_files import DETECTOR, PARSER, FaceFiles
from backend.job import FaceOptions
from backend.postprocess.faces import FaceRestorers, Restored
from backend.progress import CancelToken, Event, Status
from tests.backend.postprocess.face_networks import corner_detector, face_folder, face_parser, painter, spots, white_detector

GFPGAN = FaceOptions(model="GFPGAN")
PLACEMENT = Placement(device=torch.device("cpu"))


def restore(folder: Path, image: Image.Image, detector: Mapping[str, Tensor] | None = None, parser: Mapping[str, Tensor] | None = None) -> Restored:
    files = face_folder(folder, detector or white_detector(), parser)
    return FaceRestorers(files, PLACEMENT, painter).restore(image, GFPGAN, on_event=lambda event: None, cancel=CancelToken())


def changed(before: Image.Image, after: Image.Image) -> NDArray[np.bool_]:
    """(h, w)"""
    return (np.asarray(before) != np.asarray(after)).any(axis=-1)


def test_a_face_is_replaced_and_the_rest_stays_bit_for_bit(tmp_path: Path):
    picture = spots((320, 320), (160, 96))
    done = restore(tmp_path, picture)
    where = changed(picture, done.image)
    assert done.faces == 1 and done.image.getpixel((164, 100)) == (0, 255, 0)
    assert where[88:112, 152:176].mean() > 0.9
    where[84:116, 148:180] = False  # the square of 64 pixels, in a picture of half the size
    assert not where.any()


def test_each_of_several_faces_is_replaced(tmp_path: Path):
    picture = spots((400, 320), (64, 64), (240, 200))
    done = restore(tmp_path, picture)
    assert done.faces == 2 and done.image.size == (400, 320)
    assert [done.image.getpixel(place) for place in ((68, 68), (244, 204), (160, 160))] == [(0, 255, 0), (0, 255, 0), picture.getpixel((160, 160))]


def test_without_a_face_the_picture_stays_as_it_is(tmp_path: Path):
    picture = spots((320, 320))
    done = restore(tmp_path, picture)
    assert done.faces == 0 and not changed(picture, done.image).any()


def test_a_face_with_eyes_too_near_to_each_other_is_passed_over(tmp_path: Path):
    picture = spots((40, 40)).resize((40, 40))
    assert restore(tmp_path, picture, corner_detector()).faces == 0
    assert restore(tmp_path, picture.resize((320, 320)), corner_detector()).faces == 1


@pytest.mark.parametrize(("kind", "pasted"), [(1, True), (18, False)])
def test_only_what_the_parser_calls_face_is_pasted(tmp_path: Path, kind: int, pasted: bool):
    picture = spots((320, 320), (160, 96))
    done = restore(tmp_path, picture, parser=face_parser(kind))
    assert done.faces == 1 and (done.image.getpixel((164, 100)) == (0, 255, 0)) == pasted
    assert changed(picture, done.image).any() == pasted


@pytest.mark.parametrize("name", [DETECTOR, PARSER])
def test_a_file_of_another_network_is_named(tmp_path: Path, name: str):
    files = face_folder(tmp_path, white_detector())
    torch.save({"other": torch.zeros(2)}, tmp_path / name)
    with pytest.raises(WebUIError, match=f"{name} is not the network"):
        FaceRestorers(files, PLACEMENT, painter).restore(spots((320, 320), (160, 96)), GFPGAN, on_event=lambda event: None, cancel=CancelToken())


@pytest.mark.parametrize("name", [DETECTOR, PARSER, "GFPGANv1.4.pth"])
def test_a_damaged_file_is_named_before_anything_is_drawn(tmp_path: Path, name: str):
    files = face_folder(tmp_path, white_detector())
    (tmp_path / name).write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(WebUIError, match=f"{name} is damaged"):
        FaceRestorers(files, PLACEMENT).load(GFPGAN, lambda event: None)


def test_what_is_missing_is_named(tmp_path: Path):
    with pytest.raises(WebUIError, match=r"GFPGAN needs GFPGANv1\.4\.pth in models/GFPGAN and detection_Resnet50_Final\.pth"):
        FaceRestorers(FaceFiles((tmp_path,), ()), PLACEMENT).load(GFPGAN, lambda event: None)


def test_an_interruption_ends_it_between_faces_and_leaves_drawn_pictures_as_they_are(tmp_path: Path):
    restorers, cancel, told = FaceRestorers(face_folder(tmp_path, white_detector()), PLACEMENT, painter), CancelToken(), list[str]()

    def stop(event: Event) -> None:
        if isinstance(event, Status):
            told.append(event.text)
            if event.text == "Restoring face 1 of 2 …":
                cancel.interrupt()

    picture = spots((400, 320), (64, 64), (240, 200))
    with pytest.raises(Interrupted):
        restorers.restore(picture, GFPGAN, on_event=stop, cancel=cancel)
    assert told[-1] == "Restoring face 1 of 2 …"
    assert restorers.restore_drawn([picture], GFPGAN, on_event=stop, cancel=cancel) == [None]


def test_files_are_read_once_and_again_when_they_change(tmp_path: Path):
    read: list[Path] = []
    files = face_folder(tmp_path, white_detector())
    restorers = FaceRestorers(files, PLACEMENT, lambda path: read.append(path) or painter(path))
    for _ in range(2):
        restorers.load(GFPGAN, lambda event: None)
    assert len(read) == 1
    torch.save({"another": torch.zeros(9)}, tmp_path / "GFPGANv1.4.pth")
    restorers.load(GFPGAN, lambda event: None)
    assert len(read) == 2


def test_weights_saved_from_several_gpus_are_the_same(tmp_path: Path):
    picture = spots((320, 320), (160, 96))
    assert restore(tmp_path, picture, {f"module.{name}": tensor for name, tensor in white_detector().items()}).faces == 1

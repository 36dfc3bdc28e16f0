"""Faces restored on the way from a text to a picture, with the shipped checkpoint and a detector that sees a face in the corner of every picture."""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from backend import generate
from backend.checkpoints.memory import Models
from backend.checkpoints.placement import Placement
from backend.checkpoints.small_vae import SmallVaes
from backend.face_files import DETECTOR
from backend.fields import to_request
from backend.flags import parse_flags
from backend.generate import Engine
from backend.job import GeneratedImage
from backend.paths import Paths
from backend.plan import plan
from backend.postprocess.faces import NO_FACE
from backend.progress import CancelToken
from backend.prompts.styles import StyleTable
from backend.settings import Settings
from tests.backend.postprocess.face_networks import corner_detector, face_folder, painter, white_detector

MODELS = Path(__file__).resolve().parents[2] / "models"
SIDE = 128


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    flags = parse_flags(["--data-dir", str(folder), "--ckpt-dir", str(MODELS / "Stable-diffusion"), "--no-half", "--no-hashing"])
    paths = Paths.from_flags(flags, folder)
    paths.ensure()
    face_folder(paths.gfpgan[0], corner_detector())
    engine = Engine.from_flags(flags, paths)
    yield Engine(Models(Placement.choose(flags), SmallVaes(paths.models)), engine.catalog, painter)


def drawn(engine: Engine, cancel: CancelToken | None = None, **asked: object) -> GeneratedImage:
    values = {"prompt": "a cat", "steps": 2, "width": SIDE, "height": SIDE, "seed": 5, "sampler_name": "Euler", **asked}
    chosen = Settings().override({"face_restoration_model": "GFPGAN"})
    decided = plan(to_request(values), chosen, engine.catalog, StyleTable([]), draw=random.Random(0))
    return engine.generate(decided.jobs[0], lambda event: None, cancel or CancelToken())[0]


def levels(image: Image.Image | None) -> NDArray[np.int16]:
    assert image is not None
    return np.asarray(image, np.int16)


def test_a_drawn_face_is_restored_and_the_picture_before_is_kept(engine: Engine):
    plain, restored = drawn(engine), drawn(engine, restore_faces=True)
    assert plain.unrestored is None and np.array_equal(levels(restored.unrestored), levels(plain.image))
    where = (levels(plain.image) != levels(restored.image)).any(axis=-1)
    assert where[9:17, 9:17].all() and not where[28:].any() and not where[:, 28:].any()  # the face is 26 pixels wide
    assert restored.complete and restored.image.getpixel((13, 13)) == (0, 255, 0)


def test_colors_are_corrected_and_kept_parts_laid_over_afterwards(engine: Engine):
    mask = Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (64, 64, SIDE, SIDE))
    picture = Image.new("RGB", (SIDE, SIDE), (200, 30, 60))
    asked = {"init_images": [picture], "mask": mask, "mask_blur": 0, "denoising_strength": 0.5, "inpaint_full_res": False}
    restored = drawn(engine, restore_faces=True, **asked)
    assert restored.unrestored is not None and restored.image.getpixel((13, 13)) == (200, 30, 60)


def test_where_no_face_is_found_the_picture_is_as_without_and_a_comment_says_so(engine: Engine):
    folder = engine.catalog.faces.detector()
    assert folder is not None
    torch.save(white_detector(), folder.parent / DETECTOR)
    try:
        restored = drawn(engine, restore_faces=True)
    finally:
        torch.save(corner_detector(), folder.parent / DETECTOR)
    assert np.array_equal(levels(restored.image), levels(drawn(engine).image)) and NO_FACE in restored.comments


class AfterDrawing(CancelToken):
    """Interrupts by itself when faces are looked for."""

    restoring = False

    @property
    def cancelled(self) -> bool:
        return self.restoring


def test_an_interruption_keeps_the_drawn_picture(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    cancel, decode = AfterDrawing(), generate.decode

    def decoded(*given: object) -> object:
        cancel.restoring = True
        return decode(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(generate, "decode", decoded)
    stopped = drawn(engine, cancel, restore_faces=True)
    monkeypatch.undo()
    assert np.array_equal(levels(stopped.image), levels(drawn(engine).image))
    assert not stopped.complete and any("Interrupted" in comment for comment in stopped.comments)

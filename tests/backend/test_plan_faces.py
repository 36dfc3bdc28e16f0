from pathlib import Path

import pytest

from backend.errors import NotFound
from backend.face_files import DETECTOR, FaceFiles
from backend.infotext import read, write
from backend.job import FaceOptions
from backend.settings import Settings
from tests.backend.fake_catalog import FakeCatalog
from tests.backend.planned import CATALOG, planned


@pytest.fixture
def catalog(tmp_path: Path) -> FakeCatalog:
    """With the files of GFPGAN, and no others."""
    for name in ("GFPGANv1.4.pth", DETECTOR):
        (tmp_path / name).touch()
    catalog = FakeCatalog(CATALOG.entries("checkpoint"))
    catalog.faces = FaceFiles((tmp_path,), ())
    return catalog


def test_faces_are_restored_where_the_request_or_else_the_setting_says(catalog: FakeCatalog):
    chosen = {"face_restoration_model": "GFPGAN", "face_restoration_unload": True}
    assert planned(chosen, catalog).jobs[0].faces is None
    assert planned(chosen, catalog, restore_faces=True).jobs[0].faces == FaceOptions(model="GFPGAN", weight=0.5, unload=True)
    on = {**chosen, "face_restoration": True}
    assert planned(on, catalog).jobs[0].faces is not None
    assert planned(on, catalog, restore_faces=False).jobs[0].faces is None


def test_the_infotext_says_by_what_behind_the_seed(catalog: FakeCatalog):
    text = write(planned({"face_restoration_model": "GFPGAN"}, catalog, restore_faces=True), 0, {})
    labels = list(read(text))
    assert read(text)["Face restoration"] == "GFPGAN" and labels.index("Face restoration") == labels.index("Seed") + 1
    assert "Face restoration" not in write(planned({}, catalog), 0, {})


def test_gfpgan_stands_in_for_codeformer_and_says_so(catalog: FakeCatalog):
    decided = planned({}, catalog, restore_faces=True)
    assert Settings()["face_restoration_model"] == "CodeFormer"
    assert decided.jobs[0].faces == FaceOptions(model="GFPGAN")
    assert any(comment.startswith("Faces are restored by GFPGAN. CodeFormer needs") for comment in decided.comments)


def test_what_cannot_be_used_is_refused_with_what_is_missing_and_what_is_there(catalog: FakeCatalog):
    with pytest.raises(NotFound, match=r"RestoreFormer needs RestoreFormer.pth in models/GFPGAN\..* There is GFPGAN\."):
        planned({"face_restoration_model": "RestoreFormer"}, catalog, restore_faces=True)
    with pytest.raises(NotFound, match=r"Faces cannot be restored\. CodeFormer needs"):
        planned({}, CATALOG, restore_faces=True)

from pathlib import Path

import pytest

from backend.face_files import CODEFORMER, DETECTOR, GFPGAN, PARSER, RESTOREFORMER, FaceFiles
from backend.flags import parse_flags
from backend.paths import Paths


def put(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_the_newest_gfpgan_is_taken_and_others_in_the_folder_are_told_apart(tmp_path: Path):
    put(tmp_path, "GFPGANv1.3.pth", "GFPGANv1.4.pth", "notes about GFPGAN.txt", "RestoreFormer.pth", DETECTOR)
    files = FaceFiles((tmp_path,), (tmp_path / "none",))
    assert files.usable() == (GFPGAN, RESTOREFORMER)
    assert (files.restorer(GFPGAN), files.restorer(RESTOREFORMER)) == (tmp_path / "GFPGANv1.4.pth", tmp_path / "RestoreFormer.pth")
    assert (files.detector(), files.parser()) == (tmp_path / DETECTOR, None)


def test_a_restorer_alone_cannot_be_used_and_the_sentence_says_what_is_missing(tmp_path: Path):
    put(tmp_path, "GFPGANv1.4.pth")
    files = FaceFiles((tmp_path,), ())
    assert files.usable() == ()
    assert files.missing(GFPGAN) == f"GFPGAN needs {DETECTOR} in models/GFPGAN. Nothing is downloaded: see docs/extras.md."
    put(tmp_path, DETECTOR)
    assert files.missing(GFPGAN) == ""


@pytest.mark.parametrize("code", [True, False])
def test_codeformer_needs_code_that_does_not_come_with_the_program(tmp_path: Path, code: bool):
    put(tmp_path, "codeformer-v0.1.0.pth", DETECTOR, PARSER)
    files = FaceFiles((), (tmp_path,), codeformer_code=code)
    assert (CODEFORMER in files.usable()) == code
    assert ("forbids commercial use" in files.missing(CODEFORMER)) != code


def test_the_flags_name_folders_and_a_file(tmp_path: Path):
    put(tmp_path / "a", "mine_GFPGAN.pth")
    put(tmp_path / "b", DETECTOR)
    put(tmp_path / "c", "anything.pth")
    flags = ["--data-dir", str(tmp_path), "--gfpgan-models-path", str(tmp_path / "a"), "--gfpgan-dir", str(tmp_path / "b")]
    files = FaceFiles.of(Paths.from_flags(parse_flags(flags), tmp_path))
    assert (files.restorer(GFPGAN), files.detector()) == (tmp_path / "a/mine_GFPGAN.pth", tmp_path / "b" / DETECTOR)
    named = FaceFiles.of(Paths.from_flags(parse_flags([*flags, "--gfpgan-model", str(tmp_path / "c/anything.pth")]), tmp_path))
    assert named.restorer(GFPGAN) == tmp_path / "c/anything.pth"


def test_an_unknown_name_is_answered_with_the_known_ones():
    assert FaceFiles((), ()).missing("Magic") == "There is no face restoration by 'Magic'. Known: CodeFormer, GFPGAN, RestoreFormer."

import time
from pathlib import Path

import pytest

from backend.job import FileRef
from backend.marks import NONE, Mark, Marks

INK, HASH = "styles/ink.safetensors", "a" * 64


def test_marks_outlive_the_program(tmp_path: Path):
    marks, before = Marks(tmp_path / "library.db"), int(time.time())
    marks.set_favourite("lora", INK, "", True)
    marks.count("lora", [FileRef(name=INK), FileRef(name="other.safetensors")])
    marks.count("lora", [FileRef(name=INK)])
    marks.close()
    again = Marks(tmp_path / "library.db")
    mark = again.of("lora", INK)
    assert (mark.favourite, mark.uses, again.of("lora", "other.safetensors").uses, again.of("vae", INK)) == (True, 2, 1, NONE)
    assert before <= mark.used <= time.time()
    again.close()


def test_a_renamed_file_keeps_them_by_its_hash(tmp_path: Path):
    marks = Marks(tmp_path / "library.db")
    marks.set_favourite("lora", INK, "", True)  # not hashed yet
    assert marks.of("lora", "new.safetensors", HASH) == NONE
    assert marks.of("lora", INK, HASH).favourite  # now it is
    marks.close()
    again = Marks(tmp_path / "library.db")
    assert again.of("lora", "new.safetensors", HASH) == Mark(HASH, True, 0, 0)
    again.count("lora", [FileRef(name="new.safetensors", hash=HASH)])
    assert (again.of("lora", "new.safetensors", HASH).favourite, again.of("lora", "new.safetensors").uses) == (True, 1)
    again.close()


def test_a_damaged_file_of_marks_is_put_aside_and_not_deleted(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "library.db"
    path.write_bytes(b"no database at all, " * 100)
    marks = Marks(path)
    marks.set_favourite("lora", INK, "", True)
    marks.close()
    assert (tmp_path / "library.db.damaged").read_bytes().startswith(b"no database")
    assert "kept as library.db.damaged" in caplog.text

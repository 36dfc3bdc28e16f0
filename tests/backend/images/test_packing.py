import io
import zipfile
from pathlib import Path

from backend.images.packing import PIECE, pack


def test_a_zip_holds_each_file_as_it_is_under_a_name_of_its_own(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(bytes(range(256)) * (PIECE // 100))
    pieces = list(pack([("a.png", large), ("b.png", b"two"), ("a.png", b"three"), ("gone.png", tmp_path / "gone.png")]))
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.png": large.read_bytes(), "b.png": b"two", "2-a.png": b"three"}


def test_no_piece_is_much_larger_than_what_is_read_at_once(tmp_path: Path) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(bytes(PIECE * 5))
    assert max(map(len, pack([("x.png", file)]))) < PIECE * 1.1


def test_nothing_makes_an_empty_zip() -> None:
    assert zipfile.ZipFile(io.BytesIO(b"".join(pack([])))).namelist() == []

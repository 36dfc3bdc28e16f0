import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.flags import parse_flags
from backend.model_folders import ModelFolders, natural_order
from backend.paths import Paths

NAMES = st.text(alphabet="ab1029²-_ .äÄ", max_size=12)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths.from_flags(parse_flags(["--data-dir", str(tmp_path)]), tmp_path)
    paths.ensure()
    return paths


def plain_order(text: str) -> list[str | int]:
    """Texts and numbers in turns."""
    return [int(part) if number else part.lower() for part, number in zip(re.split(r"([0-9]+)", text), [False, True] * len(text), strict=False)]


@given(st.lists(NAMES, max_size=8))
def test_numbers_count_by_their_value_and_case_does_not(names: list[str]):
    assert sorted(names, key=natural_order) == sorted(names, key=plain_order)


def test_a_long_number_is_no_trouble():
    assert sorted(["9" * 250, "1" + "0" * 250, "10", "9"], key=natural_order) == ["9", "10", "9" * 250, "1" + "0" * 250]


def test_one_look_at_a_file_tells_what_a_look_at_all_tells(paths: Paths):
    for name in ("a.safetensors", "sub/b.safetensors", "sub/deep/c.PT", "sub/b.json", "sub/b.preview.png", "a.txt"):
        path = paths.loras[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    folders = ModelFolders(paths)
    found = folders.found("lora")
    assert sorted(each.name for each in found.values()) == ["a.safetensors", "sub/b.safetensors", "sub/deep/c.PT"]
    for path, each in found.items():
        assert folders.found_at("lora", path) == {path: each}
    assert folders.found_at("lora", str(paths.loras[0] / "sub")) == {path: each for path, each in found.items() if each.name.startswith("sub/")}
    assert [name for name, _, _ in found[str(paths.loras[0] / "sub/b.safetensors")].beside] == ["b.json", "b.preview.png"]


def test_what_lies_outside_or_is_called_otherwise_is_not_found(paths: Paths):
    (paths.data / "secret.safetensors").write_text("")
    (paths.loras[0] / "x.part").write_text("")
    folders = ModelFolders(paths)
    for path in (paths.data / "secret.safetensors", paths.loras[0] / "x.part", paths.loras[0] / "nothing.safetensors"):
        assert folders.found_at("lora", str(path)) == {}


def test_a_folder_is_entered_by_its_own_name_before_any_link(paths: Paths):
    real = paths.loras[0] / "z"
    real.mkdir()
    (paths.loras[0] / "a").symlink_to(real)
    (real / "x.pt").write_text("x")
    assert [each.name for each in ModelFolders(paths).found("lora").values()] == ["z/x.pt"]

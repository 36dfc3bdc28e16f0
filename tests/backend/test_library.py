import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.library import MOST, Library, Query
from backend.paths import Paths
from tests.backend.opens import opened_files
from tests.backend.stage import write_safetensors

NOTES = {
    "ink": {"description": "Black LINES on paper", "activation text": "ink drawing", "preferred weight": 0.7, "sd version": "SD1", "civitai": 3},
    "styles/oil 10": {"notes": "from the museum", "preferred weight": "much"},
}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    paths = Paths.from_flags(parse_flags(["--data-dir", str(tmp_path)]), tmp_path)
    paths.ensure()
    for number, name in enumerate(("ink", "styles/oil 2", "styles/oil 10", "styles/old/ink", "styles2/x")):
        path = write_safetensors(paths.loras[0] / f"{name}.safetensors", {"ss_output_name": f"trained {number}", "n": "x" * (9 - number)})
        os.utime(path, (0, 100 - number))
        if notes := NOTES.get(name):
            path.with_suffix(".json").write_text(json.dumps(notes))
    hashes = HashCache(paths.cache / "hashes.db")
    yield Catalog(paths, hashes)
    hashes.close()


@pytest.fixture
def library(catalog: Catalog) -> Library:
    return Library(catalog)


def files(library: Library, query: Query) -> list[str]:
    entries = library.page("lora", query)["entries"]
    assert isinstance(entries, list)
    return [entry["file"].removesuffix(".safetensors") for entry in entries]


def test_a_page_tells_what_a_card_needs(library: Library):
    page = library.page("lora", Query(count=1))
    assert (page["total"], page["found"], page["refused"]) == (5, 5, [])
    assert page["folders"] == {"": 1, "styles": 2, "styles/old": 1, "styles2": 1}
    (entry,) = page["entries"]  # type: ignore[misc]
    assert {key: entry[key] for key in ("name", "file", "stem", "alias", "folder", "modified", "weight")} == {
        "name": "ink.safetensors",  # "ink" means this one and styles/old/ink
        "file": "ink.safetensors",
        "stem": "ink",
        "alias": "trained 0",
        "folder": "",
        "modified": 100,
        "weight": 0.7,
    }
    assert (entry["activation text"], entry["sd version"], entry["notes"]) == ("ink drawing", "SD1", "")
    assert json.dumps(page)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("", ["ink", "styles/oil 2", "styles/oil 10", "styles2/x", "styles/old/ink"]),  # A1111's natural order
        ("INK", ["ink", "styles/old/ink"]),
        ("lines paper", ["ink"]),
        ("museum", ["styles/oil 10"]),
        ("trained 4", ["styles2/x"]),
        ("oil museum ink", []),
    ],
)
def test_every_word_is_looked_for_in_names_and_notes(library: Library, search: str, expected: list[str]):
    assert files(library, Query(search=search)) == expected


def test_a_hash_finds_its_file(library: Library, catalog: Catalog):
    digest = catalog.hashed(catalog.entries("lora")[2]).hash
    assert files(library, Query(search=digest[:10])) == ["styles/oil 10"]


def test_a_folder_has_its_subfolders_and_not_its_neighbours(library: Library):
    assert files(library, Query(folder="styles")) == ["styles/oil 2", "styles/oil 10", "styles/old/ink"]
    assert files(library, Query(folder="styles/old/")) == ["styles/old/ink"]
    assert files(library, Query(folder="../..")) == []


def test_the_order_is_as_asked(library: Library):
    assert files(library, Query(descending=True)) == files(library, Query())[::-1]
    by_age = ["styles2/x", "styles/old/ink", "styles/oil 10", "styles/oil 2", "ink"]
    assert files(library, Query(sort="date")) == files(library, Query(sort="size")) == by_age
    assert files(library, Query(sort="date", descending=True)) == by_age[::-1]
    assert files(library, Query(sort="name")) == ["ink", "styles/old/ink", "styles/oil 10", "styles/oil 2", "styles2/x"]
    with pytest.raises(WebUIError, match=r"Unknown order 'colour'\. Known: path, name, date, size"):
        library.page("lora", Query(sort="colour"))


def test_pages_together_are_the_whole(library: Library):
    assert [name for start in (0, 2, 4, 6) for name in files(library, Query(start=start, count=2))] == files(library, Query())
    assert files(library, Query(start=-3, count=-1)) == []
    assert len(files(library, Query(count=MOST * 10))) == 5


def test_notes_are_read_once_and_again_when_they_change(library: Library, catalog: Catalog):
    files(library, Query(search="museum"))
    with opened_files() as opened:
        files(library, Query(search="museum"))
    assert opened == []
    notes = catalog.entries("lora")[2].path.with_suffix(".json")
    notes.write_text('{"notes": "from the attic"}')
    catalog.look_at([notes])
    assert files(library, Query(search="attic")) == ["styles/oil 10"]
    assert files(library, Query(search="museum")) == []


def test_what_is_not_offered_is_told_with_the_reason(library: Library, catalog: Catalog):
    path = catalog.entries("lora")[0].path
    path.write_bytes(path.read_bytes()[:-1])
    catalog.look_at([path])
    assert library.page("lora", Query())["refused"] == [
        {"name": "ink.safetensors", "reason": "ink.safetensors is cut off (1 bytes are missing): download it again."}
    ]

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.job import FileRef
from backend.library import MOST, Library, Query
from backend.marks import Marks
from backend.paths import Paths
from backend.safetensors_header import read_header
from backend.thumbnails import picture_version
from tests.backend.opens import opened_files
from tests.backend.stage import write_safetensors
from tests.header_items import Item, read_item

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
def library(catalog: Catalog, tmp_path: Path) -> Iterator[Library]:
    library = Library(catalog, Marks(tmp_path / "library.db"))
    yield library
    library.close()


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


# --------------------------------------------------------------------------- what files are, and what they fit

DEMO = Path(__file__).parent.parent.parent / "models"


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Library]:
    """The demo checkpoint; a LoRA of its own, one with a layer too many, one for SDXL, one for nothing known, an embedding among the LoRAs."""
    paths = Paths.from_flags(parse_flags(["--data-dir", str(tmp_path)]), tmp_path)
    paths.ensure()
    shutil.copy(DEMO / "Stable-diffusion/demo-emoji.safetensors", paths.checkpoints[0])
    neon = read_header(Path(shutil.copy(DEMO / "Lora/demo/neon.safetensors", paths.loras[0])))
    more = {name: info.shape for name, info in neon.tensors.items()} | {"lora_unet_x.lora_down.weight": (4, 8), "lora_unet_x.lora_up.weight": (8, 4)}
    Item("more", {}, frozenset(), more, neon.metadata).write(paths.loras[0] / "more.safetensors")
    for name in ("sdxl_lora_kohya-ldm_inv_alien", "sd1_ti_inv_easynegative"):
        read_item(name).write(paths.loras[0] / f"{name}.safetensors")
    write_safetensors(paths.loras[0] / "odd.safetensors")
    (paths.loras[0] / "old.pt").write_bytes(b"pickle")
    hashes = HashCache(paths.cache / "hashes.db")
    library = Library(Catalog(paths, hashes), Marks(tmp_path / "library.db"))
    yield library
    library.close()
    hashes.close()


def shown(library: Library, **query: object) -> dict[str, dict[str, object]]:
    """By stem."""
    entries = library.page("lora", Query(**query))["entries"]  # type: ignore[arg-type]
    assert isinstance(entries, list)
    return {entry["stem"]: entry for entry in entries}


def test_each_file_tells_what_it_is_and_what_of_it_fits_the_checkpoint(mixed: Library):
    told = {stem: (entry["kind"], entry["rank"], entry["family"], entry["fits"], entry["fits_text"]) for stem, entry in shown(mixed).items()}
    assert told == {
        "neon": ("LoCon", 8, "SD1", "all", "144 of 144 layers"),
        "more": ("LoCon", 8, "SD1", "part", "144 of 145 layers, because the checkpoint has no lora_unet_x"),
        "sdxl_lora_kohya-ldm_inv_alien": ("LoRA", 32, "SDXL", "none", "not at all, because it is for SDXL and the checkpoint is SD1"),
        "sd1_ti_inv_easynegative": ("TI embedding", None, "SD1", "none", "not at all, because it is a TI embedding, no LoRA"),
        "odd": ("unknown", None, "unknown", "none", "not at all, because it is of an unknown kind, no LoRA"),
        "old": ("", None, "", "", ""),
    }
    page = mixed.page("lora", Query())
    assert page["checkpoint"] == {"name": "demo-emoji.safetensors", "family": "SD1"}
    assert page["families"] == {"SD1": 3, "SDXL": 1, "unknown": 1, "": 1}


def test_what_fits_is_asked_of_the_files_once_and_of_the_cache_after_a_restart(mixed: Library, tmp_path: Path):
    shown(mixed)
    with opened_files() as opened:
        first = shown(mixed, fits="all,part,none,")
        again = Library(Catalog(Paths.from_flags(parse_flags(["--data-dir", str(tmp_path)]), tmp_path), mixed.catalog.hashes), mixed.marks)
        assert shown(again) == first
    assert [path for path in opened if path.endswith(".safetensors")] == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"fits": "all"}, {"neon"}),
        ({"fits": "all,part"}, {"neon", "more"}),
        ({"family": "SDXL"}, {"sdxl_lora_kohya-ldm_inv_alien"}),
        ({"family": "SD1", "fits": "none"}, {"sd1_ti_inv_easynegative"}),
        ({"family": "SD1,unknown", "search": "odd"}, {"odd"}),
        ({"fits": "damaged"}, set()),
    ],
)
def test_a_page_can_be_of_one_family_or_of_what_fits(mixed: Library, query: dict[str, object], expected: set[str]):
    assert shown(mixed, **query).keys() == expected


def test_a_persons_word_about_the_family_counts(mixed: Library):
    sidecar = mixed.catalog.entries("lora")[0].path.with_name("odd.json")
    sidecar.write_text('{"sd version": "SDXL"}')
    mixed.catalog.look_at([sidecar])
    assert shown(mixed)["odd"]["family"] == "SDXL"
    assert shown(mixed, family="SDXL").keys() == {"odd", "sdxl_lora_kohya-ldm_inv_alien"}
    sidecar.write_text('{"sd version": "Unknown"}')
    mixed.catalog.look_at([sidecar])
    assert shown(mixed)["odd"]["family"] == "unknown"


def test_another_checkpoint_is_another_fit(mixed: Library):
    folder = mixed.catalog.entries("checkpoint")[0].path.parent
    read_item("sdxl_unet_diffusers_inv").write(folder / "xl.safetensors")
    mixed.catalog.refresh()
    told = shown(mixed, checkpoint="xl.safetensors")
    assert (told["neon"]["fits"], told["sdxl_lora_kohya-ldm_inv_alien"]["fits"]) == ("none", "part")  # no text encoder lies in that file
    assert shown(mixed, checkpoint="demo-emoji.safetensors")["neon"]["fits"] == "all"


def test_a_search_finds_the_tags_of_the_training_set(catalog: Catalog, library: Library):
    folder = catalog.entries("lora")[0].path.parent
    write_safetensors(folder / "a.safetensors", {"ss_tag_frequency": '{"1_x": {"Red Hair": 3, "smile": 9}, "2_y": {"red hair": 1, "hat": 4}}'})
    write_safetensors(folder / "b.safetensors", {"ss_tag_frequency": '{"1_x": {"smile": 2}}'})
    write_safetensors(folder / "c.safetensors", {"ss_tag_frequency": '[{"smile": 2}]'})
    catalog.refresh()
    assert files(library, Query(search="smile")) == ["a", "b"]
    assert files(library, Query(search="RED smil")) == ["a"]
    assert files(library, Query(search="hair ink")) == []
    assert shown(library)["a"]["tags"] == ["smile", "hat", "Red Hair", "red hair"]
    (folder / "a.safetensors").unlink()
    write_safetensors(folder / "b.safetensors", {"ss_tag_frequency": '{"1_x": {"frown": 2}}'})
    catalog.refresh()
    assert (files(library, Query(search="smile")), files(library, Query(search="frown"))) == ([], ["b"])


def test_last_used_and_most_used_first(library: Library):
    library.marks.count("lora", [FileRef(name="styles/oil 2.safetensors"), FileRef(name="ink.safetensors")])
    library.marks.count("lora", [FileRef(name="ink.safetensors")])
    library.marks.count("vae", [FileRef(name="styles2/x.safetensors")])
    assert files(library, Query(sort="uses", descending=True))[:2] == ["ink", "styles/oil 2"]
    assert set(files(library, Query(sort="used", descending=True))[:2]) == {"ink", "styles/oil 2"}
    assert [shown(library)[stem]["uses"] for stem in ("oil 2", "x")] == [1, 0]


def test_favourites_alone(library: Library):
    library.marks.set_favourite("lora", "styles2/x.safetensors", "", True)
    assert files(library, Query(favourites=True)) == ["styles2/x"]
    assert shown(library)["x"]["favourite"] is True


def test_files_with_the_same_bytes_name_each_other(library: Library, catalog: Catalog):
    entry = catalog.entries("lora")[1]
    shutil.copy(entry.path, entry.path.with_name("copy.safetensors"))
    catalog.refresh()
    for each in catalog.entries("lora"):
        catalog.hashed(each)
    told = shown(library)
    assert (told["copy"]["duplicates"], told["oil 2"]["duplicates"], told["x"]["duplicates"]) == (["styles/oil 2"], ["styles/copy"], [])


@pytest.mark.parametrize("beside", [(), (".png",), (".preview.png",), (".jpg", ".preview.png"), (".txt", ".json", ".gif")])
def test_a_page_names_the_picture_that_the_thumbnail_is_made_of(library: Library, catalog: Catalog, beside: tuple[str, ...]):
    entry = next(entry for entry in catalog.entries("lora") if entry.stem == "x")
    for suffix in beside:
        entry.path.with_suffix(suffix).write_bytes(suffix.encode())
    catalog.refresh()
    assert shown(library)["x"]["picture"] == (picture_version(entry.path) if {".png", ".preview.png", ".jpg", ".gif"} & {*beside} else "")
    assert ("x" in {entry.stem for entry in library.without_picture("lora")}) == (not shown(library)["x"]["picture"])


def test_a_cover_in_the_file_is_a_picture_too(library: Library, catalog: Catalog, tmp_path: Path):
    covered = write_safetensors(catalog.entries("lora")[0].path.with_name("covered.safetensors"), {"ssmd_cover_images": '["iVBORw0KGgo="]'})
    catalog.look_at([covered])
    assert shown(library)["covered"]["picture"] == picture_version(covered)

"""Stars in a model's notes: written, refused, and a sort order of the list."""

import json
from pathlib import Path

import pytest

from backend.errors import WebUIError
from backend.library import Query
from backend.notes import read_notes, write_notes
from tests.backend.stage import open_service, write_safetensors


def test_a_rating_stands_under_a_key_of_its_own_beside_what_others_wrote(tmp_path: Path):
    model = tmp_path / "ink.safetensors"
    model.with_suffix(".json").write_text('{"description": "black", "other program": 1}')
    write_notes(model, {"rating": 4})
    assert json.loads(model.with_suffix(".json").read_text()) == {"description": "black", "other program": 1, "rating": 4}
    assert read_notes(model)["rating"] == 4
    write_notes(model, {"rating": 0})
    assert json.loads(model.with_suffix(".json").read_text()) == {"description": "black", "other program": 1}


@pytest.mark.parametrize("rating", [6, -1, "good", 2.5, True])
def test_what_is_no_number_of_stars_is_refused(tmp_path: Path, rating: object):
    with pytest.raises(WebUIError, match="1 to 5 stars"):
        write_notes(tmp_path / "ink.safetensors", {"rating": rating})


def test_the_list_tells_the_rating_and_is_sorted_by_it(tmp_path: Path):
    service = open_service(tmp_path)
    try:
        for name, rating in (("bad", 1), ("good", 5), ("odd", "many")):
            path = tmp_path / f"models/Lora/{name}.safetensors"
            write_safetensors(path, {"which": name})
            path.with_suffix(".json").write_text(json.dumps({"rating": rating}))
        service.catalog.refresh()
        page = service.library.page("lora", Query(sort="rating", descending=True))
        told = [(entry["stem"], entry["rating"]) for entry in page["entries"]]  # type: ignore[attr-defined]
        assert told[:2] == [("good", 5), ("bad", 1)]
        assert {rating for _, rating in told[2:]} == {0}
    finally:
        service.close()

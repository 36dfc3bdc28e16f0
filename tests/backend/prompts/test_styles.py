import logging
from pathlib import Path

import pytest

from backend.prompts.styles import Style, StyleTable

CSV = 'name,prompt,negative_prompt\nCinematic,"still, {prompt}, grain","cartoon"\nTagged,"best quality", worst\n,ignored,\n'


@pytest.fixture
def table(tmp_path: Path) -> StyleTable:
    file = tmp_path / "styles.csv"
    file.write_text(CSV, encoding="utf-8-sig")
    return StyleTable.read([file])


def test_a_style_surrounds_or_follows_the_prompt(table: StyleTable):
    assert table.apply("a cat", "", ["Cinematic"]) == ("still, a cat, grain", "cartoon")
    assert table.apply(" a cat ", "ugly", ["Tagged"]) == ("a cat, best quality", "ugly, worst")


def test_styles_are_merged_one_after_the_other(table: StyleTable):
    assert table.apply("a cat", "", ["Tagged", "Cinematic"]) == ("still, a cat, best quality, grain", "worst, cartoon")


def test_no_styles_change_nothing_at_all(table: StyleTable):
    assert table.apply(" a cat ", " x ", []) == (" a cat ", " x ")


def test_unknown_styles_are_named_and_change_only_blanks(table: StyleTable):
    assert table.unknown(["Tagged", "nope"]) == ("nope",)
    assert table.apply(" a cat ", "x", ["nope"]) == ("a cat", "x")


def test_old_files_call_the_prompt_text(tmp_path: Path):
    file = tmp_path / "styles.csv"
    file.write_text("name,text\nOld,in oil\n")
    assert StyleTable.read([file]).styles == {"Old": Style(name="Old", prompt="in oil")}


def test_a_later_file_wins_and_a_missing_one_is_nothing(tmp_path: Path, table: StyleTable):
    more = tmp_path / "more.csv"
    more.write_text("name,prompt,negative_prompt\nTagged,other,\n")
    both = StyleTable.read([tmp_path / "styles.csv", tmp_path / "missing.csv", more])
    assert both.styles["Tagged"].prompt == "other"
    assert set(both.styles) == {"Cinematic", "Tagged"}


def test_a_file_that_is_no_text_is_logged_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    file = tmp_path / "styles.csv"
    file.write_bytes(b"name,prompt\n\xff\xfe\x00")
    with caplog.at_level(logging.WARNING):
        assert StyleTable.read([file]).styles == {}
    assert "styles.csv" in caplog.text

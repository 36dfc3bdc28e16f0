"""styles.csv on disk."""

import os
from pathlib import Path

import pytest

from backend.errors import WebUIError
from backend.prompts.style_file import StyleFiles
from backend.prompts.styles import Style


def test_a_file_that_changes_is_read_again(tmp_path: Path):
    file = tmp_path / "styles.csv"
    files = StyleFiles([file])
    assert not files.table.styles
    file.write_text("name,prompt,negative_prompt\nInk,ink drawing,photo\n", "utf-8")
    assert files.table.styles == {"Ink": Style(name="Ink", prompt="ink drawing", negative_prompt="photo")}
    assert files.table is files.table
    file.write_text("name,prompt,negative_prompt\nOil,oil painted,,\n", "utf-8")
    os.utime(file, ns=(1, 1))
    assert list(files.table.styles) == ["Oil"]


def test_what_is_saved_comes_back_whole_and_the_file_before_is_kept(tmp_path: Path):
    files = StyleFiles([tmp_path / "styles.csv"])
    first, second = Style(name='a "quoted", name', prompt="{prompt},\nof two lines"), Style(name="ÄÖ", negative_prompt="x, y")
    files.save(first)
    files.save(second)
    assert list(StyleFiles([tmp_path / "styles.csv"]).table.styles.values()) == [first, second]
    assert list(StyleFiles([tmp_path / "styles.csv.bak"]).table.styles.values()) == [first]


def test_a_changed_style_goes_into_the_file_that_it_comes_from(tmp_path: Path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    StyleFiles([one]).save(Style(name="a", prompt="1"))
    StyleFiles([two]).save(Style(name="b", prompt="1"))
    both = StyleFiles([one, two])
    both.save(Style(name="b", prompt="2"))
    both.save(Style(name="c", prompt="3"))
    assert {name: style.prompt for name, style in StyleFiles([two]).table.styles.items()} == {"b": "2"}
    assert {name: style.prompt for name, style in StyleFiles([one]).table.styles.items()} == {"a": "1", "c": "3"}
    both.delete("b")
    assert list(both.table.styles) == ["a", "c"]


def test_nameless_and_unknown_styles_are_refused(tmp_path: Path):
    files = StyleFiles([tmp_path / "styles.csv"])
    with pytest.raises(WebUIError, match="needs a name"):
        files.save(Style(name=" "))
    with pytest.raises(WebUIError, match="no style 'x'"):
        files.delete("x")

import sqlite3
from pathlib import Path

import pytest

from backend.database import Database

TABLE = "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text TEXT)"


def test_what_was_written_is_there_after_a_new_start(tmp_path: Path):
    for text in ("first", "second"):
        database = Database(tmp_path / "cache" / "x.db")
        database.create((TABLE,))
        database.write("INSERT OR REPLACE INTO notes VALUES (?, ?)", [("a", text), (text, "")])
        database.close()
    database = Database(tmp_path / "cache" / "x.db")
    assert sorted(database.rows("SELECT * FROM notes")) == [("a", "second"), ("first", ""), ("second", "")]
    assert database.rows("SELECT text FROM notes WHERE name = ?", ("a",)) == [("second",)]
    database.close()


def test_of_rows_one_of_which_is_impossible_none_is_written(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    database = Database(tmp_path / "x.db")
    database.create((TABLE,))
    database.write("INSERT INTO notes VALUES (?, ?)", [("a", ""), ("a", "")])
    assert database.rows("SELECT * FROM notes") == []
    assert "x.db cannot be written" in caplog.text
    database.close()


def test_a_page_that_is_damaged_counts_as_not_known(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    database = Database(tmp_path / "x.db")
    database.create((TABLE,))
    database.write("INSERT INTO notes VALUES (?, ?)", [(str(n), "x" * 1000) for n in range(50)])
    database.close()
    content = (tmp_path / "x.db").read_bytes()
    (tmp_path / "x.db").write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    database = Database(tmp_path / "x.db")
    assert database.rows("SELECT * FROM notes") == []
    assert "x.db cannot be read" in caplog.text
    database.close()


def test_a_mistake_of_ours_is_not_hidden(tmp_path: Path):
    database = Database(tmp_path / "x.db")
    database.close()
    with pytest.raises(sqlite3.ProgrammingError):
        database.rows("SELECT 1")

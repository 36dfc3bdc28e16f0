"""Bodies that only Python takes for JSON."""

import json

import pytest
from fastapi import HTTPException

from backend.api.strict_json import parse


@pytest.mark.parametrize("body", ["NaN", '{"a": [Infinity]}', "-Infinity", "1e999", r'"\ud800"', r'{"\uDE00": 1}', "[" * 100_000, "\xff"])
def test_what_no_answer_could_carry_back_is_refused(body: str):
    with pytest.raises(HTTPException) as refused:
        parse(body.encode("latin-1"))
    assert refused.value.status_code == 422


@pytest.mark.parametrize("value", [{"a": [1, 2.5, -1e300, None, True, "\U0001f600 é"]}, "\ud7ff", [], 1e308])
def test_all_else_comes_through(value: object):
    assert parse(json.dumps(value).encode()) == value


def test_what_is_no_json_at_all_stays_fastapis_affair():
    with pytest.raises(json.JSONDecodeError):
        parse(b"{")

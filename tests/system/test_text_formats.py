"""JSON is read strictly, by whichever of the two parsers."""

from __future__ import annotations

import gc
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcl.system.errors import InputError
from rcl.system.text_formats import csv_text, parse_csv, parse_json

text = st.text(st.sampled_from('ab:"\\{},é\n'), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_json_comes_back(value: object) -> None:
    assert parse_json(json.dumps(value), "a.json") == value
    assert gc.isenabled()


@given(values, text, st.sampled_from(["{}", '[1, {{"x": {}}}]', '{{":": {}}}']))
def test_repeated_keys_are_refused_at_any_depth(value: object, key: str, around: str) -> None:
    pair = f"{json.dumps(key)}: {json.dumps(value)}"
    with pytest.raises(InputError, match=r"expected every name once, found .* twice"):
        parse_json(around.format(f'{{{pair}, "other": 1, {pair}}}' if key != "other" else f"{{{pair}, {pair}}}"), "a")
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "an empty file"),
        ('{"a": 1,\n "b" 2}', "line 2, column 6"),
        ("[" * 100_000, "ordinary JSON"),
        ("1" * 5000, "ordinary JSON"),
        ("[01]", "complete JSON"),
    ],
)
def test_damaged_json_is_refused(content: str, found: str) -> None:
    with pytest.raises(InputError, match=found):
        parse_json(content, "a.json")


def test_lone_surrogates_and_large_numbers_are_read() -> None:
    assert parse_json('["\\ud800", 1e400, NaN]', "a")[:2] == ["\ud800", float("inf")]
    assert parse_json("[" * 250 + "]" * 250, "a") == json.loads("[" * 250 + "]" * 250)
    assert parse_json(str(10**400), "a") == 10**400


@given(st.lists(st.tuples(text, text), min_size=1))
def test_tables_come_back(rows: list[tuple[str, str]]) -> None:
    table = csv_text([("a", "b"), *rows], line_end="\r\n")
    found = parse_csv(table, "a.csv", ("a", "b"))
    assert [(row["a"], row["b"]) for _, row in found] == [row for row in rows if "".join(row).strip()]

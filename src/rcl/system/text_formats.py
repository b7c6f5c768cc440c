"""JSON and CSV: strict parsing of what users and other tools write, and the one writer of tables."""

from __future__ import annotations

import contextlib
import csv
import gc
import io
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rcl.system.errors import InputError, shown

log = logging.getLogger("rcl")

# -- JSON --------------------------------------------------------------------------------------------------------


class _RepeatedKey(ValueError):
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what ``json`` would silently overwrite: two entries of one name."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _RepeatedKey(next(key for key, _ in pairs if counts[key] > 1))
    return entries


@contextlib.contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Keep the collector from walking over a growing result again and again.

    Parsing 492,600 detections takes 0.3 s of processor time with the collector paused, and 1.2 s otherwise.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def check_object(data: object, source: object) -> dict[str, Any]:
    """The content of a JSON file, if it is an object.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(data, dict):
        found = f"a {type(data).__name__}"
        raise InputError(source, expected="a JSON object {…}", found=found, fix="give another file")
    return data


@garbage_collection_paused()
def parse_json(text: str, source: object) -> Any:
    """The value that a JSON text holds.

    Args:
        text: the content of a file.
        source: the file, for messages.

    Raises:
        InputError: the text is damaged (with line and column), or names a key twice within one object.
    """
    found = _parse_json_quickly(text)
    return _parse_json_strictly(text, source) if found is None else found


def _parse_json_quickly(text: str) -> Any:
    """What the parser of pydantic finds in a quarter of the time; ``None`` where the strict one has to decide."""
    from pydantic_core import from_json  # here, as commands that read no JSON start faster without it

    try:
        data = from_json(text)
    except ValueError:
        return None
    # It drops repeated keys. Each key has a colon: where there are as many colons as keys, none was dropped.
    return data if _key_count(data) == text.count(":") else None


def _key_count(data: Any) -> int:
    """The number of keys in all objects of a JSON value."""
    count, level = 0, [data]
    while level:
        objects = [value for value in level if type(value) is dict]
        count += sum(map(len, objects))
        containers = (*map(dict.values, objects), *(value for value in level if type(value) is list))
        level = [value for container in containers for value in container if type(value) is dict or type(value) is list]
    return count


def _parse_json_strictly(text: str, source: object) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except _RepeatedKey as error:
        found = f"{str(error)!r} twice"
        fix = "merge the two entries or remove one"
        raise InputError(source, expected="every name once", found=found, fix=fix) from None
    except json.JSONDecodeError as error:
        found = f"{error.msg} at line {error.lineno}, column {error.colno}" if text.strip() else "an empty file"
        fix = "correct that place, or get the file again if it was cut short"
        raise InputError(source, expected="complete JSON", found=found, fix=fix) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        fix = "get the file again"
        raise InputError(source, expected="ordinary JSON", found=str(error), fix=fix) from None


# -- CSV ---------------------------------------------------------------------------------------------------------


@garbage_collection_paused()
def csv_rows(text: str, source: object, *, separator: str = ",") -> list[tuple[int, list[str]]]:
    """The rows of a table that are not empty, each with its line number.

    Args:
        text: the content of a file.
        source: the file, for messages.
        separator: the character between two columns.

    Raises:
        InputError: the text is not a table.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        return [(reader.line_num, row) for row in reader if "".join(row).strip()]
    except csv.Error as error:
        where = f"{source}, line {reader.line_num}"
        fix = "correct that line"
        raise InputError(where, expected="a table as text", found=str(error), fix=fix) from None


@garbage_collection_paused()
def parse_csv(
    text: str, source: object, required: Sequence[str], optional: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a comma-separated table with a header, each with its line number.

    Column names are compared without case and surrounding blanks. Columns that are neither required nor optional are
    left out with one warning. Empty lines are skipped.

    Args:
        text: the content of a file.
        source: the file, for messages.
        required: names of columns, in lower case.
        optional: names of columns that may be missing.

    Raises:
        InputError: the table is empty, lacks a required column, names a column twice, or has a row of another length
            than the header.
    """
    rows = csv_rows(text, source)
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    _check_header(source, header, required)
    wanted = [(index, name) for index, name in enumerate(header) if name in (*required, *optional)]
    ignored = [name for name in header if name not in (*required, *optional)]
    if ignored:
        warn_not_read([*map(repr, ignored)], source)
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise InputError(
                f"{source}, line {line}",
                expected=f"{len(header)} fields as in the header",
                found=f"{len(row)}",
                fix="add or remove commas, and put names with a comma in double quotes",
            )
    return [(line, {name: row[index] for index, name in wanted}) for line, row in rows[1:]]


def warn_not_read(columns: Sequence[str], source: object) -> None:
    """Warn of columns of a table that are not read."""
    are = "columns %s are" if len(columns) > 1 else "column %s is"
    log.warning(f"%s: the {are} not read", source, ", ".join(columns))


def _check_header(source: object, header: Sequence[str], required: Sequence[str]) -> None:
    expected = f"a header with the columns {','.join(required)}"
    if not header:
        raise InputError(source, expected=expected, found="an empty file", fix="add the header and the rows")
    missing = [name for name in required if name not in header]
    if missing:
        found = f"{shown(','.join(header))} without {', '.join(missing)}"
        fix = "add the missing column, separated by commas, to the first line and to all rows"
        if ";" in "".join(header):
            fix = "save the table with its columns separated by commas, not semicolons"
        raise InputError(source, expected=expected, found=found, fix=fix)
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        found = f"{', '.join(repeated)} twice"
        raise InputError(source, expected="every column once", found=found, fix="remove or rename one")


def columns_of(text: str, *, separator: str = ",") -> tuple[str, ...]:
    """The columns that the first line of a table names, in lower case; none if it is no table.

    >>> columns_of("Video,Start\\na,1\\n")
    ('video', 'start')
    """
    try:
        names = next(csv.reader([text.partition("\n")[0].strip("\r")], delimiter=separator), [])
    except csv.Error:
        return ()
    return tuple(name.strip().lower() for name in names)


def csv_text(rows: Iterable[Iterable[object]], *, line_end: str = "\n") -> str:
    r"""Rows as comma-separated text, with numbers at full precision.

    >>> csv_text([("video", "label"), ("a", "cut, fine")])
    'video,label\na,"cut, fine"\n'

    Args:
        rows: the header and the rows.
        line_end: with ``"\r\n"``, fields that hold either character are put in quotes in all versions of Python.
    """
    table = io.StringIO(newline="")
    csv.writer(table, lineterminator=line_end).writerows(rows)
    return table.getvalue()

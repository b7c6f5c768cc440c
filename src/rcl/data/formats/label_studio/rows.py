"""Tables that Label Studio exports as CSV or TSV: the rows of JSON-MIN, with JSON in their cells."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from rcl.data.annotations import Annotations
from rcl.data.formats.label_studio import tasks
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import InputError

_COLUMNS = {"annotation_id", "lead_time"}  # of every such table, until somebody removes them
_FIRST = 100_000  # characters, which hold some rows


def is_rows(text: str) -> bool:
    """Whether a table is an export of Label Studio, by its header, or by labelled segments as JSON in a cell."""
    header = text.partition("\n")[0].strip()
    if set(header.replace('"', "").split(_separator(header))) >= _COLUMNS:
        return True
    first = text[:_FIRST]
    with contextlib.suppress(csv.Error):
        return "[{" in first and any(map(tasks.has_segments, _rows(_reader(first))))
    return False


def parse(text: str, source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of a table; see :func:`rcl.data.formats.label_studio.tasks.parse`.

    Args:
        text: the content of the file.
        source: the file, for messages.
        options: how to read what the file does not say.

    Raises:
        InputError: the text is damaged, or a value is wrong.
    """
    reader = _reader(text)
    try:
        rows = [*_rows(reader)]
    except csv.Error as error:
        where = f"{source}, line {reader.line_num}"
        raise InputError(where, expected="a table", found=str(error), fix="export it again, as JSON") from None
    return tasks.parse(rows, source, options=options)


def _reader(text: str) -> csv.DictReader[str]:
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=_separator(text.partition("\n")[0]))


def _rows(reader: csv.DictReader[str]) -> Iterator[dict[str, Any]]:
    for row in reader:
        yield {key: _value(cell) for key, cell in row.items() if key and cell}


def _separator(header: str) -> str:
    return "\t" if "\t" in header else ","


def _value(cell: str) -> Any:
    """A cell; segments are in it as JSON."""
    if not cell.startswith(("[", "{")):
        return cell
    try:
        return from_json(cell)
    except ValueError:
        return cell

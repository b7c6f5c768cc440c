"""Tables that Label Studio exports as CSV or TSV: the rows of JSON-MIN, with JSON in their cells."""

from __future__ import annotations

import csv
import io
from typing import Any

from pydantic_core import from_json

from rcl.data.annotations import Annotations
from rcl.data.formats import label_studio_tasks
from rcl.data.formats.options import ReadOptions
from rcl.system.errors import InputError

_COLUMNS = {"annotation_id", "lead_time"}  # of every such table


def is_rows(text: str) -> bool:
    """Whether a table is an export of Label Studio, by its header."""
    header = text.partition("\n")[0].strip()
    return set(header.replace('"', "").split(_separator(header))) >= _COLUMNS


def parse(text: str, source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of a table; see :func:`rcl.data.formats.label_studio_tasks.parse`.

    Args:
        text: the content of the file.
        source: the file, for messages.
        options: how to read what the file does not say.

    Raises:
        InputError: the text is damaged, or a value is wrong.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_separator(text.partition("\n")[0]))
    try:
        rows = [{key: _value(cell) for key, cell in row.items() if key and cell} for row in reader]
    except csv.Error as error:
        where = f"{source}, line {reader.line_num}"
        raise InputError(where, expected="a table", found=str(error), fix="export it again, as JSON") from None
    return label_studio_tasks.parse(rows, source, options=options)


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

"""Files that hold tables: text, spreadsheets, and rows of JSON."""

from __future__ import annotations

from pathlib import Path

from rcl.data.formats.options import ReadOptions
from rcl.data.formats.tables.sheet import Sheet, json_lines, parse_sheet, sheet_of_rows
from rcl.data.formats.tables.workbook import parse_workbook
from rcl.data.formats.watch_events import with_events_as_rows
from rcl.system.text_files import read_raw, read_text

TABLES = (".csv", ".tsv", ".xlsx", ".jsonl")
"""Extensions of files that hold a table and nothing else."""


def read_sheet(path: Path, options: ReadOptions) -> Sheet:
    """The table in a file, read by its extension.

    Raises:
        InputError: the file cannot be read, or holds no table.
    """
    names, extension = options.columns.values(), path.suffix.lower()
    if extension == ".xlsx":
        return parse_workbook(read_raw(path), str(path), names)
    if extension == ".jsonl":
        return sheet_of_rows(with_events_as_rows(json_lines(read_text(path), str(path)), str(path)), str(path))
    return parse_sheet(read_text(path), str(path), names)

"""The form of a table as text, and its header, found by looking at its first lines."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rcl.data.signals.cells import is_missing, is_number, is_numeric, split_line
from rcl.data.signals.text_table import COMMENTS, Dialect, TextTable, is_no_row
from rcl.system.errors import InputError
from rcl.system.paths import check_is_file
from rcl.system.transfer import local

_HEAD_CHARACTERS = 2**18
_SAMPLED_LINES = 200
_SEPARATORS = (",", ";", "\t", None)  # None: any number of blanks
_PACKED = {b"\x1f\x8b": "a gzip archive", b"PK\x03\x04": "a zip archive, such as a spreadsheet (.xlsx)"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def head_of(path: Path) -> tuple[list[str], str]:
    """The first lines of a text without their ends, and its encoding.

    Raises:
        InputError: it is missing, empty, packed or binary.
    """
    check_is_file(path)
    with local(path) as file, file.open("rb") as stream:
        start = stream.read(4)
        encoding = "utf-16" if start.startswith(_UTF16) else "utf-8-sig"
        found = next((what for first, what in _PACKED.items() if start.startswith(first)), None)
        found = found or ("an empty file" if not start else None)
    if found:
        fix = "unpack it" if "archive" in found else "give another file"
        raise InputError(path, expected="a table as text", found=found, fix=fix)
    with local(path) as file, file.open(encoding=encoding, errors="replace", newline=None) as stream:
        text = stream.read(_HEAD_CHARACTERS)
        text += stream.readline() if not text.endswith("\n") else ""
    if "\0" in text:
        raise InputError(path, expected="a table as text", found="a binary file", fix="give another file")
    return text.removesuffix("\n").split("\n"), encoding


def open_text_table(path: Path) -> TextTable:
    """A table as text; its form and its header are found by looking at its first lines.

    Raises:
        InputError: it is no table, or has no rows of numbers.
    """
    lines, encoding = head_of(path)
    separator, comma, width = _form_of(lines)
    rows = [split_line(line, separator) for line in lines]
    if comma:
        rows = [[cell.replace(",", ".") for cell in row] for row in rows]
    whole = [len(row) == width and not line.startswith(COMMENTS) for line, row in zip(lines, rows, strict=True)]
    first = _first_row(rows, whole)
    if first is None:
        found = "a header only" if any(line.strip() for line in lines) else "empty lines"
        raise InputError(path, expected="rows of numbers", found=found, fix="give a complete file")
    names, units, notes = _header(lines, separator, first, width)
    body = [row for row, good in zip(rows[first:], whole[first:], strict=True) if good][:_SAMPLED_LINES]
    dialect = Dialect(encoding, separator, comma, first)
    sample = [*zip(*body, strict=True)]
    table = TextTable(path=path, dialect=dialect, names=names, units=units, sample=sample, notes=notes)
    return replace(table, notes=(*notes, "the last line is cut short, and left out")) if table.cut_line() else table


def _form_of(lines: Sequence[str]) -> tuple[str | None, bool, int]:
    """Separator, whether commas are decimal, and number of columns, under which most cells are numbers."""
    body = [line for line in lines if not is_no_row(line)][-_SAMPLED_LINES:]
    best: tuple[float, int, str | None, bool] = (-1.0, 0, ",", False)
    for separator, comma in itertools.product(_SEPARATORS, (False, True)):
        if comma and separator == ",":
            continue
        rows = [split_line(line.replace(",", ".") if comma else line, separator) for line in body]
        widths = [len(row) for row in rows] or [0]
        width = max({*widths}, key=widths.count)
        cells = [cell for row in rows if len(row) == width for cell in row]
        share = sum(is_number(cell) or is_missing(cell) for cell in cells) / max(1, len(cells))
        share *= widths.count(width) / len(widths)
        if (share, width) > best[:2]:
            best = (share, width, separator, comma)
    return best[2], best[3], best[1]


def _first_row(rows: Sequence[Sequence[str]], whole: Sequence[bool]) -> int | None:
    """The place of the first line that has numbers where most lines have them."""
    columns = [*zip(*[row for row, good in zip(rows, whole, strict=True) if good][-_SAMPLED_LINES:], strict=True)]
    numeric = [place for place, cells in enumerate(columns) if is_numeric(cells) and any(map(is_number, cells))]
    for place, (row, good) in enumerate(zip(rows, whole, strict=True)):
        cells = [row[column] for column in numeric] if good else []
        if any(map(is_number, cells)) and all(is_number(cell) or is_missing(cell) for cell in cells):
            return place
    return None


def _header(
    lines: Sequence[str], separator: str | None, first: int, width: int
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names and units of the columns, by the lines above the first row, and notes about them."""
    above = [split_line(_uncommented(line), separator) for line in lines[:first] if line.strip()]
    while above and len(above[0]) != width:
        above = above[1:]
    while above and any(len(row) != width for row in above):
        above = above[next(place for place, row in enumerate(above) if len(row) != width) + 1 :]
    names = [cell.strip() for cell in above[0]] if above else [f"column{place}" for place in range(1, width + 1)]
    units = [cell.strip(" ()[]") for cell in above[1]] if len(above) > 1 else [""] * width
    unique, renamed = _unique(names)
    notes = [f"{renamed} columns have the name of an earlier one, and are numbered"] if renamed else []
    if "�" in "".join(names):
        notes.append("the names of columns are not UTF-8; letters that could not be read are shown as �")
    return tuple(unique), tuple(units), tuple(notes)


def _uncommented(line: str) -> str:
    """A line without the sign of a comment, as numpy.savetxt marks its header."""
    return re.sub(r"^\s*(?:#|%|//)\s*", "", line)


def _unique(names: Sequence[str]) -> tuple[list[str], int]:
    """Names with ``.1``, ``.2`` after those that stand there again, as pandas numbers them, and how many there are."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        count = seen.get(name, 0)
        seen[name] = count + 1
        unique.append(f"{name}.{count}" if count and name else name)
    return unique, sum(count - 1 for name, count in seen.items() if name)

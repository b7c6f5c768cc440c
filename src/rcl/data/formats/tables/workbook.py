"""Spreadsheets of Excel and others (``.xlsx``) as tables of texts."""

from __future__ import annotations

import datetime
import io
import logging
import warnings
import zipfile
from collections.abc import Collection, Iterator
from typing import Any

from rcl.data.formats.tables.sheet import Sheet, is_header, make_sheet
from rcl.system.errors import InputError, describe_error, listed, shown
from rcl.system.text_files import LARGEST_TEXT

log = logging.getLogger("rcl")

_ENCRYPTED = b"\xd0\xcf\x11\xe0"  # the first bytes of Microsoft's earlier container
_ROWS = 2**20  # that Excel can have; a damaged file may claim billions
_EXPECTED = "a workbook .xlsx"
Rows = list[tuple[int, list[str]]]


def parse_workbook(raw: bytes, source: str, names: Collection[str] = ()) -> Sheet:
    """The table in a workbook: its one sheet with columns of labels, or its only sheet.

    Args:
        raw: the content of the file.
        source: the file, for messages.
        names: of columns that the table should have.

    Raises:
        InputError: this is no workbook, none or several of its sheets hold labels, or a cell cannot be read.
    """
    _check_archive(raw, source)
    filled = {title: rows for title, rows in _read(raw, source).items() if rows}
    suited = {title: place for title, rows in filled.items() if (place := _header_of(rows, names)) is not None}
    if len(suited) > 1:
        found = f"the sheets {listed([repr(title) for title in suited])}"
        raise InputError(source, expected="one sheet with labels", found=found, fix="save each in a file of its own")
    chosen, place = next(iter((suited or dict.fromkeys(filled, 0)).items()), ("", 0))
    left = [repr(title) for title in filled if title != chosen]
    if left or place:
        above = f" from row {filled[chosen][place][0]} on" if place else ""
        log.warning(
            "%s: only the sheet %r is read%s", source, chosen, above + (f", not {listed(left)}" if left else "")
        )
    return make_sheet(source, filled[chosen][place:] if chosen else [], separator=" ", counted="row")


def _header_of(rows: Rows, names: Collection[str]) -> int | None:
    """The place of the first row that is a header of labels; a title may stand above it."""
    return next((place for place, (_, row) in enumerate(rows[:10]) if is_header(row, names)), None)


def _check_archive(raw: bytes, source: str) -> None:
    """Refuse what is no archive, or would take all memory."""
    if raw.startswith(_ENCRYPTED):
        found, fix = "a file with a password, or an old .xls", "save it as .xlsx without a password"
        raise InputError(source, expected=_EXPECTED, found=found, fix=fix)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        fix = "get the file again, or save it as .xlsx or CSV UTF-8"
        raise InputError(source, expected=_EXPECTED, found=describe_error(error), fix=fix) from None
    if size > LARGEST_TEXT:
        expected, fix = f"at most {LARGEST_TEXT:,} bytes, unpacked", "split the file"
        raise InputError(source, expected=expected, found=f"{size:,}", fix=fix)


def _read(raw: bytes, source: str) -> dict[str, Rows]:
    """The rows of every sheet that are not empty, as texts."""
    import openpyxl  # here, as commands that read no workbook start faster without it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that do not matter here
            results = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True).worksheets
            formulas = openpyxl.load_workbook(io.BytesIO(raw), read_only=True).worksheets
            return {
                sheet.title: [*_rows_of(sheet, formula, f"{source}, sheet {sheet.title!r}")]
                for sheet, formula in zip(results, formulas, strict=True)
            }
    except InputError:
        raise
    except Exception as error:  # the library reports damage by many kinds of exceptions
        fix = "open it in a spreadsheet program and save it again"
        raise InputError(source, expected=_EXPECTED, found=describe_error(error), fix=fix) from None


def _rows_of(results: Any, formulas: Any, where: str) -> Iterator[tuple[int, list[str]]]:
    results.reset_dimensions()  # some programs write wrong ones
    formulas.reset_dimensions()
    width, pairs = 0, zip(results.iter_rows(max_row=_ROWS), formulas.iter_rows(max_row=_ROWS), strict=True)
    for number, (cells, originals) in enumerate(pairs, 1):
        row = [_text_of(cell, f"{where}, row {number}, column {place}") for place, cell in enumerate(cells, 1)]
        for place, (cell, original) in enumerate(zip(cells, originals, strict=True), 1):
            if cell.value is None and original.value is not None:
                fix = "open it in a spreadsheet program and save it again"
                found = f"the formula {shown(original.value)} without a result"
                raise InputError(f"{where}, row {number}, column {place}", expected="a value", found=found, fix=fix)
        if "".join(row).strip():
            width = max(width, len(row))
            yield number, row + [""] * (width - len(row))


def _text_of(cell: Any, where: str) -> str:
    """The content of a cell as text: whole numbers without a fraction, clock times as ``h:mm:ss``."""
    value = cell.value
    if value is None or isinstance(value, str):
        if getattr(cell, "data_type", "") == "e":
            raise InputError(where, expected="a value", found=f"the error {value}", fix="correct the formula")
        return value or ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.time | datetime.timedelta) and "s" not in cell.number_format.lower():
        expected = "a time with seconds, as a spreadsheet takes 1:05 for an hour and five minutes"
        found = f"a cell with hours and minutes ({value})"
        raise InputError(where, expected=expected, found=found, fix="write 0:01:05, or format the cells as [h]:mm:ss")
    return _clock(value) if isinstance(value, datetime.timedelta) else str(value)


def _clock(value: datetime.timedelta) -> str:
    """A length of time as ``h:mm:ss``, with hours beyond a day."""
    seconds, rest = divmod(value // datetime.timedelta(microseconds=1), 1_000_000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:06}"

"""Tables as text: separated by commas, semicolons or tabs, or rows of JSON, in one shape."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rcl.data.formats.tables.columns import meaning_of
from rcl.system.errors import InputError, shown
from rcl.system.text_formats import csv_rows, parse_json

_SEPARATORS = (",", ";", "\t")
_MOST_COLUMNS = 100  # an object with more keys holds videos


@dataclass(frozen=True)
class Sheet:
    """A table of texts.

    Args:
        source: the file, for messages.
        header: the names of the columns.
        rows: each with its number and its cells.
        separator: between the columns of a text.
        counted: what the rows are counted by: lines of a text, or rows.
        has_preamble: whether something stands above the header of a text.
    """

    source: str
    header: tuple[str, ...]
    rows: Sequence[tuple[int, Sequence[str]]]
    separator: str = ","
    counted: str = "line"
    has_preamble: bool = False

    def check_rows(self) -> None:
        """Check that all rows have as many cells as there are columns.

        Raises:
            InputError: a row has more or fewer, or one under a column without a name.
        """
        width = len(self.header)
        for number, row in self.rows:
            if len(row) != width:
                fix = "correct the row, or name the empty column in the header"
                if self.separator == "," and self.counted == "line":
                    fix = "add or remove commas, and put names and numbers with a comma in double quotes"
                where, expected = f"{self.source}, {self.counted} {number}", f"{width} fields as in the header"
                raise InputError(where, expected=expected, found=f"{len(row)}", fix=fix)

    def commented(self) -> list[int]:
        """The numbers of rows that may be comments: of a text, some of whose rows begin with ``#``."""
        marked = [number for number, row in self.rows if row and row[0].startswith("#")]
        return marked if self.counted == "line" and len(marked) < len(self.rows) else []

    def has_index(self) -> bool:
        """Whether the first column has no name and counts the rows, as pandas and R write it."""
        if not self.header or self.header[0] not in ("", "Unnamed: 0"):
            return False
        cells = self.column(0)
        return any(cells == [str(first + place) for place in range(len(cells))] for first in (0, 1))

    def column(self, place: int) -> list[str]:
        """All cells of a column, counted from 0."""
        return [row[place] for _, row in self.rows]


def make_sheet(source: str, rows: Sequence[tuple[int, Sequence[str]]], **more: Any) -> Sheet:
    """A table out of its rows, the first of which is the header, without the empty columns at its end."""
    header = [name.strip().lstrip("\ufeff") for name in rows[0][1]] if rows else []
    while header and not header[-1]:
        header.pop()
    width = len(header)
    # A row of another length is refused later: where the header is wrong, that is what matters.
    body = [row if len(row[1]) == width else (row[0], _fitted(row[1], width)) for row in rows[1:]]
    return Sheet(source, tuple(header), body, **more)


def _fitted(row: Sequence[str], width: int) -> Sequence[str]:
    """A row without the empty cells beyond the header."""
    return row[:width] if len(row) > width and not "".join(row[width:]).strip() else row


def is_header(keys: Iterable[str], names: Collection[str] = ()) -> bool:
    """Whether names are those of the columns of a table of labels, or have all the given ones among them."""
    keys, wanted = [*keys], {name.strip().casefold() for name in names}
    if wanted and wanted <= {key.strip().casefold() for key in keys}:
        return True
    roles = {meaning.role for key in keys if (meaning := meaning_of(key))}
    return len(roles & {"video", "start", "time", "end", "label"}) >= 3


# -- text --------------------------------------------------------------------------------------------------------


def parse_sheet(text: str, source: str, names: Collection[str] = ()) -> Sheet:
    """The table in a text, by the separator under which its header makes most sense.

    Lines before the header that start with ``#``, and Excel's ``sep=;``, are skipped.

    Args:
        text: the content of the file.
        source: the file, for messages.
        names: of columns that it should have.

    Raises:
        InputError: the text is no table.
    """
    above, separator = _preamble(text)
    rest = text[len(above) :]
    first = next(iter(io.StringIO(rest, newline="")), "")
    separator = separator or _separator_of(first, {name.strip().casefold() for name in names})
    blank = "\n" * len([*io.StringIO(above, newline="")])  # so that the lines keep their numbers
    rows = csv_rows(blank + rest, source, separator=separator)
    return make_sheet(source, rows, separator=separator, has_preamble=bool(above.strip()))


def _preamble(text: str) -> tuple[str, str]:
    """The lines above the header, and the separator that one of them states."""
    length, separator = 0, ""
    for line in io.StringIO(text, newline=""):
        if line.lower().startswith("sep=") and len(line.strip("\r\n")) == 5:
            separator = line[4]
        elif line.strip(" \t\r\n,;") and not line.startswith("#"):
            break
        length += len(line)
    return text[:length], separator


def _separator_of(line: str, names: Collection[str]) -> str:
    def sense(separator: str) -> tuple[int, int]:
        try:
            header = next(csv.reader([line], delimiter=separator), [])
        except csv.Error:  # a name that is too long; reading the table says so
            return 0, 0
        return sum(meaning_of(name) is not None or name.strip().casefold() in names for name in header), len(header)

    return max(_SEPARATORS, key=sense)


# -- JSON --------------------------------------------------------------------------------------------------------


def sheet_of_json(data: object, source: str, names: Collection[str] = ()) -> Sheet | None:
    """The table in the value of a JSON file, if it is a list of rows ``{"video", "label", "start", "end"}``.

    Args:
        data: the value; whether it is a table is judged by its first row.
        source: the file, for messages.
        names: of columns that it should have.

    Raises:
        InputError: it is a table by columns, as pandas writes it by default, or a row is damaged.
    """
    if isinstance(data, list) and data and isinstance(data[0], dict) and is_header(data[0], names):
        return sheet_of_rows(data, source)
    if isinstance(data, dict) and len(data) <= _MOST_COLUMNS and all(isinstance(v, dict | list) for v in data.values()):
        split = isinstance(data.get("columns"), list) and "data" in data
        if is_header(name for name in (data["columns"] if split else data) if isinstance(name, str)):
            expected = 'a list of rows [{"video", "label", "start", "end"}, …]'
            fix = "write it by rows, with pandas as to_json(PATH, orient='records')"
            raise InputError(source, expected=expected, found="a table by columns", fix=fix)
    return None


def sheet_of_rows(data: Sequence[Any], source: str) -> Sheet:
    """The table in a list of JSON objects, one per row.

    Raises:
        InputError: an entry is no object, or a value that is to be read is neither text nor a number.
    """
    header: dict[str, None] = {}
    for number, row in enumerate(data, 1):
        if not isinstance(row, dict):
            expected = '{"video", "label", "start", "end"} in each row'
            where = f"{source}, row {number}"
            raise InputError(where, expected=expected, found=shown(row), fix="correct or remove it")
        header.update(dict.fromkeys(row))
    rows = [
        (number, [_cell(row.get(key), key, f"{source}, row {number}") for key in header])
        for number, row in enumerate(data, 1)
    ]
    return make_sheet(source, [(0, [*header]), *rows], counted="row")


def _cell(value: object, key: str, where: str) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    if meaning_of(key):
        fix = "correct it, or give the key another name if it is something else"
        raise InputError(where, expected=f"text or a number as {key!r}", found=shown(value), fix=fix)
    return json.dumps(value)


def json_lines(text: str, source: str) -> list[Any]:
    """The values of a text with one as JSON on each line.

    Raises:
        InputError: a line is no JSON.
    """
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return [parse_json(line, f"{source}, line {number}") for number, line in lines]

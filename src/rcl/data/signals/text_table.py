"""Tables of samples as text: separated by commas, semicolons, tabs or blanks, with or without a header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rcl.data.signals.cells import (
    is_missing,
    is_number,
    split_line,
    with_empty_cells_named,
    with_missing_cells_named,
)
from rcl.data.signals.tables import Chunk, Table
from rcl.system.errors import InputError, shown
from rcl.system.transfer import local

CHUNK_CHARACTERS = 2**22
COMMENTS = ("#", "%", "//")
"""What a line begins with that is a comment."""


class Dialect(NamedTuple):
    """How a text writes a table; ``separator`` is None for any number of blanks."""

    encoding: str
    separator: str | None
    decimal_comma: bool
    above: int  # lines above the first row


@dataclass(frozen=True, kw_only=True)
class TextTable(Table):
    """See :class:`rcl.data.signals.tables.Table`."""

    dialect: Dialect
    counted_by = "line"

    def chunks(self, numbers: Sequence[int], texts: Sequence[int]) -> Iterator[Chunk]:
        """See :class:`rcl.data.signals.tables.Table`."""
        line = self.dialect.above + 1
        for text in self._texts():
            rows = [each for each in text.split("\n") if not is_no_row(each)]
            if rows:
                values = self._numbers(text, rows, line, numbers)
                words = np.empty((len(values), 0), dtype=np.str_)
                if texts:
                    words = np.loadtxt(rows, dtype=str, usecols=texts, ndmin=2, **self._how())
                yield Chunk(line, values, words)
            line += text.count("\n")

    def _texts(self) -> Iterator[str]:
        """The text below the header, in pieces that end with a line."""
        with (
            local(self.path) as file,
            file.open(encoding=self.dialect.encoding, errors="replace", newline=None) as stream,
        ):
            for _ in range(self.dialect.above):
                stream.readline()
            while text := stream.read(CHUNK_CHARACTERS):
                text += stream.readline()
                if not text.endswith("\n"):
                    text = self._without_cut_line(text)
                yield text

    def _without_cut_line(self, text: str) -> str:
        """The end of a file without its last line, if that line was cut short."""
        above, _, last = text.rpartition("\n")
        cut = last.strip() and len(self._cells(last)) < len(self.names)
        return f"{above}\n" if cut else text

    def cut_line(self) -> bool:
        """Whether the last line is cut short; it is then left out, with a note."""
        with local(self.path) as file, file.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 2**16))
            end = stream.read().decode(self.dialect.encoding.replace("-sig", ""), "replace")
        if not end or end[-1] in "\r\n":
            return False
        last = re.split("[\r\n]", end)[-1]
        return bool(last.strip()) and len(self._cells(last)) < len(self.names)

    def _cells(self, line: str) -> list[str]:
        return split_line(line, self.dialect.separator)

    def _how(self) -> dict:
        return {"delimiter": self.dialect.separator, "comments": None, "quotechar": '"'}

    def _numbers(self, text: str, rows: Sequence[str], first: int, places: Sequence[int]) -> np.ndarray:
        """The numbers in rows, which are those of a text whose first line has the number ``first``."""
        separator = self.dialect.separator
        if not places:
            return np.empty((len(rows), 0))
        if self.dialect.decimal_comma:
            rows = [row.replace(",", ".") for row in rows]
        if separator is not None and '"' not in text:
            separators = sum(row.count(separator) for row in rows)
            if separators != len(rows) * (len(self.names) - 1):
                self._raise_at_fault(text, first, places)
        for attempt in (lambda: rows, lambda: _filled(rows, separator), lambda: _named(rows, separator)):
            try:
                return np.loadtxt(attempt(), usecols=places, ndmin=2, **self._how())
            except ValueError as error:
                found = str(error)
        self._raise_at_fault(text, first, places)
        where = f"{self.where}, line {first} or later"
        raise InputError(where, expected="rows of numbers", found=found, fix="correct the rows")

    def _raise_at_fault(self, text: str, first: int, places: Sequence[int]) -> None:
        """Raise the error of the first row that has another number of cells, or a cell that is no number."""
        for number, line in enumerate(text.split("\n"), first):
            if is_no_row(line):
                continue
            cells = self._cells(line)
            where = f"{self.where}, line {number}"
            if len(cells) != len(self.names):
                fix = "correct the line, or remove it"
                raise InputError(where, expected=f"{len(self.names)} cells", found=f"{len(cells)}", fix=fix)
            for place in places:
                cell = cells[place].replace(",", ".") if self.dialect.decimal_comma else cells[place]
                if not is_number(cell) and not is_missing(cell):
                    expected = f"a number in the column {self.names[place]!r}"
                    fix = "correct it, or leave it empty if nothing was measured"
                    raise InputError(where, expected=expected, found=shown(cells[place]), fix=fix)


def is_no_row(line: str) -> bool:
    """Whether a line is empty or a comment."""
    return line.startswith(COMMENTS) or not line or line.isspace()


def _filled(rows: Sequence[str], separator: str | None) -> Sequence[str]:
    return with_empty_cells_named("\n".join(rows), separator).split("\n") if separator else rows


def _named(rows: Sequence[str], separator: str | None) -> Sequence[str]:
    return with_missing_cells_named("\n".join(rows), separator).split("\n")

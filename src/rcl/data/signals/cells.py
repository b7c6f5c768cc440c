"""Cells of tables of samples: which are numbers, and which say that nothing was measured."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

import numpy as np

MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "--", "?", "<na>", "#n/a", "nil"}
"""Cells, in small letters, that say that nothing was measured."""
_WORDS = "|".join(re.escape(word) for word in sorted(MISSING - {"nan"}, key=len, reverse=True))


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing was measured."""
    return cell.strip().casefold() in MISSING


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a decimal point."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def numbers_of(cells: Sequence[str]) -> np.ndarray:
    """The cells as numbers, NaN where a cell is not a number."""
    return np.array([float(cell) if is_number(cell) else np.nan for cell in cells], dtype=np.float64)


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether at least half of the cells of a column that are not missing are numbers; none at all are no objection."""
    filled = [cell for cell in cells if not is_missing(cell)]
    return sum(map(is_number, filled)) * 2 >= len(filled)


def split_line(line: str, separator: str | None) -> list[str]:
    """The cells of a line; separated by blanks if there is no separator."""
    return line.split() if separator is None else next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])


def with_empty_cells_named(text: str, separator: str) -> str:
    """A text with ``nan`` in its empty cells.

    >>> with_empty_cells_named(",2,\\n1,,", ",")
    'nan,2,nan\\n1,nan,nan'
    """
    pair, full = separator * 2, f"{separator}nan{separator}"
    text = text.replace(pair, full).replace(pair, full)
    text = text.replace(f"{separator}\n", f"{separator}nan\n").replace(f"\n{separator}", f"\nnan{separator}")
    return f"{'nan' if text.startswith(separator) else ''}{text}{'nan' if text.endswith(separator) else ''}"


def with_missing_cells_named(text: str, separator: str | None) -> str:
    """A text with ``nan`` in the cells that say that nothing was measured.

    >>> with_missing_cells_named("NA,2\\n1, ", ",")
    'nan,2\\n1,nan'
    """
    end = re.escape(separator or " ")
    return re.sub(rf"(?:(?<=[{end}\n])|^)[ ]*\"?(?:{_WORDS})\"?[ ]*(?=[{end}\n]|$)", "nan", text, flags=re.I)

"""Tables of samples, whatever their file format: what a reader of sensors asks them for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Chunk(NamedTuple):
    """Consecutive rows of a table.

    Args:
        first: number of the first row, as ``Table.counted_by`` counts.
        numbers: ``(n, k)`` float64, NaN for an empty cell.
        texts: ``(n, m)`` text.
    """

    first: int
    numbers: np.ndarray
    texts: np.ndarray


class Table(Protocol):
    """An open table, of which the first rows were read."""

    where: str
    names: tuple[str, ...]
    units: tuple[str, ...]  # of the columns, empty where not stated
    counted_by: str  # "line" or "row"
    sample: Sequence[Sequence[str]]  # the first cells of each column, as text
    notes: tuple[str, ...]

    def chunks(self, numbers: Sequence[int], texts: Sequence[int]) -> Iterator[Chunk]:
        """All rows, in chunks of bounded size.

        Args:
            numbers: places of the columns that are read as numbers.
            texts: places of the columns that are read as text.

        Raises:
            InputError: the file is damaged, or a cell is no number.
        """

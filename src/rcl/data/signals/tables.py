"""Tables of samples, whatever their file format: what a reader of sensors asks them for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

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


@dataclass(frozen=True, kw_only=True)
class Table(ABC):
    """An open table, of which the first rows were read.

    Args:
        path: the file.
        names: of the columns.
        units: of the columns, empty where not stated.
        sample: the first cells of each column, as text.
        notes: what was left out or assumed.
    """

    path: Path
    names: tuple[str, ...]
    units: tuple[str, ...]
    sample: Sequence[Sequence[str]]
    notes: tuple[str, ...] = ()
    counted_by: ClassVar[str] = "row"

    @property
    def where(self) -> str:
        """The file, for messages."""
        return str(self.path)

    @abstractmethod
    def chunks(self, numbers: Sequence[int], texts: Sequence[int]) -> Iterator[Chunk]:
        """All rows, in chunks of bounded size.

        Args:
            numbers: places of the columns that are read as numbers.
            texts: places of the columns that are read as text.

        Raises:
            InputError: the file is damaged, or a cell is no number.
        """

"""Several intervals in one cell of a table: ``0-30;60-90``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rcl.data.formats.tables.times import TimeReader
from rcl.data.formats.values import Pair, to_segment
from rcl.system.errors import Defect, shown

_TO = re.compile(r"(?<=[\d\s])\s*[-–]\s*(?=[\d.,])")  # not the sign of an exponent


def is_intervals(cell: str) -> bool:
    """Whether a cell seems to hold intervals, and not a word or a mark.

    >>> is_intervals("0-30;60-90"), is_intervals("yes"), is_intervals("1")
    (True, False, False)
    """
    return bool(_TO.search(cell))


def to_intervals(cell: str, times: TimeReader, fps: float | None) -> list[Pair]:
    """The intervals in a cell, in seconds.

    Args:
        cell: such as ``0-30;60-90``.
        times: reads the starts and ends of the same table, which have the same unit.
        fps: frames per second of the video; needed for frames.

    Raises:
        Defect: one is no interval, or ends before it begins.
    """
    pairs = []
    for part in cell.split(";"):
        ends = _TO.split(part.strip())
        if part.strip() and len(ends) != 2:
            fix = "write start-end for each interval, with ; between them, or leave the cell empty"
            raise Defect(expected="intervals such as 0-30;60-90 as reviewed", found=shown(cell), fix=fix)
        if part.strip():
            pairs.append(to_segment(*(times.seconds(end, "reviewed", fps) for end in ends)))
    return pairs


def intervals_text(pairs: Sequence[Sequence[float]]) -> str:
    """The cell for intervals in seconds; :func:`to_intervals` reads it back.

    >>> intervals_text([[0.0, 30.0], [60.0, 90.5]])
    '0.0-30.0;60.0-90.5'
    """
    return ";".join(f"{start!r}-{end!r}" for start, end in pairs)

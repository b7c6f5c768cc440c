"""Intervals of a video in seconds, such as the parts that somebody looked at, and their text in a table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

from rcl.data.formats.values import to_number
from rcl.system.errors import Defect

Intervals: TypeAlias = tuple[tuple[float, float], ...]
"""Pairs of start and end in seconds, sorted and disjoint."""
MOST = 10_000  # intervals of a video


def union(intervals: Iterable[tuple[float, float]]) -> Intervals:
    """The union of intervals.

    >>> union([(5, 8), (0, 2), (1.5, 3)])
    ((0, 3), (5, 8))
    """
    merged: list[tuple[float, float]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def to_intervals(pairs: Any) -> Intervals:
    """The union of pairs that a page or a file holds.

    Raises:
        Defect: they are something else.
    """
    if not isinstance(pairs, list) or len(pairs) > MOST:
        found = f"{len(pairs):,}" if isinstance(pairs, list) else type(pairs).__name__
        raise Defect(expected=f"a list of at most {MOST:,} reviewed intervals", found=found, fix="correct it")
    return union(_interval(pair) for pair in pairs)


def _interval(pair: Any) -> tuple[float, float]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise Defect(expected="a reviewed interval [start, end]", found=repr(pair)[:40], fix="correct it")
    start, end = (to_number(value, "reviewed time") for value in pair)
    if not 0 <= start < end < math.inf:
        found, fix = f"{start:g} to {end:g}", "correct the times"
        raise Defect(expected="a reviewed interval that begins at 0 or later, before its end", found=found, fix=fix)
    return start, end


def from_text(text: str) -> Intervals:
    """The intervals that a cell of a table states, such as ``0-30;60-90``; none if it is empty.

    Raises:
        Defect: it states something else.
    """
    return to_intervals([part.strip().split("-") for part in text.split(";") if part.strip()])


def to_text(intervals: Intervals) -> str:
    """What :func:`from_text` reads.

    >>> to_text(((0.0, 30.0), (60.5, 90.0)))
    '0-30;60.5-90'
    """
    return ";".join("-".join(f"{seconds:.3f}".rstrip("0").rstrip(".") for seconds in pair) for pair in intervals)

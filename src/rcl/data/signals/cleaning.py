"""Samples as a file has them become samples in order: the one place that repairs or refuses.

A reader never invents a value. Rows that are late by up to five seconds are put in order, of rows with the same time
the first value of each column is kept, rows without a time are dropped, and infinite values are not measured ones. A
clock that goes back further, stands still, or jumps by more than a day is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rcl.data.signals.signal import Block
from rcl.system.errors import InputError, counted

LATEST_SECONDS = 5.0
"""How late a row may be and still be put in order: loggers write the samples of each sensor in batches."""
LONGEST_GAP_SECONDS = 86_400.0
"""A longer gap is a clock that was set; everything after it would be one long gap."""
_JUDGED_ROWS = 1_000
_MOST_REPEATS = 10_000


class Rows(NamedTuple):
    """Consecutive rows of a file.

    Args:
        first: number of the first row, for messages.
        times_seconds: ``(n,)`` float64, on the clock of the file; NaN where a row has no time.
        values: ``(n, C)`` float32.
    """

    first: int
    times_seconds: np.ndarray
    values: np.ndarray


@dataclass
class Repairs:
    """What was repaired while a file was read."""

    rows: int = 0
    timeless: int = 0
    late: int = 0
    latest_seconds: float = 0.0
    repeated: int = 0
    infinite: int = 0
    others: list[str] = field(default_factory=list)

    def words(self) -> list[str]:
        """The repairs in words, with counts."""
        late = (
            f"{counted(self.late, 'row was', 'rows were')} late, by up to {self.latest_seconds:.3g} s, and put in order"
        )
        repeated = f"{counted(self.repeated, 'row has', 'rows have')} the time of an earlier one, whose values are kept"
        timeless = f"{counted(self.timeless, 'row', 'rows')} without a time left out"
        infinite = f"{counted(self.infinite, 'infinite value')} taken as not measured"
        said = ((self.late, late), (self.repeated, repeated), (self.timeless, timeless), (self.infinite, infinite))
        return [words for count, words in said if count] + self.others


def clean(parts: Iterator[Rows], where: str, repairs: Repairs, *, counted_by: str = "row") -> Iterator[Block]:
    """Rows of a file as blocks in the order of time, on the clock of the file.

    Args:
        parts: the rows as the file has them.
        where: the file, for messages.
        repairs: what is repaired is added here.
        counted_by: what ``Rows.first`` counts: rows, or lines of a text.

    Raises:
        InputError: the times are no clock: one goes back, stands still or jumps by more than a day.
    """
    clock = _Clock(where, counted_by)
    held: Block | None = None
    for part in parts:
        repairs.rows += len(part.times_seconds)
        rows = _measured(part, repairs)
        clock.advance(rows, repairs)
        held = _in_order(held, rows)
        # A row that is still to come is as old as this at most, so what is older is complete.
        ready = int(np.searchsorted(held.times_seconds, clock.newest - LATEST_SECONDS))
        if ready:
            yield clock.check(_merged(Block(*(each[:ready] for each in held)), repairs, where), repairs)
            held = Block(*(each[ready:].copy() for each in held))
    if held is not None and len(held.times_seconds):
        yield clock.check(_merged(held, repairs, where), repairs)
    clock.finish(repairs)


def _measured(part: Rows, repairs: Repairs) -> Rows:
    """The rows that have a time, without infinite values."""
    infinite = np.isinf(part.values)
    if infinite.any():
        repairs.infinite += int(infinite.sum())
        part = part._replace(values=np.where(infinite, np.float32(np.nan), part.values))
    timed = np.isfinite(part.times_seconds)
    if not timed.all():
        repairs.timeless += int((~timed).sum())
        part = part._replace(times_seconds=part.times_seconds[timed], values=part.values[timed])
    return part


def _in_order(held: Block | None, rows: Rows) -> Block:
    times, values = rows.times_seconds, rows.values
    if held is not None and len(held.times_seconds):
        times, values = np.concatenate([held.times_seconds, times]), np.concatenate([held.values, values])
    if (times[1:] < times[:-1]).any():
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    return Block(times, values)


def _merged(block: Block, repairs: Repairs, where: str) -> Block:
    """The rows of one time as one row: of each column, the first value that was measured."""
    times, values = block
    is_first = np.append(True, times[1:] > times[:-1])
    if is_first.all():
        return block
    firsts = np.flatnonzero(is_first)
    group = np.cumsum(is_first) - 1
    rank = np.arange(len(times)) - firsts[group]
    if rank.max() >= _MOST_REPEATS:
        raise _standing(where, f"{rank.max() + 1:,} rows with the time {times[firsts[group[rank.argmax()]]]:g} s")
    merged = values[firsts]
    for repeat in range(1, int(rank.max()) + 1):
        rows = np.flatnonzero(rank == repeat)
        into = merged[group[rows]]
        measured, known = np.isfinite(values[rows]), np.isfinite(into)
        repairs.repeated += int((measured & known).any(axis=1).sum())
        merged[group[rows]] = np.where(known, into, values[rows])
    return Block(times[firsts], merged)


class _Clock:
    """What the times so far say about the clock of a file."""

    def __init__(self, where: str, counted_by: str) -> None:
        self.where, self.counted_by = where, counted_by
        self.newest, self.last, self.samples = -np.inf, -np.inf, 0

    def advance(self, rows: Rows, repairs: Repairs) -> None:
        """Take note of times in the order of the file, and refuse those that go back far."""
        if not len(rows.times_seconds):
            return
        newest = np.maximum.accumulate(np.append(self.newest, rows.times_seconds))
        late = newest[1:] - rows.times_seconds
        self.newest = float(newest[-1])
        if late.any():
            repairs.late += int((late > 0).sum())
            repairs.latest_seconds = max(repairs.latest_seconds, float(late.max()))
        if repairs.latest_seconds > LATEST_SECONDS:
            row = int(np.argmax(late > LATEST_SECONDS))
            found = f"a time {late[row]:,.6g} s before an earlier one"
            fix = "sort the rows by time, or split the file where its clock starts again"
            where = f"{self.where}, {self.counted_by} {rows.first + row}"
            raise InputError(where, expected="times that rise", found=found, fix=fix)

    def check(self, block: Block, repairs: Repairs) -> Block:
        """A block in order, if its times are those of a clock that runs."""
        times = block.times_seconds
        gaps = np.diff(times, prepend=self.last if self.samples else times[0])
        self.last, self.samples = float(times[-1]), self.samples + len(times)
        if gaps.max() > LONGEST_GAP_SECONDS:
            found = f"a gap of {gaps.max() / 86_400:,.1f} days after {times[gaps.argmax()] - gaps.max():.6f} s"
            fix = "correct the times if the clock was set there, or split the file"
            raise InputError(self.where, expected="the times of one recording", found=found, fix=fix)
        if repairs.rows >= _JUDGED_ROWS:
            self._check_repeats(repairs)
        return block

    def finish(self, repairs: Repairs) -> None:
        """Refuse a file without samples, or whose clock stood still."""
        if not self.samples:
            found = f"{repairs.timeless:,} rows, none with a time" if repairs.timeless else "none"
            raise InputError(self.where, expected="rows of numbers", found=found, fix="give another file")
        self._check_repeats(repairs)
        if self.samples == 1 and repairs.repeated:
            raise _standing(self.where, f"the time {self.last:g} s in all {repairs.rows:,} rows")

    def _check_repeats(self, repairs: Repairs) -> None:
        if repairs.repeated * 2 > repairs.rows:
            raise _standing(self.where, f"{repairs.repeated:,} of {repairs.rows:,} rows with the time of another one")


def _standing(where: str, found: str) -> InputError:
    fix = "write times with more digits, or give the samples per second (--rate) to count the rows instead"
    return InputError(where, expected="a time of its own for each row", found=found, fix=fix)

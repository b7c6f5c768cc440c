"""Numbers and times as spreadsheets write them: decimal commas, clock times, frames and other units."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rcl.data.formats.options import WITH_OPTION
from rcl.data.formats.values import to_number
from rcl.system.errors import Defect, shown

Reader: TypeAlias = Callable[[str, str], float]
"""Reads a cell; the second argument says what it is, for messages. Raises a ``Defect``."""

_COMMA = re.compile(r"\s*[+-]?\d+(,\d*)?(e[+-]?\d+)?\s*|\s*[+-]?,\d+(e[+-]?\d+)?\s*", re.IGNORECASE | re.ASCII)
_GROUPED = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+\s*", re.ASCII)
_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}(?:(?:,\d{3})+\.\d*|(?:\.\d{3})+,\d*)\s*", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,6}):(\d{1,2})(?:[.,](\d+))?", re.ASCII)  # long digits cannot be an int
_TIMECODE = re.compile(r"(\d{1,6}):(\d\d?):(\d\d?):(\d{1,3})", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?|\d\d?[./]\d\d?[./]\d{2,4}|[ap]\.?m\.?$", re.IGNORECASE | re.ASCII)
_ZERO = re.compile(r"\s*0+([.,]0*)?\s*", re.ASCII)  # in any unit


def number_reader(cells: Sequence[str], *, separator: str = ",") -> Reader:
    """What reads the numbers of a table, whose decimal sign is a point or, in all of them, a comma.

    >>> number_reader(["65,0", "7,25"])("7,25", "start")
    7.25

    Args:
        cells: all numbers of the table.
        separator: of its columns. Spreadsheets put semicolons where the decimal sign is a comma; elsewhere ``1,234``
            may be a thousand, and is refused unless another number shows that commas are decimal.
    """
    if "," not in "".join(cells):
        return to_number
    with_comma = [cell for cell in cells if "," in cell and not _THOUSANDS.fullmatch(cell)]
    unsure = separator != ";" and all(map(_GROUPED.fullmatch, with_comma))

    def read(cell: str, what: str) -> float:
        """The number in a cell; ``what`` says what it is, for messages.

        Raises:
            Defect: it is no number, or could be read in two ways.
        """
        if _THOUSANDS.fullmatch(cell):
            found = f"{shown(cell)}, with a sign for thousands"
            fix = f"write {_without_thousands(cell)}, with nothing but a decimal point"
            raise Defect(expected=f"a finite number as {what}", found=found, fix=fix)
        if unsure and "," in cell:
            found = f"{shown(cell)}, which may be {cell.replace(',', '.')} or {cell.replace(',', '')}"
            raise Defect(expected=f"a number as {what}", found=found, fix="write it with a decimal point")
        if "." in cell and with_comma:
            found = f"{shown(cell)} in a table with decimal commas such as {shown(with_comma[0])}"
            fix = "write all numbers with the same decimal sign, and without one for thousands"
            raise Defect(expected=f"a finite number as {what}", found=found, fix=fix)
        return to_number(cell.replace(",", ".") if _COMMA.fullmatch(cell) else cell, what)

    return read


def _without_thousands(cell: str) -> str:
    """A number whose last sign is the decimal one, without the others."""
    whole, fraction = re.split(r"[.,](?=\d*\s*$)", cell.strip())
    return f"{re.sub('[.,]', '', whole)}.{fraction or 0}"


@dataclass(frozen=True)
class TimeReader:
    """Reads the times of a table, which all have one form: numbers in one unit, or clock times.

    Args:
        number: reads a number.
        unit: of the numbers: seconds, milliseconds, minutes or frames.
        is_clock: whether these are clock times such as ``1:05`` (minutes and seconds) or ``0:01:05.5``.
        example: a cell of that form, for messages.
        stated: whether the unit is that of ``--times``, which clock times may contradict.
    """

    number: Reader
    unit: str = "seconds"
    is_clock: bool = False
    example: str = ""
    stated: bool = False

    @classmethod
    def of(cls, cells: Sequence[str], number: Reader, *, unit: str, stated: bool = False) -> TimeReader:
        """The reader of the form that most of these cells have."""
        filled = [cell for cell in cells if cell and not cell.isspace()]
        clocks = [cell for cell in filled if ":" in cell] if ":" in "".join(filled) else []
        numbers = [cell for cell in filled if ":" not in cell and not _ZERO.fullmatch(cell)] if clocks else filled
        is_clock = len(clocks) > len(numbers)
        return cls(number, unit, is_clock, next(iter(clocks if is_clock else numbers), ""), stated)

    def seconds(self, cell: str, what: str, fps: float | None = None) -> float:
        """The time in a cell.

        Args:
            cell: the time as text.
            what: what it is, for messages.
            fps: frames per second of the video; needed for frames.

        Raises:
            Defect: it is no time, or of another form than the others.
        """
        if self.unit == "seconds" and not self.is_clock and ":" not in cell:
            return self.number(cell, what)
        if (":" in cell) != self.is_clock and cell.strip() and not _ZERO.fullmatch(cell):
            found = f"{shown(cell)} in a table with times such as {shown(self.example)}"
            fix = "write all times in one form, as seconds or as h:mm:ss"
            raise Defect(expected=f"a finite number as {what}", found=found, fix=fix)
        if self.is_clock and not _ZERO.fullmatch(cell):
            return self._clock_seconds(cell.strip(), what, fps)
        value = self.number(cell, what)
        if self.unit == "frames":
            if not fps:
                fix = f"give the rate of the videos with --fps {WITH_OPTION}"
                raise Defect(expected="the frames per second of the video", found="frames without a rate", fix=fix)
            return value / fps
        return value * 60 if self.unit == "minutes" else value / 1000 if self.unit == "milliseconds" else value

    def _clock_seconds(self, cell: str, what: str, fps: float | None) -> float:
        if self.stated and self.unit not in ("seconds", "minutes"):
            found = f"the clock time {shown(cell)}"
            raise Defect(expected=f"{self.unit} as {what}", found=found, fix=f"leave out --times {self.unit}")
        return clock_seconds(cell, what, fps)


def clock_seconds(cell: str, what: str, fps: float | None = None) -> float:
    """The seconds of ``m:ss``, ``h:mm:ss``, either with a fraction, or ``h:mm:ss:ff`` with a number of frames.

    >>> clock_seconds("1:05", "start"), clock_seconds("00:01:07,5", "end"), clock_seconds("0:00:02:05", "end", fps=25)
    (65.0, 67.5, 2.2)

    Raises:
        Defect: it is something else, such as a date.
    """
    match = _CLOCK.fullmatch(cell)
    if not match:
        return _timecode_seconds(cell, what, fps)
    hours, minutes, seconds, fraction = match.groups()
    if int(seconds) > 59 or (hours and int(minutes) > 59):
        raise _no_clock(cell, what)
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return to_number(f"{whole}.{fraction or 0}", what)


def _timecode_seconds(cell: str, what: str, fps: float | None) -> float:
    match = _TIMECODE.fullmatch(cell)
    if not match:
        raise _no_clock(cell, what)
    if not fps:
        fix = f"give the rate of the videos with --fps {WITH_OPTION}"
        raise Defect(expected="the frames per second of timecodes h:mm:ss:ff", found=shown(cell), fix=fix)
    hours, minutes, seconds, frames = map(int, match.groups())
    per_second = round(fps)  # at 29.97 per second, timecodes count 30
    if minutes > 59 or seconds > 59 or frames >= per_second:
        raise _no_clock(cell, what)
    return ((hours * 3600 + minutes * 60 + seconds) * per_second + frames) / fps


def _no_clock(cell: str, what: str) -> Defect:
    date = _DATE.search(cell)
    fix = "write the time since the start of the video" if date else "correct it"
    expected = f"minutes and seconds (1:05), or hours, minutes and seconds (0:01:05.5) as {what}"
    return Defect(expected=expected, found=f"the time of day {shown(cell)}" if date else shown(cell), fix=fix)

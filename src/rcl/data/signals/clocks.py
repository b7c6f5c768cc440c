"""Times of samples in the forms that loggers write: numbers in some unit, epochs, dates, times of day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from rcl.data.signals.cells import numbers_of
from rcl.data.signals.signal import TimeUnit
from rcl.system.errors import Defect, shown

Form = Literal["s", "ms", "us", "ns", "date", "clock"]
"""How a column writes times: numbers in a unit, dates with a time (ISO 8601), or times of day."""

PER_SECOND: dict[str, float] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_UNITS: dict[str, TimeUnit] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), "ns"),
}
_TIME_WORDS = {"time", "times", "timestamp", "timestamps", "t", "ts", "datetime", "clock", "zeit", "zeitstempel"}
_MORE_WORDS = {
    *("date", "in", "elapsed", "since", "start", "unix", "epoch", "utc", "local", "gmt", "iso"),
    *("system", "relative", "rel", "host", "device", "sample", "sensor"),
}
_COUNTED = ("index", "idx", "sample", "samples", "frame", "frames", "row")
_INDEX_NAMES = {*_COUNTED, *(f"{what}{word}" for what in _COUNTED for word in ("index", "number", "nr", "no", "id"))}
_DATE = re.compile(r"\s*\d{4}[-/]\d\d[-/]\d\d[T ]\s*\d\d:\d\d(:\d\d([.,]\d*)?)?\s*(Z|UTC|[+-]\d\d(:?\d\d)?)?\s*", re.I)
_CLOCK = re.compile(r"\s*\d\d:\d\d:\d\d([.,]\d*)?\s*")
_ZONE = re.compile(r"\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)$", re.I)
_EPOCH = (9.4e8, 4.2e9)  # seconds since 1970, from 1999 to 2103
_HALF_A_DAY, _DAY = 43_200.0, 86_400.0


# -- names -------------------------------------------------------------------------------------------------------


def words_of(name: str) -> list[str]:
    """The words of the name of a column, in small letters.

    >>> words_of("timeStamp [ms]"), words_of("acc_x")
    (['timestamp', 'ms'], ['acc', 'x'])
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub("timeStamp", "timestamp", name, flags=re.I))
    return re.findall(r"[^\W\d_]+", spaced.casefold())


def unit_in(name: str) -> TimeUnit | None:
    """The unit of time that a name states, if it is one.

    >>> unit_in("time (ms)"), unit_in("Time")
    ('ms', None)
    """
    units = {_UNITS[word] for word in words_of(name) if word in _UNITS}
    return units.pop() if len(units) == 1 else None


def is_time_name(name: str) -> bool:
    """Whether a column holds times, by its name.

    >>> [is_time_name(name) for name in ("Time (s)", "timestamp_ns", "seconds_elapsed", "ms", "acc_x", "start")]
    [True, True, True, True, False, False]
    """
    words = words_of(name)
    rest = [word for word in words if word not in _UNITS and word not in _MORE_WORDS]
    if any(word in _UNITS for word in words):
        return not rest or all(word in _TIME_WORDS for word in rest)
    return bool(rest) and all(word in _TIME_WORDS for word in rest)


def is_index_name(name: str) -> bool:
    """Whether a column counts samples or frames, by its name."""
    return "".join(words_of(name)) in _INDEX_NAMES or name.strip() == "Unnamed: 0"


# -- forms -------------------------------------------------------------------------------------------------------


def form_of(cells: Sequence[str], name: str, unit: TimeUnit | None) -> Form:
    """How a column writes its times.

    Args:
        cells: its first cells.
        name: its name, with its unit if there is one.
        unit: that of numbers, if it was given.

    Raises:
        Defect: its unit is neither stated nor clear from the numbers.
    """
    filled = [cell for cell in cells if cell.strip()]
    if is_dates(filled):
        return "date"
    if _are(_CLOCK, filled):
        return "clock"
    times = numbers_of(filled)
    return unit or unit_in(name) or _unit_of_epoch(times) or _unit_of_steps(times, name)


def is_dates(cells: Sequence[str]) -> bool:
    """Whether most of the cells are dates with a time."""
    return _are(_DATE, cells)


def _are(pattern: re.Pattern[str], cells: Sequence[str]) -> bool:
    return sum(pattern.fullmatch(cell) is not None for cell in cells) * 2 > len(cells)


def _unit_of_epoch(times: np.ndarray) -> TimeUnit | None:
    first = next((time for time in times if np.isfinite(time)), 0.0)
    return next((u for u in ("s", "ms", "us", "ns") if _EPOCH[0] <= first / PER_SECOND[u] <= _EPOCH[1]), None)


def _unit_of_steps(times: np.ndarray, name: str) -> TimeUnit:
    steps = np.diff(times[np.isfinite(times)])
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if step < 1:
        return "s"
    found = f"steps of {step:g} in {name!r}, which may be seconds, a smaller unit, or a count of samples"
    fix = "give the unit (--time-unit s, ms, us or ns), or the samples per second (--rate)"
    raise Defect(expected="times whose unit is known", found=found, fix=fix)


# -- reading -----------------------------------------------------------------------------------------------------


class ClockReader:
    """Reads the times of a column, chunk after chunk; a time of day goes on after midnight.

    Args:
        form: how the column writes them.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        self._days, self._last = 0.0, np.nan

    def seconds(self, texts: Sequence[str]) -> np.ndarray:
        """Dates as seconds since 1970, times of day since the midnight before the first; NaN for an empty cell.

        Raises:
            Defect: a cell is something else.
        """
        if self.form == "date":
            return _seconds_of_dates(texts)
        times = _seconds_of_texts([f"1970-01-01T{text.strip()}" if text.strip() else "" for text in texts], texts)
        timed = np.flatnonzero(np.isfinite(times))
        if len(timed):
            steps = np.diff(times[timed], prepend=times[timed[0]] if np.isnan(self._last) else self._last)
            days = self._days + np.cumsum((steps < -_HALF_A_DAY).astype(float) - (steps > _HALF_A_DAY))
            self._days, self._last = float(days[-1]), float(times[timed[-1]])
            times[timed] += days * _DAY
        return times


def _seconds_of_dates(cells: Sequence[str]) -> np.ndarray:
    texts = [cell.strip() for cell in cells]
    zones = [match[1] if (match := _ZONE.search(text[10:])) else "" for text in texts]
    plain = [_ZONE.sub("", text[10:]) for text in texts]
    dates = [
        f"{text[:10].replace('/', '-')}T{time.strip(' T')}" if text else ""
        for text, time in zip(texts, plain, strict=True)
    ]
    seconds = _seconds_of_texts(dates, texts)
    for zone in {*zones} - {"", "Z", "z", "UTC", "utc"}:
        hours, minutes = int(zone[1:3]), int(zone[3:].strip(":") or 0)
        offset = (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
        seconds[[each == zone for each in zones]] -= offset
    return seconds


def _seconds_of_texts(texts: Sequence[str], original: Sequence[str]) -> np.ndarray:
    try:
        stamps = np.array([text.replace(",", ".") or "NaT" for text in texts], dtype="datetime64[us]")
    except ValueError:
        wrong = next((cell for text, cell in zip(texts, original, strict=True) if not _is_stamp(text)), "")
        fix = "write all times of the column in one form, such as 2024-05-01T12:00:00.250"
        raise Defect(expected="a date with a time, or a time of day", found=shown(wrong), fix=fix) from None
    seconds = stamps.astype(np.int64) / 1e6
    return np.where(np.isnat(stamps), np.nan, seconds)


def _is_stamp(text: str) -> bool:
    try:
        np.datetime64(text.replace(",", ".") or "NaT", "us")
    except ValueError:
        return False
    return True

"""Which column of a table of samples holds the times, which the values, and which the names of sensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rcl.data.formats.tables.columns import meaning_of
from rcl.data.formats.tables.sheet import is_header
from rcl.data.signals.cells import is_missing, is_numeric, numbers_of
from rcl.data.signals.cleaning import Rows
from rcl.data.signals.clocks import (
    PER_SECOND,
    ClockReader,
    Form,
    form_of,
    is_dates,
    is_index_name,
    is_time_name,
    words_of,
)
from rcl.data.signals.recording import missing_column
from rcl.data.signals.signal import RecordingOptions
from rcl.data.signals.tables import Table
from rcl.system.errors import InputError, counted, listed, located

_SENSORS = ("sensor", "channel", "signal", "device", "node", "imu")
_SENSOR_NAMES = {
    *(f"{what}{word}" for what in _SENSORS for word in ("", "id", "name", "type")),
    *("variable", "parameter", "measurement", "modality", "source", "stream", "location", "placement"),
}
_RISING = 0.9  # share of steps


@dataclass(frozen=True)
class Layout:
    """The columns of a table by what they hold, as places from 0.

    Args:
        values: the columns with the values.
        time: the column with the times, if any.
        form: how it writes them.
        index: the column that counts samples, where ``rate`` turns it into times.
        rate: samples per second, where no column has times.
        sensor: the column with names of sensors, in a table with a row per sample of one of them.
        notes: what was left out or assumed.
    """

    values: tuple[int, ...]
    time: int | None = None
    form: Form = "s"
    index: int | None = None
    rate: float | None = None
    sensor: int | None = None
    notes: tuple[str, ...] = ()


# -- what the columns hold ---------------------------------------------------------------------------------------


def is_table_of_samples(table: Table, options: RecordingOptions) -> bool:
    """Whether a table holds samples: numbers with times, or with what the options say about their times."""
    if options.time_column is None and is_header(table.names):
        return False  # of labels
    stated = options.rate is not None or options.time_column is not None
    return (stated or _time_of(table, options) is not None) and any(map(is_numeric, table.sample))


def layout_of(table: Table, options: RecordingOptions) -> Layout:
    """What the columns of a table hold, by their names and first cells, and by what the options say.

    Raises:
        InputError: it has no times and no rate is given, a column that the options name is missing, the unit of its
            times is not clear, or no column has numbers.
    """
    time = _time_of(table, options)
    index = _index_of(table)
    sensor = _sensor_of(table)
    times = {place for place in range(len(table.names)) if _looks_like_time(table, place)}
    form: Form = "s"
    if time is None:
        _check_rate(table, options)
    else:
        with located(f"{table.where}, column {table.names[time]!r}"):
            form = form_of(table.sample[time], _full_name(table, time), options.time_unit)
    taken = {*times, time, index, sensor}
    values, notes = _values_of(table, options, taken)
    if time is None and times:
        names = listed([repr(table.names[place]) for place in sorted(times)])
        notes.append(f"{names} not read, as the samples per second are given")
    elif len(times - {time}):
        names = listed([repr(table.names[place]) for place in sorted(times - {time})])
        notes.append(f"the times are those of {table.names[time or 0]!r}, so {names} is not read")
    rate = options.rate if time is None else None
    return Layout(values, time, form, index if time is None else None, rate, sensor, tuple(notes))


def _full_name(table: Table, place: int) -> str:
    unit = table.units[place]
    return f"{table.names[place]} ({unit})" if unit else table.names[place]


def _time_of(table: Table, options: RecordingOptions) -> int | None:
    if options.time_column is not None:
        return place_of(options.time_column, table.names, table.where)
    if options.rate is not None:
        return None
    found = [place for place in range(len(table.names)) if _looks_like_time(table, place)]
    return next((place for place in found if _rises(table.sample[place])), found[0] if found else None)


def _looks_like_time(table: Table, place: int) -> bool:
    """Whether a column has the name of times, or holds dates; a column with the name ``t`` also has to rise."""
    name, cells = table.names[place], [cell for cell in table.sample[place] if not is_missing(cell)]
    if is_dates(cells):
        return True
    named = is_time_name(_full_name(table, place)) and bool(cells)
    return named and (":" in cells[0] or is_numeric(cells)) and (len(name.strip()) > 2 or _rises(cells))


def _rises(cells: Sequence[str]) -> bool:
    """Whether most steps of a column go up."""
    if not is_numeric(cells):
        return len({*cells}) > 1
    times = numbers_of(cells)
    steps = np.diff(times[np.isfinite(times)])
    return float((steps >= 0).mean()) >= _RISING if len(steps) else True


def _index_of(table: Table) -> int | None:
    """The column that counts the rows: by its name, or without one as pandas writes it."""
    for place, name in enumerate(table.names):
        counts = [str(row) for row in range(len(table.sample[place]))]
        if is_index_name(name) or (not name.strip() and [*table.sample[place]] == counts):
            return place
    return None


def _sensor_of(table: Table) -> int | None:
    for place, name in enumerate(table.names):
        if "".join(words_of(name)) in _SENSOR_NAMES and any(cell.strip() for cell in table.sample[place]):
            return place
    return None


def _check_rate(table: Table, options: RecordingOptions) -> None:
    if options.rate is None:
        found = f"the columns {listed([repr(name) for name in table.names], 8)}"
        fix = "name it with --time-column, or give the samples per second with --rate"
        raise InputError(table.where, expected="a column with times, such as 'time'", found=found, fix=fix)


def _values_of(table: Table, options: RecordingOptions, taken: set[int | None]) -> tuple[tuple[int, ...], list[str]]:
    """The columns with values, and notes about the others."""
    if options.columns is not None and _sensor_of(table) is None:
        chosen = [place_of(name, table.names, table.where) for name in options.columns]
        if wrong := [place for place in chosen if not is_numeric(table.sample[place])]:
            where, found = f"{table.where}, column {table.names[wrong[0]]!r}", "text"
            raise InputError(where, expected="numbers", found=found, fix="leave it out of --signal-columns")
        return tuple(chosen), []
    others = [place for place in range(len(table.names)) if place not in taken]
    left = [place for place in others if is_label_name(table.names[place]) or not is_numeric(table.sample[place])]
    values = [place for place in others if place not in left and not _is_nameless_and_empty(table, place)]
    if not values:
        found = f"the columns {listed([repr(name) for name in table.names], 8)}"
        raise InputError(table.where, expected="a column with values", found=found, fix="give another file")
    if not left:
        return tuple(values), []
    names = listed([repr(table.names[place]) for place in left], 8)
    said = f"{counted(len(left), 'column')} of text or labels not read: {names}"
    return tuple(values), [f"{said}; labels are read from a table of segments (--labels)"]


def is_label_name(name: str) -> bool:
    """Whether a column holds what is to be detected, by its name: such numbers are no measurement.

    >>> is_label_name("activity_id"), is_label_name("Class"), is_label_name("gyro_y")
    (True, True, False)
    """
    words = [word for word in words_of(name) if word not in ("id", "code", "index", "number", "nr", "name")]
    meaning = meaning_of(" ".join(words))
    return (meaning is not None and meaning.role == "label") or words in (["target"], ["ground", "truth"], ["gt"])


def _is_nameless_and_empty(table: Table, place: int) -> bool:
    """Whether a column is what a separator at the end of all lines makes."""
    return not table.names[place].strip() and not any(cell.strip() for cell in table.sample[place])


def place_of(name: str, names: Sequence[str], where: str) -> int:
    """The place of a column, whose name is compared without case if no other has it exactly.

    Raises:
        InputError: there is no such column.
    """
    if name in names:
        return names.index(name)
    plain = name.strip().casefold()
    same = [place for place, each in enumerate(names) if each.strip().casefold() == plain]
    if len(same) != 1:
        raise missing_column(where, name, names)
    return same[0]


# -- reading -----------------------------------------------------------------------------------------------------


def rows_of(table: Table, layout: Layout) -> Iterator[tuple[Rows, np.ndarray]]:
    """The rows of a table with their times, and the names of their sensors as ``(n,)`` text, if it has them.

    Raises:
        InputError: see ``Table.chunks``; or a time cannot be read.
    """
    as_text = layout.form in ("date", "clock") and layout.time is not None
    times = layout.time if layout.time is not None else layout.index
    numbers = [*layout.values, *([times] if times is not None and not as_text else [])]
    texts = [place for place in ([layout.time] if as_text else []) + [layout.sensor] if place is not None]
    clock, count, width = ClockReader(layout.form), 0, len(layout.values)
    for chunk in table.chunks(numbers, texts):
        if as_text:
            with located(f"{table.where}, {table.counted_by} {chunk.first} or later"):
                seconds = clock.seconds(chunk.texts[:, 0].tolist())
        elif layout.time is not None:
            seconds = chunk.numbers[:, width] / PER_SECOND[layout.form]
        else:
            rate = layout.rate or 1.0
            counts = np.arange(count, count + len(chunk.numbers)) if layout.index is None else chunk.numbers[:, width]
            seconds = counts / rate
            count += len(chunk.numbers)
        with np.errstate(over="ignore"):
            values = chunk.numbers[:, :width].astype(np.float32)
        names = chunk.texts[:, -1] if layout.sensor is not None else np.empty(0, dtype=np.str_)
        yield Rows(chunk.first, seconds, values), names

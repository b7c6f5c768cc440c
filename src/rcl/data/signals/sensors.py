"""Recordings of sensors in a table: a column per signal, or a row per sample of one of several sensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rcl.data.signals.cleaning import Repairs, Rows, clean
from rcl.data.signals.layout import Layout, layout_of, rows_of
from rcl.data.signals.merging import merge
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import BLOCK_BYTES, Block, RecordingOptions
from rcl.data.signals.tables import Table
from rcl.system.errors import InputError, counted

MOST_SENSORS = 100


def sensor_recording(table: Table, options: RecordingOptions) -> OpenRecording:
    """The recording in a table, on the clock of its file: its first time is not yet second 0.

    Raises:
        InputError: see ``layout_of``; or there are too many sensors.
    """
    layout = layout_of(table, options)
    notes = (*table.notes, *layout.notes)
    names = tuple(table.names[place] or f"column{place + 1}" for place in layout.values)
    sensors, in_turn = _sensors_of(table, layout) if layout.sensor is not None else ((), False)
    if len(sensors) < 2:

        def read(repairs: Repairs) -> Iterator[Block]:
            rows = (rows for rows, _ in rows_of(table, replace(layout, sensor=None)))
            return clean(rows, table.where, repairs, counted_by=table.counted_by)

        opened = OpenRecording(table.where, names, read, rate=layout.rate, notes=notes)
        return opened if layout.sensor is None else opened.selected(options.columns)
    columns = tuple(sensor if len(names) == 1 else f"{sensor}/{name}" for sensor in sensors for name in names)
    reader = _OneByOne(table, layout, sensors) if in_turn else _Mixed(table, layout, sensors)
    return OpenRecording(table.where, columns, reader, rate=layout.rate, notes=notes).selected(options.columns)


def _sensors_of(table: Table, layout: Layout) -> tuple[tuple[str, ...], bool]:
    """The names of all sensors in order, for which all rows are read, and whether the file has one after the other."""
    seen: dict[str, None] = {}
    runs, last = 0, None
    place = layout.sensor if layout.sensor is not None else 0
    for chunk in table.chunks([], [place]):
        names = chunk.texts[:, 0]
        starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
        runs += len(starts) - (names[0] == last)
        last = names[-1]
        seen.update(dict.fromkeys(str(name) for name in names[starts]))
        if len(seen) > MOST_SENSORS:
            found = f"more in the column {table.names[place]!r}"
            fix = "rename that column if it does not name sensors, or split the file"
            raise InputError(table.where, expected=f"at most {MOST_SENSORS} sensors", found=found, fix=fix)
    if layout.rate is not None and len(seen) > 1:
        found = f"a row per sample of one of {counted(len(seen), 'sensor')}"
        fix = "name the column with --time-column, or write a column per sensor"
        raise InputError(table.where, expected="times in a column", found=found, fix=fix)
    return tuple(seen), runs == len(seen) > 1


class _Mixed:
    """Rows of several sensors in the order of time: a row fills the columns of its sensor."""

    def __init__(self, table: Table, layout: Layout, sensors: tuple[str, ...]) -> None:
        self.table, self.layout, self.sensors = table, layout, sensors

    def __call__(self, repairs: Repairs) -> Iterator[Block]:
        return clean(self._rows(), self.table.where, repairs, counted_by=self.table.counted_by)

    def _rows(self) -> Iterator[Rows]:
        width = len(self.layout.values)
        step = max(1, BLOCK_BYTES // (4 * width * len(self.sensors)))
        for rows, names in rows_of(self.table, self.layout):
            for start in range(0, len(names), step):
                part = slice(start, start + step)
                values = np.full((len(names[part]), len(self.sensors), width), np.nan, dtype=np.float32)
                for place, sensor in enumerate(self.sensors):
                    chosen = names[part] == sensor
                    values[chosen, place] = rows.values[part][chosen]
                yield Rows(rows.first + start, rows.times_seconds[part], values.reshape(len(values), -1))


class _OneByOne:
    """All rows of one sensor after all of another, as tables are unpivoted: each is read in a pass of its own."""

    def __init__(self, table: Table, layout: Layout, sensors: tuple[str, ...]) -> None:
        self.table, self.layout, self.sensors = table, layout, sensors

    def __call__(self, repairs: Repairs) -> Iterator[Block]:
        series = [
            clean(self._rows(sensor), self.table.where, repairs, counted_by=self.table.counted_by)
            for sensor in self.sensors
        ]
        return merge(series, [len(self.layout.values)] * len(self.sensors))

    def _rows(self, sensor: str) -> Iterator[Rows]:
        for rows, names in rows_of(self.table, self.layout):
            chosen = names == sensor
            if chosen.any():
                first = rows.first + int(chosen.argmax())
                yield Rows(first, rows.times_seconds[chosen], rows.values[chosen])

"""How a table is laid out: its columns, its decimal sign, and the unit and form of its times."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rcl.data.formats import unreadable
from rcl.data.formats.options import WITH_OPTION, ReadOptions
from rcl.data.formats.tables.columns import (
    INDIVIDUAL,
    LENGTH,
    UNKNOWN,
    Column,
    commands_for,
    find_columns,
    meaning_of,
    warn_of_others,
)
from rcl.data.formats.tables.sheet import Sheet
from rcl.data.formats.tables.times import Reader, TimeReader, number_reader
from rcl.data.formats.values import Pair, to_number, to_positive, to_segment
from rcl.data.names import without_extension
from rcl.system.errors import Defect, InputError, counted, listed, shown

log = logging.getLogger("rcl")

_NUMBERS = ("start", "end", LENGTH, "duration", "fps", "frame_rate", "score")
MISSING = frozenset(("NA", "N/A", "#N/A", "NaN", "nan", "NULL"))
"""How R, pandas, Matlab and spreadsheets write that there is no number."""


@dataclass(frozen=True)
class Layout:
    """What reads the rows of one table.

    Args:
        columns: by what they hold; ``start`` without ``end`` and ``length`` are the times of events.
        number: reads a number.
        times: reads starts and ends, ``lengths`` the lengths of instances, ``durations`` those of videos.
        options: that the table is read with.
    """

    columns: dict[str, Column]
    number: Reader
    times: TimeReader
    lengths: TimeReader
    durations: TimeReader
    options: ReadOptions

    @classmethod
    def of(cls, sheet: Sheet, options: ReadOptions, *, required: Sequence[str], optional: Sequence[str]) -> Layout:
        """The layout of a table.

        Args:
            sheet: the table.
            options: what its names do not say.
            required: what it must have besides a start: ``video`` and ``label``, or ``video`` and ``score``.
            optional: what else is read.

        Raises:
            InputError: a column is missing or could be several, a row has more or fewer cells than the header, or the
                unit of the times is not known.
        """
        roles = (*required, "start", "end", *optional, LENGTH, "frame_rate", "time")
        columns = find_columns(sheet.header, sheet.source, roles, options)
        event = columns.pop("time", None)
        if event and "start" not in columns and "end" not in columns:
            columns["start"] = event
        _check_columns(columns, sheet, required, options)
        sheet.check_rows()
        if "label" in columns and "label" not in options.columns:
            _check_label(columns["label"], sheet)
        unit = _unit_of(columns, sheet.source, options)
        _settle_rate(columns, sheet.source, unit, options)
        cells = {role: sheet.column(columns[role].place) for role in _NUMBERS if role in columns}
        numbers = [cell for column in cells.values() if ":" not in "".join(column) for cell in column]
        number = number_reader(numbers, separator=sheet.separator)

        def reader(unit: str, *roles: str) -> TimeReader:
            given = [cell for role in roles for cell in cells.get(role, ())]
            return TimeReader.of(given, number, unit=unit, stated=options.times is not None)

        lengths = reader(_unit_like(columns.get(LENGTH), unit, sheet.source, options), LENGTH)
        durations = reader(_unit_like(columns.get("duration"), unit, sheet.source, options), "duration")
        return cls(columns, number, reader(unit, "start", "end"), lengths, durations, options)

    def warn_of_doubts(self, sheet: Sheet) -> None:
        """Name the columns that are not read, the options that are not needed, and rows that may be comments."""
        if commented := sheet.commented():
            message = "%s: %s with '#' are read as the others (line %s): remove them if they are comments"
            rows = counted(len(commented), "row that begins", "rows that begin")
            log.warning(message, sheet.source, rows, listed([*map(str, commented)]))
        read = [*self.columns.values(), *([Column("", 0)] if sheet.has_index() else [])]
        warn_of_others(sheet.header, sheet.source, read)
        readers = (self.times, self.lengths, self.durations)
        if not any(reader.unit == "frames" or reader.is_clock for reader in readers):
            self.options.warn_of(sheet.source, ["fps"], "no time is in frames")
        if video := self.columns.get("video"):
            self.options.warn_of(sheet.source, ["media"], f"the names are in the column {video.name!r}")

    @cached_property
    def plain(self) -> tuple[int, int] | None:
        """The places of start and end where both are plain seconds under our names, as in nearly all large tables."""
        start, end = self.columns["start"], self.columns.get("end")
        ours = end is not None and (start.name.lower(), end.name.lower()) == ("start", "end")
        seconds = self.times.unit == "seconds" and not self.times.is_clock and self.number is to_number
        return (start.place, end.place) if end and ours and seconds else None

    def video(self, row: Sequence[str]) -> str:
        """The name of a row's video, as it is in the table; ``video/individual`` where a column names individuals."""
        column = self.columns.get("video")
        name = row[column.place] if column else self.options.media or ""
        if individual := self.cell(row, INDIVIDUAL):
            return f"{without_extension(name.strip())}/{individual}"
        return name

    def cell(self, row: Sequence[str], role: str) -> str:
        """The text of a column that may be missing, without blanks around it; that of a missing number is empty."""
        column = self.columns.get(role)
        text = row[column.place].strip() if column else ""
        return "" if text in MISSING and role in _NUMBERS else text

    def rate(self, row: Sequence[str]) -> float | None:
        """The frames per second of a row's video, where its times are frames or timecodes."""
        if self.options.fps or not (cell := self.cell(row, "frame_rate")):
            return self.options.fps
        return to_positive(self.number(cell, "frames per second"), "frames per second")

    def segment(self, row: Sequence[str]) -> Pair:
        """The start and end of a row in seconds; those of an event are equal.

        Raises:
            Defect: one is missing or no time, or the end lies before the start.
        """
        if self.plain:
            try:
                return to_segment(row[self.plain[0]], row[self.plain[1]])
            except Defect:  # the slower way says more
                pass
        columns, rate = self.columns, self.rate(row)
        start = self.times.seconds(row[columns["start"].place], self._name("start"), rate)
        if "end" in columns and not self._is_event(row):
            end = self.times.seconds(row[columns["end"].place], self._name("end"), rate)
        elif LENGTH in columns:
            end = start + self.lengths.seconds(row[columns[LENGTH].place], self._name(LENGTH), rate)
        else:
            end = start
        return to_segment(start, end)

    def _is_event(self, row: Sequence[str]) -> bool:
        if self.cell(row, "end"):
            return False
        if not self.options.point_length and LENGTH not in self.columns:
            fix = f"add it, or give events without an end a length with --point-length {WITH_OPTION}"
            found = repr(row[self.columns["end"].place].strip())
            raise Defect(expected=f"a finite number as {self._name('end')}", found=found, fix=fix)
        return True

    def _name(self, role: str) -> str:
        """What a cell is, for messages, with the name of its column if that is another."""
        name = self.columns[role].name
        return role if name.lower() == role else f"{role} (column {shown(name)})"


def _check_columns(columns: dict[str, Column], sheet: Sheet, required: Sequence[str], options: ReadOptions) -> None:
    names = (required[0], "start", "end", *required[1:])
    expected = f"a header with the columns {','.join(names)}"
    if not sheet.header:
        raise InputError(sheet.source, expected=expected, found="an empty file", fix="add the header and the rows")
    missing = [role for role in names if role not in columns]
    if "end" in missing and (options.point_length or LENGTH in columns):
        missing.remove("end")
    if "video" in missing and options.media:
        missing.remove("video")
    if not missing:
        return
    found = f"{shown(sheet.separator.join(sheet.header), 100)} without {', '.join(missing)}"
    unreadable.check_rows_of_frames(sheet)
    named, noun = ",".join(f"{role}=NAME" for role in missing), "column" if len(missing) == 1 else "columns"
    fix = f"add the missing {noun} to the header and all rows, or say which with --columns {named}"
    if missing == ["end"]:
        fix += ", or a column of lengths with --columns length=NAME, or give events a length with --point-length"
    fix = f"{fix} ({commands_for(missing[0])})"
    if unreadable.has_no_header(sheet):
        fix = "add a first line with the names of the columns, separated as the others by commas, semicolons or tabs"
    raise InputError(sheet.source, expected=expected, found=found, fix=fix)


def _check_label(label: Column, sheet: Sheet) -> None:
    """Check that labels are not mere numbers next to a column of their names."""
    if not all(map(_is_number, sheet.column(label.place))):
        return
    others = [(place, name) for place, name in enumerate(sheet.header) if place != label.place]
    for place, name in others:
        meaning = meaning_of(name)
        if meaning and meaning.role == "label" and not any(map(_is_number, sheet.column(place))):
            expected, found = "one column for the label", f"numbers in {label.name!r}, words in {name!r}"
            fix = (
                f"say which with --columns label={name} or label={label.name} ({commands_for('label')}), or remove one"
            )
            raise InputError(sheet.source, expected=expected, found=found, fix=fix)


def _is_number(cell: str) -> bool:
    return cell.strip().lstrip("-").isdigit()


def _unit_of(columns: dict[str, Column], source: str, options: ReadOptions) -> str:
    """The unit of starts and ends that are numbers."""
    given = [columns[role] for role in ("start", "end") if role in columns]
    units = {column.unit or "seconds" for column in given}
    if options.times or (len(units) == 1 and UNKNOWN not in units):
        return options.times or units.pop()
    raise _no_unit(source, *given)


def _unit_like(column: Column | None, unit: str, source: str, options: ReadOptions) -> str:
    """The unit of another column of times, which is that of the starts where it states none."""
    if column and column.unit == UNKNOWN and not options.times:
        raise _no_unit(source, column)
    return unit if column is None or options.times else column.unit or unit


def _no_unit(source: str, *columns: Column) -> InputError:
    found = f"the {'columns' if len(columns) > 1 else 'column'} {' and '.join(repr(column.name) for column in columns)}"
    expected = "times in one unit: seconds, milliseconds, minutes or frames"
    return InputError(source, expected=expected, found=found, fix=f"say which with --times {WITH_OPTION}")


def _settle_rate(columns: dict[str, Column], source: str, unit: str, options: ReadOptions) -> None:
    """Find the rate of times in frames: that of the options, else a column.

    In our own tables, a column ``fps`` is the rate of the snippets. In others, it is that of the video.
    """
    ours = all(columns[role].name.lower() == role for role in ("start", "end") if role in columns)
    if "fps" in columns and "fps" not in options.columns and not ours:
        columns.setdefault("frame_rate", columns.pop("fps"))
    if unit != "frames" or options.fps:
        columns.pop("frame_rate", None)
    elif "frame_rate" not in columns:
        found = "times in frames" + (" (the column 'fps' is the rate of the features)" if "fps" in columns else "")
        fix = f"give the rate of the videos with --fps {WITH_OPTION}"
        raise InputError(source, expected="the frames per second of the videos", found=found, fix=fix)

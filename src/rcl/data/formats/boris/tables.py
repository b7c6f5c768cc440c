"""Tables that BORIS exports: events one by one ("tabular events"), and paired ("aggregated events")."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias, cast

from rcl.data.annotations import Annotations
from rcl.data.formats.boris.events import Event, Kind, Observation, annotations_of, chosen, pair, report_left_out
from rcl.data.formats.exported import Instance, instance_of
from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import to_number, to_positive, to_segment
from rcl.system.errors import Defect, InputError, Problems, listed, shown
from rcl.system.text_formats import columns_of, csv_rows

_FILE_COLUMNS = ("source", "media file", "media file path", "media file name")
_LENGTH_COLUMNS = ("media duration", "total length")
_NUMBERS = ("start", "stop", "time", "time offset", *_LENGTH_COLUMNS)
"""Columns whose commas are decimal: BORIS writes points, which spreadsheets change."""
_NOTHING = ("", "na", "nan", "not found")
_HEADER_WITHIN = 200
"""Lines: early versions write what they know about the observation above the table."""


_Row: TypeAlias = tuple[int, Mapping[str, str]]
"""Number of its line, and the values by lower-case column."""


class _Table(NamedTuple):
    facts: Mapping[str, str]  # what is above the header
    rows: Sequence[_Row]


def is_boris(text: str) -> bool:
    """Whether a table is one of BORIS, judged by its header."""
    return _header_of(text) is not None


def parse(text: str, source: str, *, options: ReadOptions | None = None) -> Annotations:
    """Annotations of tabular or aggregated events of one observation or several, as of BORIS 2 to 9.

    The label is the behaviour. Subjects and modifiers are left out with a warning.

    Args:
        text: the content of the file; see :func:`is_boris`.
        source: the file, for messages.
        options: ``annotator``: the id of the observation to read.

    Raises:
        InputError: a value is wrong, or a state event has no start or no stop.
    """
    table, problems = _read(text, source), Problems()
    groups = defaultdict[str, list[_Row]](list)
    for line, row in table.rows:
        groups[row.get("observation id") or table.facts.get("observation id", "")].append((line, row))
    found, live, read = list[Observation](), list[str](), list[_Row]()
    for name in chosen(groups, source, options):
        with problems.located(f"{source}, line {groups[name][0][0]}, observation {name!r}"):
            observation = _observation(name, groups[name], table.facts)
            if observation is None:
                live.append(name)
                continue
            instances = _instances(groups[name], Problems(), f"{source}, observation {name!r}")
            found.append(replace(observation, instances=instances))
            read += groups[name]
    problems.raise_first()
    subjects = sum(row.get("subject", "").lower() not in (*_NOTHING, "no focal subject") for _, row in read)
    modifiers = sum(bool(_modifiers(row)) for _, row in read)
    others = [f"observations without a video ({listed(live)})"] if live else []
    report_left_out(source, subjects=subjects, modifiers=modifiers, others=others)
    return annotations_of(found, source)


def _instances(rows: Sequence[_Row], problems: Problems, where: str) -> list[Instance]:
    """The instances of one observation.

    Raises:
        InputError: a value is wrong.
        Defect: a state event has no start or no stop.
    """
    events, instances = list[Event](), list[Instance]()
    for line, row in rows:
        with problems.located(f"{where}, line {line}"):
            if "start" in row:
                segment = to_segment(_seconds(row, "start"), _seconds(row, "stop"))
                instances.append(instance_of(*segment, row["behavior"]))
            else:
                events.append(_event(row))
    problems.raise_first()
    return instances + pair(events)


def _separator(line: str) -> str:
    return max("\t,;", key=line.count)


def _column(name: str) -> str:
    """A name without what differs between versions and languages.

    >>> _column("Start (s)"), _column("Time offset (hh:mm:ss)"), _column("Behaviour")
    ('start', 'time offset', 'behavior')
    """
    return re.sub(r"\s*[(\[](s|hh:mm:ss[^)\]]*)[)\]]$", "", name.strip().lower()).replace("behaviour", "behavior")


def _header_of(text: str) -> tuple[int, Sequence[str]] | None:
    """The number of the header's line, from 0, and its columns; ``None`` if it is not of BORIS."""
    for number, line in enumerate(text.split("\n", _HEADER_WITHIN)[:_HEADER_WITHIN]):
        if "behavio" in line.lower():
            columns = [_column(name) for name in columns_of(line, separator=_separator(line))]
            if "behavior" in columns and (_is_events(columns) or _is_like_boris(columns)):
                return number, columns
    return None


def _is_events(columns: Collection[str]) -> bool:
    """Whether columns are those of aggregated or of tabular events."""
    own, files = {"behavior type", "observation id"} & {*columns}, {*_FILE_COLUMNS} & {*columns}
    paired = {"start", "stop"} <= {*columns} and own and files
    single = {"time", "behavioral category"} <= {*columns} and {"status", "behavior type"} & {*columns}
    return bool(paired or single)


def _is_like_boris(columns: Collection[str]) -> bool:
    """Whether a table has what only BORIS writes, whose times another reader would take for those of one video."""
    return {"observation id", "time offset"} <= {*columns}


def _read(text: str, source: str) -> _Table:
    number, columns = _header_of(text) or (0, ())
    if not _is_events(columns):
        expected = "events of BORIS with the columns Start and Stop, or Time, Behavioral category and Behavior type"
        found = f"the columns {', '.join(columns)}"
        raise InputError(source, expected=expected, found=found, fix="export the events again, or import the project")
    lines = text.split("\n")
    separator = _separator(lines[number])
    above = [fields for _, fields in csv_rows("\n".join(lines[:number]), source, separator=separator)]
    facts = {_column(fields[0]): fields[1] for fields in above if len(fields) > 1}
    rows = list[_Row]()
    for line, fields in csv_rows("\n".join(lines[number + 1 :]), source, separator=separator):
        filled = [*fields, *[""] * (len(columns) - len(fields))]
        values = {name: value for name, value in zip(columns, filled, strict=False) if name}
        rows.append((number + 1 + line, _cleaned(values)))
    if not rows:
        raise InputError(source, expected="events", found="a header without rows", fix="export the events again")
    return _Table(_cleaned(facts), rows)


def _cleaned(values: Mapping[str, str]) -> dict[str, str]:
    plain = {name: value.strip() for name, value in values.items()}
    return {name: value.replace(",", ".") if name in _NUMBERS else value for name, value in plain.items()}


def _observation(name: str, rows: Sequence[_Row], facts: Mapping[str, str]) -> Observation | None:
    """The videos of an observation, their lengths and the offset of its times; ``None`` if it has no video."""
    row = rows[0][1]
    value = next((row[key] for key in _FILE_COLUMNS if row.get(key, "").lower() not in _NOTHING), "")
    value = value or facts.get("player #1", "")
    # "player #1:C:/v/a.mp4;C:/v/b.mp4|player #2:C:/v/c.mp4"; early versions have the file of each event instead.
    first = re.split(r"\|(?=player #\d)", value)[0]
    files = [part.strip() for part in re.sub(r"^player #\d+:", "", first).split(";") if part.strip()]
    if "source" not in row:
        each = [row[key] for _, row in rows for key in _FILE_COLUMNS if row.get(key, "").lower() not in _NOTHING]
        files = [*dict.fromkeys([*files, *each])]
    if not files:
        return None
    duration = next((row[key] for key in _LENGTH_COLUMNS if row.get(key)), "").split("|")[0]
    values = duration.split(";")
    lengths = [_length(value) for value in values] if len(values) == len(files) else [None] * len(files)
    known = next((given for given in (row, facts) if given.get("time offset")), {"time offset": "0"})
    return Observation(name, files, lengths, _seconds(known, "time offset"))


def _length(value: str) -> float | None:
    if value.strip().lower() in _NOTHING:
        return None
    return to_positive(_seconds({"length": value.strip()}, "length"), "length of the video")


def _event(row: Mapping[str, str]) -> Event:
    status = (row.get("status") or row.get("behavior type", "")).upper()
    if status not in ("START", "STOP", "POINT", "STATE"):
        fix = "export the events again"
        raise Defect(expected="START, STOP or POINT as the type of an event", found=shown(status), fix=fix)
    kind = cast("Kind", status)
    return Event(_seconds(row, "time"), row["behavior"], kind, row.get("subject", ""), _modifiers(row))


def _modifiers(row: Mapping[str, str]) -> str:
    values = [value for key, value in row.items() if re.fullmatch(r"modifiers?( #\d+)?", key)]
    return "|".join(value for value in values if value.lower() not in (*_NOTHING, "none"))


def _seconds(row: Mapping[str, str], column: str) -> float:
    """A time in seconds, or as ``hh:mm:ss.fff``."""
    value = row.get(column, "")
    clock = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", value)
    return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) if clock else to_number(value, column)

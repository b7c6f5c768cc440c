"""A table of annotations with one video replaced or taken out, or a label renamed."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence

from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.values import composed
from rcl.system.errors import located
from rcl.system.text_formats import csv_text
from rcl.web.serve.file_content import (
    COMMENT,
    OF_VIDEO,
    REVIEWED,
    Entry,
    Naming,
    Remarks,
    Segment,
    facts_of,
    grouped,
    subset_with,
    take,
)
from rcl.web.serve.intervals import Intervals, from_text, to_text, union

COLUMNS = ("video", "start", "end", "label")


class Table:
    """A table ``video,start,end,label``, perhaps with more columns.

    Args:
        text: of the file; ``None`` for a new one.
        names_of: see :data:`Naming`.
    """

    def __init__(self, text: str | None, names_of: Naming) -> None:
        rows = [row for row in csv.reader(io.StringIO(text or "", newline="")) if "".join(row).strip()]
        self._header = rows[0] if rows else None
        width = len(rows[0]) if rows else 0
        self._rows = [[*row, *[""] * (width - len(row))] for row in rows[1:]]  # the last cells may be missing
        self._names_of = names_of

    @property
    def is_empty(self) -> bool:
        return self._header is not None and not self._rows and {*COLUMNS} <= _places(self._header).keys()

    def entry_of(self, name: str) -> Entry | None:
        own = self._own_rows(name)
        if not own or self._header is None:
            return None
        rows = [dict(zip(self._header, row, strict=False)) for row in own]
        return {"name": own[0][_places(self._header)["video"]], "rows": rows}

    def without(self, name: str) -> str:
        gone = {id(row) for row in self._own_rows(name)}  # another row may have equal cells
        return csv_text([self._header or COLUMNS, *(row for row in self._rows if id(row) not in gone)])

    def remarks(self) -> dict[str, Remarks]:
        column = _places(self._header or [])
        if not {COMMENT, REVIEWED} & column.keys():
            return {}
        names = self._names_of(row[column["video"]].strip() for row in self._rows)
        own = defaultdict[str, list[list[str]]](list)
        for row in self._rows:
            own[names.get(row[column["video"]].strip(), "")].append(row)
        return {name: _remarks_in(rows, column, f"video {name!r}") for name, rows in own.items() if name}

    def renamed(self, old: str, new: str) -> tuple[str, int]:
        place = _places(self._header or COLUMNS)["label"]
        found = [composed(row[place].strip()) == old for row in self._rows]
        pairs = zip(self._rows, found, strict=True)
        rows = [[*row[:place], new, *row[place + 1 :]] if has_it else row for row, has_it in pairs]
        return csv_text([self._header or COLUMNS, *rows]), sum(found)

    def replaced(
        self,
        name: str,
        segments: Sequence[Segment],
        video: VideoAnnotation | None,
        entry: Entry | None,
        reviewed: Intervals | None = None,
    ) -> str:
        before = self._header or [*COLUMNS, *_titles_for(video)]
        header = [*before, *_titles_besides(before, segments, reviewed)]
        own = self._own_rows(name)
        at = self._rows.index(own[0]) if own else len(self._rows)
        gone = {id(row) for row in own}  # another row may have equal cells
        others = [row for row in self._rows[at:] if id(row) not in gone]
        earlier = (entry or {}).get("rows", [])
        own = own or [[cells.get(title, "") for title in header] for cells in earlier]
        column = _places(header)
        known = grouped((_segment_in(row, column), _padded(row, header)) for row in own)
        blank = _blank(header, own[0][column["video"]] if own else name, segments, video)
        places = [column[title] for title in COLUMNS[1:]]
        new = [take(known, one.plain) or _filled(blank, places, one[:3]) for one in segments]
        for row, segment in zip(new, segments, strict=True):
            _set(row, column, COMMENT, segment.comment)
        new = new or [blank]
        for row in new:
            _set(row, column, REVIEWED, to_text(reviewed) if reviewed else "")
        return csv_text([header, *(_padded(row, header) for row in [*self._rows[:at], *new, *others])])

    def _own_rows(self, name: str) -> list[list[str]]:
        if self._header is None:
            return []
        at = _places(self._header)["video"]
        names = self._names_of(row[at].strip() for row in self._rows)
        return [row for row in self._rows if names.get(row[at].strip()) == name]


def _titles_for(video: VideoAnnotation | None) -> Sequence[str]:
    """The columns of a new table that describe its videos, of which this is the first."""
    if video is None:
        return ()
    return OF_VIDEO if video.group is not None else OF_VIDEO[:-1]


def _titles_besides(header: Sequence[str], segments: Sequence[Segment], reviewed: Intervals | None) -> Sequence[str]:
    """The columns that a table lacks for the comments and reviewed intervals of a video."""
    needed = {COMMENT: any(segment.comment for segment in segments), REVIEWED: bool(reviewed)}
    return [title for title, is_needed in needed.items() if is_needed and title not in _places(header)]


def _places(header: Sequence[str]) -> dict[str, int]:
    return {title.strip().lower(): position for position, title in enumerate(header)}


def _segment_in(row: Sequence[str], column: Mapping[str, int]) -> Segment | None:
    start, end, label = (row[column[title]].strip() for title in COLUMNS[1:])
    return Segment(float(start), float(end), composed(label)) if label else None


def _remarks_in(rows: Sequence[Sequence[str]], column: Mapping[str, int], where: str) -> Remarks:
    comments = defaultdict[Segment, list[str]](list)
    parts: list[tuple[float, float]] = []
    for row in rows:
        segment = _segment_in(row, column)
        if segment and COMMENT in column:
            comments[segment].append(row[column[COMMENT]].strip())
        if REVIEWED in column:
            with located(where):
                parts += from_text(row[column[REVIEWED]])
    return Remarks(comments, union(parts) or None)


def _padded(row: Sequence[str], header: Sequence[str]) -> list[str]:
    return [*row, *[""] * (len(header) - len(row))]


def _set(row: list[str], column: Mapping[str, int], title: str, value: str) -> None:
    if title in column:
        row[column[title]] = value


def _blank(
    header: Sequence[str], written: str, segments: Sequence[Segment], video: VideoAnnotation | None
) -> list[str]:
    """A row that only names its video and describes it."""
    column, row = _places(header), [""] * len(header)
    for title, fact in zip(OF_VIDEO, (subset_with(segments, video), *facts_of(video)[1:]), strict=True):
        if title in column:
            row[column[title]] = "" if fact is None else str(fact)
    row[column["video"]] = written
    return row


def _filled(blank: Sequence[str], places: Sequence[int], values: Sequence[object]) -> list[str]:
    row = list(blank)
    for place, value in zip(places, values, strict=True):
        row[place] = str(value)
    return row

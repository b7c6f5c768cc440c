"""A table of annotations with one video replaced or taken out, or a label renamed."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.tables.intervals import intervals_text, is_intervals
from rcl.data.formats.values import composed
from rcl.system.errors import Defect, shown
from rcl.system.text_formats import csv_text
from rcl.web.serve import file_content as content
from rcl.web.serve.file_content import (
    ANNOTATOR,
    OF_VIDEO,
    REMARKS,
    REVIEWED,
    Entry,
    Naming,
    Renaming,
    Replacement,
    Segment,
)

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
        """Whether there is a header of ours and no row."""
        return self._header is not None and not self._rows and {*COLUMNS} <= _places(self._header).keys()

    def entry_of(self, name: str) -> Entry | None:
        """All that the table says of a video, also what RCL does not read; ``None`` if the video is not in it."""
        own = self._own_rows(name)
        if not own or self._header is None:
            return None
        rows = [dict(zip(self._header, row, strict=False)) for row in own]
        return {"name": own[0][_places(self._header)["video"]], "rows": rows}

    def without(self, name: str) -> str:
        """The text of the table without a video."""
        gone = {id(row) for row in self._own_rows(name)}  # another row may have equal cells
        return csv_text([self._header or COLUMNS, *(row for row in self._rows if id(row) not in gone)])

    def remarked(self) -> dict[str, list[Segment]]:
        """The segments of each video with their remarks, in the order of the file."""
        column = _places(self._header or [])
        if not {*REMARKS} & column.keys():
            return {}
        own = defaultdict[str, list[Segment]](list)
        for name, segment in self._named():
            if segment:
                own[name].append(segment)
        return own

    def times_of(self, label: str) -> content.Only:
        """The segments that have a label."""
        times = defaultdict[str, list[tuple[float, float]]](list)
        for name, segment in self._named():
            if segment and segment.label == label:
                times[name].append((segment.start, segment.end))
        return times

    def renamed(self, renaming: Renaming) -> tuple[str, int]:
        """The text of the table in which a label has another name, and the number of segments that got it."""
        place = _places(self._header or COLUMNS)["label"]
        found = [renaming.concerns(name, segment) for name, segment in self._named()]
        pairs = zip(self._rows, found, strict=True)
        rows = [[*row[:place], renaming.new, *row[place + 1 :]] if is_it else row for row, is_it in pairs]
        return csv_text([self._header or COLUMNS, *rows]), sum(found)

    def _named(self) -> Iterator[tuple[str, Segment | None]]:
        """The name of the video and the segment of each row."""
        column = _places(self._header or COLUMNS)
        written = [row[column["video"]].strip() for row in self._rows]
        names = self._names_of(written)
        for name, row in zip(written, self._rows, strict=True):
            yield names.get(name, name), _segment_in(row, column)

    def replaced(self, new: Replacement) -> str:
        """The text of the table in which the segments of a video are replaced; columns that RCL does not read stay.

        Raises:
            Defect: a column ``reviewed`` of the table holds something other than intervals.
        """
        before = self._header or [*COLUMNS, *_titles_for(new.known)]
        header = [*before, *_titles_besides(before, new)]
        own = self._own_rows(new.name)
        at = self._rows.index(own[0]) if own else len(self._rows)
        gone = {id(row) for row in own}  # another row may have equal cells
        others = [row for row in self._rows[at:] if id(row) not in gone]
        earlier = (new.entry or {}).get("rows", [])
        own = own or [[cells.get(title, "") for title in header] for cells in earlier]
        rows = _rows_of(new, header, [_padded(row, header) for row in own])
        self._state_reviewed(new, header, rows)
        return csv_text([header, *(_padded(row, header) for row in [*self._rows[:at], *rows, *others])])

    def _state_reviewed(self, new: Replacement, header: Sequence[str], rows: Sequence[list[str]]) -> None:
        """Fill the column of what was reviewed in place, unless it says something else, such as yes or no."""
        place = _places(header).get(REVIEWED)
        if place is None:
            return
        stated = [row[place] for row in self._rows if place < len(row) and row[place].strip()]
        if not stated or any(map(is_intervals, stated)):
            for row in rows:
                row[place] = intervals_text(new.reviewed or ())
        elif new.reviewed:
            fix = "rename the column, which says something else"
            raise Defect(expected="intervals such as 0-30;60-90 as reviewed", found=shown(stated[0]), fix=fix)

    def _own_rows(self, name: str) -> list[list[str]]:
        if self._header is None:
            return []
        at = _places(self._header)["video"]
        names = self._names_of(row[at].strip() for row in self._rows)
        return [row for row in self._rows if names.get(row[at].strip()) == name]


def _rows_of(new: Replacement, header: Sequence[str], own: Sequence[list[str]]) -> list[list[str]]:
    """The rows of a video from now on, each from that of the same segment among its ``own`` rows, if there is one."""
    column = _places(header)
    segments = ((_segment_in(row, column), row) for row in own)
    held = content.grouped((segment and segment.plain, row) for segment, row in segments)
    blank = _blank(header, own[0][column["video"]] if own else new.name, new)
    if not new.segments:
        row = content.take(held, None) or blank
        if ANNOTATOR in column and new.annotator:
            row[column[ANNOTATOR]] = new.annotator
        return [row]
    rows = []
    for segment in new.segments:
        row = content.take(held, segment.plain) or _filled(blank, [column[title] for title in COLUMNS[1:]], segment[:3])
        for title in {*REMARKS} & column.keys():
            row[column[title]] = getattr(segment, title)
        rows.append(row)
    return rows


def _titles_for(video: VideoAnnotation | None) -> Sequence[str]:
    """The columns of a new table that describe its videos, of which this is the first."""
    if video is None:
        return ()
    return OF_VIDEO if video.group is not None else OF_VIDEO[:-1]


def _titles_besides(header: Sequence[str], new: Replacement) -> Sequence[str]:
    """The columns that a table lacks for the remarks on a video and what was reviewed of it."""
    needed = {title: any(getattr(segment, title) for segment in new.segments) for title in REMARKS}
    needed[ANNOTATOR] |= not new.segments and bool(new.annotator)
    needed[REVIEWED] = bool(new.reviewed)
    return [title for title, is_needed in needed.items() if is_needed and title not in _places(header)]


def _places(header: Sequence[str]) -> dict[str, int]:
    return {title.strip().lower(): position for position, title in enumerate(header)}


def _segment_in(row: Sequence[str], column: Mapping[str, int]) -> Segment | None:
    start, end, label = (row[column[title]].strip() for title in COLUMNS[1:])
    remarks = (row[column[title]].strip() if title in column else "" for title in REMARKS)
    return Segment(float(start), float(end), composed(label), *remarks) if label and start else None


def _padded(row: Sequence[str], header: Sequence[str]) -> list[str]:
    return [*row, *[""] * (len(header) - len(row))]


def _blank(header: Sequence[str], written: str, new: Replacement) -> list[str]:
    """A row that only names its video and describes it."""
    column, row = _places(header), [""] * len(header)
    subset = content.subset_with(new.segments, new.known)
    for title, fact in zip(OF_VIDEO, (subset, *content.facts_of(new.known)[1:]), strict=True):
        if title in column:
            row[column[title]] = "" if fact is None else str(fact)
    row[column["video"]] = written
    return row


def _filled(blank: Sequence[str], places: Sequence[int], values: Sequence[object]) -> list[str]:
    row = list(blank)
    for place, value in zip(places, values, strict=True):
        row[place] = str(value)
    return row

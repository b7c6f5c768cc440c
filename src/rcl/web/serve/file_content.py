"""The content of an annotation file, a table or ActivityNet's JSON, with one video replaced or taken out."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.values import composed, to_group
from rcl.system.text_formats import csv_text

COLUMNS = ("video", "start", "end", "label")
OF_VIDEO = ("subset", "duration", "fps", "group")  # columns that describe the video, not a segment

Entry: TypeAlias = dict[str, Any]
"""All that a file says of one video, as JSON can hold it; ``name`` is how the file writes its name."""
Naming: TypeAlias = Callable[[Iterable[str]], Mapping[str, str]]
"""From the names in a file to those of the videos."""
Held = TypeVar("Held")


class Segment(NamedTuple):
    """An instance of an action, in seconds."""

    start: float
    end: float
    label: str


class Content(Protocol):
    """What both kinds of files have in common. Nothing is written here."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no video, for instance because the last one was taken out."""

    def entry_of(self, name: str) -> Entry | None:
        """All that is said of one video, also what RCL does not read."""

    def without(self, name: str) -> str:
        """The text of a file without one video, which is in this one."""

    def replaced(
        self, name: str, segments: Sequence[Segment], video: VideoAnnotation | None, entry: Entry | None
    ) -> str:
        """The text of a file in which the segments of one video are replaced, and all else is as it was.

        Args:
            name: of the video.
            segments: all its segments, in order.
            video: what is known of it already.
            entry: of the same video in an earlier file, if it is not in this one.
        """


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

    def replaced(
        self, name: str, segments: Sequence[Segment], video: VideoAnnotation | None, entry: Entry | None
    ) -> str:
        header = self._header or [*COLUMNS, *_titles_for(video)]
        own = self._own_rows(name)
        at = self._rows.index(own[0]) if own else len(self._rows)
        gone = {id(row) for row in own}  # another row may have equal cells
        others = [row for row in self._rows[at:] if id(row) not in gone]
        earlier = (entry or {}).get("rows", [])
        own = own or [[cells.get(title, "") for title in header] for cells in earlier]
        column = _places(header)
        known = _grouped((_segment_in(row, column), row) for row in own)
        blank = _blank(header, own[0][column["video"]] if own else name, segments, video)
        places = [column[title] for title in COLUMNS[1:]]
        new = [_next(known, segment) or _filled(blank, places, segment) for segment in segments] or [blank]
        return csv_text([header, *self._rows[:at], *new, *others])

    def _own_rows(self, name: str) -> list[list[str]]:
        if self._header is None:
            return []
        at = _places(self._header)["video"]
        names = self._names_of(row[at].strip() for row in self._rows)
        return [row for row in self._rows if names.get(row[at].strip()) == name]


class Database:
    """ActivityNet's JSON.

    Args:
        data: the object in the file; ``None`` for a new one.
        names_of: see :data:`Naming`.
    """

    def __init__(self, data: dict[str, Any] | None, names_of: Naming) -> None:
        new: dict[str, Any] = {"version": "RCL", "taxonomy": [], "database": {}}
        self._data = new if data is None else data
        self._entries: dict[str, Any] = self._data.get("database", {})
        self._names_of = names_of

    @property
    def is_empty(self) -> bool:
        return self._data.get("database") == {}

    def entry_of(self, name: str) -> Entry | None:
        key = self._key_of(name)
        return None if key is None else {"name": key, "entry": self._entries[key]}

    def without(self, name: str) -> str:
        gone = self._key_of(name)
        return self._text({key: entry for key, entry in self._entries.items() if key != gone})

    def replaced(
        self, name: str, segments: Sequence[Segment], video: VideoAnnotation | None, entry: Entry | None
    ) -> str:
        key = self._key_of(name) or (entry or {}).get("name", name)
        facts = {title: fact for title, fact in zip(OF_VIDEO, facts_of(video), strict=True) if fact is not None}
        before: dict[str, Any] = self._entries.get(key) or (entry or {}).get("entry") or facts
        items = _grouped((_segment_of(item), item) for item in before.get("annotations") or [])
        new = [_next(items, s) or {"segment": [s.start, s.end], "label": s.label} for s in segments]
        changed = {**before, "subset": _subset_with(segments, video), "annotations": new}
        return self._text({**self._entries, key: changed})

    def _key_of(self, name: str) -> str | None:
        return next((key for key, video in self._names_of(self._entries).items() if video == name), None)

    def _text(self, database: dict[str, Any]) -> str:
        data = {**self._data, "database": database}
        return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


# -- what describes a video --------------------------------------------------------------------------------------


def facts_of(video: VideoAnnotation | None) -> tuple[str, float | None, float | None, str | None]:
    """The values of ``OF_VIDEO``."""
    if video is None:
        return "training", None, None, None
    return video.subset, video.duration_seconds, video.snippets_per_second, video.group


def _titles_for(video: VideoAnnotation | None) -> Sequence[str]:
    """The columns of a new table that describe its videos, of which this is the first."""
    if video is None:
        return ()
    return OF_VIDEO if video.group is not None else OF_VIDEO[:-1]


def describe(video: VideoAnnotation) -> Entry:
    """A video as JSON can hold it; see :func:`video_in`."""
    facts = dict(zip(OF_VIDEO, facts_of(video), strict=True))
    return {**facts, "segments": video.segments_seconds.tolist(), "labels": [*video.labels]}


def video_in(entry: Entry, name: str) -> VideoAnnotation:
    """The video that :func:`describe` described."""
    subset, duration, fps = (entry[title] for title in OF_VIDEO[:-1])
    segments_seconds = np.array(entry["segments"], dtype=np.float64).reshape(-1, 2)
    return VideoAnnotation(
        name, subset, duration, fps, segments_seconds, tuple(entry["labels"]), to_group(entry.get("group"))
    )


def _subset_with(segments: Sequence[Segment], video: VideoAnnotation | None) -> str:
    """A testing video that had no segments becomes a training video."""
    subset = facts_of(video)[0]
    return "training" if subset == "testing" and segments and not (video and video.labels) else subset


# -- cells and items ---------------------------------------------------------------------------------------------


def _places(header: Sequence[str]) -> dict[str, int]:
    return {title.strip().lower(): position for position, title in enumerate(header)}


def _grouped(pairs: Iterable[tuple[Segment | None, Held]]) -> dict[Segment | None, list[Held]]:
    """The rows or items of each segment, with what RCL does not read; several may be of equal segments."""
    groups = defaultdict[Segment | None, list[Held]](list)
    for segment, held in pairs:
        groups[segment].append(held)
    return groups


def _next(groups: Mapping[Segment | None, list[Held]], segment: Segment) -> Held | None:
    """Take the first of those that are left of a segment."""
    held = groups.get(segment)
    return held.pop(0) if held else None


def _segment_in(row: Sequence[str], column: Mapping[str, int]) -> Segment | None:
    start, end, label = (row[column[title]].strip() for title in COLUMNS[1:])
    return Segment(float(start), float(end), composed(label)) if label else None


def _segment_of(item: Mapping[str, Any]) -> Segment:
    start, end = item["segment"]
    return Segment(float(start), float(end), composed(str(item["label"])))


def _blank(
    header: Sequence[str], written: str, segments: Sequence[Segment], video: VideoAnnotation | None
) -> list[str]:
    """A row that only names its video and describes it."""
    column, row = _places(header), [""] * len(header)
    for title, fact in zip(OF_VIDEO, (_subset_with(segments, video), *facts_of(video)[1:]), strict=True):
        if title in column:
            row[column[title]] = "" if fact is None else str(fact)
    row[column["video"]] = written
    return row


def _filled(blank: Sequence[str], places: Sequence[int], segment: Segment) -> list[str]:
    row = list(blank)
    for place, value in zip(places, segment, strict=True):
        row[place] = str(value)
    return row

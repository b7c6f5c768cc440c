"""The file of corrected segments: saving replaces one video and leaves the rest of the file unchanged."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.load import format_of, load_annotations
from rcl.data.names import VIDEO_EXTENSIONS
from rcl.system.errors import InputError
from rcl.system.text_files import check_place, extension_of, read_json, read_text, write_json, write_text

NEW = "new"  # revision of a video that is not in the file
COLUMNS = ("video", "start", "end", "label")
OF_VIDEO = ("subset", "duration", "fps")  # columns that describe the video, not a segment


class Segment(NamedTuple):
    """An instance of an action, in seconds."""

    start: float
    end: float
    label: str


class OutdatedError(InputError):
    """Another page or program has saved the video in the meantime."""


class AnnotationFile:
    """Annotations as ``rcl train`` and ``rcl fit`` read them: ActivityNet's JSON or a CSV table, by extension.

    The file is read again each time, because it may change on disk. Where it names a video by its file name, such as
    ``clip.mp4``, that name stays.

    Args:
        path: the file; it need not exist.
        videos: names of the videos.

    Raises:
        InputError: the file is damaged, cannot be written, or is of a format that RCL only reads.
    """

    def __init__(self, path: Path, videos: Collection[str]) -> None:
        self.path = path
        self._videos = videos
        self._is_table = extension_of(path, (".csv", ".json")) == ".csv"
        self._lock = threading.Lock()
        if path.exists():
            self.read()
            if format_of(path) not in ("activitynet", "table"):
                found = "a format that RCL only reads"
                fix = "name another file, which is created, or convert it with rcl import"
                raise InputError(path, expected="ActivityNet's JSON or a table", found=found, fix=fix)
        check_place(path)

    def read(self) -> dict[str, VideoAnnotation]:
        """The annotations in the file, by the name of the video.

        Raises:
            InputError: the file is damaged.
        """
        if not self.path.exists():
            return {}
        found = load_annotations(self.path, clip=False).videos
        return {self._name_of(key): video for key, video in found.items()}

    def save(
        self, name: str, segments: Sequence[Segment], *, revision: str | None, known: VideoAnnotation | None = None
    ) -> str:
        """Replace the segments of one video, atomically, and return their revision.

        A testing video that had no segments becomes a training video.

        Args:
            name: of the video.
            segments: all its segments.
            revision: of the segments that the page began with; ``None`` overwrites any.
            known: the annotation of a video that is not in the file yet.

        Raises:
            OutdatedError: the file holds another revision.
            InputError: the file is damaged or cannot be written.
        """
        segments = sorted(segments)
        with self._lock:
            before = self.read().get(name)
            if revision is not None and revision != revision_of(before):
                raise OutdatedError(
                    f"{self.path}, video {name!r}",
                    expected="the segments that this page began with",
                    found="others, saved by another page or program",
                    fix="load them, or save again to overwrite them",
                )
            if self._is_table:
                write_text(self.path, self._table_with(name, segments, before or known))
            else:
                write_json(self.path, self._database_with(name, segments, before or known), indent=1)
            return revision_of(self.read()[name])

    def _name_of(self, key: str) -> str:
        """The video that a name in the file means: ``clip.mp4`` may mean the video ``clip``."""
        return key if key in self._videos or Path(key).suffix.lower() not in VIDEO_EXTENSIONS else Path(key).stem

    def _database_with(self, name: str, segments: Sequence[Segment], video: VideoAnnotation | None) -> dict[str, Any]:
        new: dict[str, Any] = {"version": "RCL", "taxonomy": [], "database": {}}
        data = read_json(self.path) if self.path.exists() else new
        database = data["database"]
        key = next((key for key in database if self._name_of(key) == name), name)
        entry = database.get(key) or {k: v for k, v in zip(OF_VIDEO, _facts(video), strict=True) if v is not None}
        kept = {_as_segment(item): item for item in entry.get("annotations") or []}  # with keys that RCL does not read
        entry = {**entry, "subset": _subset_with(segments, video)}
        items = [kept.get(s) or {"segment": [s.start, s.end], "label": s.label} for s in segments]
        return {**data, "database": {**database, key: {**entry, "annotations": items}}}

    def _table_with(self, name: str, segments: Sequence[Segment], video: VideoAnnotation | None) -> str:
        header, rows = self._table(video)
        column = {title.strip().lower(): position for position, title in enumerate(header)}
        own = [row for row in rows if self._name_of(row[column["video"]].strip()) == name]
        blank = [""] * len(header)
        facts = (_subset_with(segments, video), *_facts(video)[1:])
        for title, fact in zip(OF_VIDEO, facts, strict=True):
            if title in column:
                blank[column[title]] = "" if fact is None else str(fact)
        blank[column["video"]] = own[0][column["video"]] if own else name
        kept = {segment: row for row in own if (segment := _row_segment(row, column))}
        places = [column[title] for title in COLUMNS[1:]]
        new = [kept.get(segment) or _filled(blank, places, segment) for segment in segments] or [blank]
        at = rows.index(own[0]) if own else len(rows)
        others = [row for row in rows[at:] if not any(row is mine for mine in own)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows[:at], *new, *others])
        return text.getvalue()

    def _table(self, video: VideoAnnotation | None) -> tuple[list[str], list[list[str]]]:
        """The header and rows of the file, or of a new one with the columns that the video needs."""
        if not self.path.exists():
            return [*COLUMNS, *(OF_VIDEO if video else ())], []
        lines = [row for row in csv.reader(io.StringIO(read_text(self.path), newline="")) if "".join(row).strip()]
        return lines[0], lines[1:]


def revision_of(video: VideoAnnotation | None) -> str:
    """A digest of the segments of a video, which changes when they do."""
    if video is None:
        return NEW
    content = json.dumps([video.segments_seconds.tolist(), video.labels])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def segments_of(video: VideoAnnotation | None) -> list[Segment]:
    """The instances of a video, in the order of the file."""
    if video is None:
        return []
    pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
    return [Segment(start, end, label) for (start, end), label in pairs]


def _facts(video: VideoAnnotation | None) -> tuple[str, float | None, float | None]:
    return (video.subset, video.duration_seconds, video.snippets_per_second) if video else ("training", None, None)


def _subset_with(segments: Sequence[Segment], video: VideoAnnotation | None) -> str:
    subset = _facts(video)[0]
    return "training" if subset == "testing" and segments and not (video and video.labels) else subset


def _as_segment(item: Mapping[str, Any]) -> Segment:
    start, end = item["segment"]
    return Segment(float(start), float(end), str(item["label"]))


def _row_segment(row: Sequence[str], column: Mapping[str, int]) -> Segment | None:
    start, end, label = (row[column[title]].strip() for title in COLUMNS[1:])
    return Segment(float(start), float(end), label) if label else None


def _filled(blank: Sequence[str], places: Sequence[int], segment: Segment) -> list[str]:
    row = list(blank)
    for place, value in zip(places, segment, strict=True):
        row[place] = str(value)
    return row

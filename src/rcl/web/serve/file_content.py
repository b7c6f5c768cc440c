"""The content of an annotation file, a table or ActivityNet's JSON, with one video replaced or taken out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.values import Pair, reviewed_pairs, to_group, to_reviewed
from rcl.data.reviewed import joined

OF_VIDEO = ("subset", "duration", "fps", "group")  # columns that describe the video, not a segment
REVIEWED = "reviewed"  # a column or key that describes the video, too
COMMENT, ANNOTATOR = REMARKS = ("comment", "annotator")  # columns and keys of a segment that only the page shows

Entry: TypeAlias = dict[str, Any]
"""All that a file says of one video, as JSON can hold it; ``name`` is how the file writes its name."""
Intervals: TypeAlias = tuple[Pair, ...]
"""Pairs of start and end in seconds, sorted and disjoint."""
Naming: TypeAlias = Callable[[Iterable[str]], Mapping[str, str]]
"""From the names in a file to those of the videos."""
Held = TypeVar("Held")


class Segment(NamedTuple):
    """An instance of an action, in seconds, and what somebody remarked about it.

    Args:
        start: in seconds.
        end: in seconds.
        label: empty in a draft whose label is not chosen yet.
        comment: in one line.
        annotator: the name of who made it or changed it last.
    """

    start: float
    end: float
    label: str
    comment: str = ""
    annotator: str = ""

    @property
    def plain(self) -> Segment:
        """The same without remarks."""
        return self._replace(comment="", annotator="")

    def to_json(self) -> dict[str, Any]:
        """As the page and the file of reviews hold it."""
        return {key: value for key, value in self._asdict().items() if value or key not in REMARKS}


Only: TypeAlias = Mapping[str, Collection[Pair]]
"""Starts and ends of some segments, by the name of the video."""


class Renaming(NamedTuple):
    """Another name of a label.

    Args:
        old: the name so far.
        new: the name from now on.
        only: the segments that get it; ``None`` for all.
    """

    old: str
    new: str
    only: Only | None = None

    def concerns(self, video: str, segment: Segment | None) -> bool:
        """Whether a segment of a video gets the new name."""
        if segment is None or segment.label != self.old:
            return False
        return self.only is None or (segment.start, segment.end) in self.only.get(video, ())

    def to_json(self) -> dict[str, Any]:
        """As a page sends it."""
        only = None if self.only is None else {name: [*pairs] for name, pairs in self.only.items()}
        return {"from": self.old, "to": self.new, "only": only}


class Replacement(NamedTuple):
    """What a file says of one video from now on.

    Args:
        name: of the video.
        segments: all its segments, in order.
        known: what is known of the video already.
        entry: what an earlier file said of it, if it is not in this one.
        reviewed: the parts of the video that somebody looked at; ``None`` for all of it.
        annotator: the name of who says so; a file without segments of the video keeps it.
    """

    name: str
    segments: Sequence[Segment]
    known: VideoAnnotation | None = None
    entry: Entry | None = None
    reviewed: Intervals | None = None
    annotator: str = ""


class Content(Protocol):
    """What both kinds of files have in common. Nothing is written here."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no video, for instance because the last one was taken out."""

    def entry_of(self, name: str) -> Entry | None:
        """All that is said of one video, also what RCL does not read."""

    def remarked(self) -> dict[str, list[Segment]]:
        """The segments of each video with their remarks, in the order of the file."""

    def without(self, name: str) -> str:
        """The text of a file without one video, which is in this one."""

    def times_of(self, label: str) -> Only:
        """The segments that have a label."""

    def renamed(self, renaming: Renaming) -> tuple[str, int]:
        """The text of a file in which a label has another name, and the number of segments that got it."""

    def replaced(self, new: Replacement) -> str:
        """The text of a file in which the segments of one video are replaced, and all else is as it was.

        Raises:
            Defect: the file cannot hold what was reviewed.
        """


# -- intervals ---------------------------------------------------------------------------------------------------


def union(pairs: Iterable[Sequence[float]]) -> Intervals:
    """The union of intervals in seconds; those without a length are left out."""
    return _pairs(joined(np.array([*pairs], dtype=np.float64)))


def reviewed_of(video: VideoAnnotation | None) -> Intervals | None:
    """The parts of a video that somebody looked at; ``None`` for all of it."""
    return None if video is None or video.reviewed_seconds is None else _pairs(video.reviewed_seconds)


def _pairs(intervals: np.ndarray) -> Intervals:
    return tuple((start, end) for start, end in intervals.tolist())


# -- what describes a video --------------------------------------------------------------------------------------


def facts_of(video: VideoAnnotation | None) -> tuple[str, float | None, float | None, str | None]:
    """The values of ``OF_VIDEO``."""
    if video is None:
        return "training", None, None, None
    return video.subset, video.duration_seconds, video.snippets_per_second, video.group


def describe(video: VideoAnnotation) -> Entry:
    """A video as JSON can hold it; see :func:`video_in`."""
    facts = dict(zip(OF_VIDEO, facts_of(video), strict=True))
    parts = {} if video.reviewed_seconds is None else {REVIEWED: reviewed_pairs(video)}
    return {**facts, **parts, "segments": video.segments_seconds.tolist(), "labels": [*video.labels]}


def video_in(entry: Entry, name: str) -> VideoAnnotation:
    """The video that :func:`describe` described.

    Raises:
        Defect: its group or what was reviewed of it is something else.
    """
    subset, duration, fps = (entry[title] for title in OF_VIDEO[:-1])
    segments_seconds = np.array(entry["segments"], dtype=np.float64).reshape(-1, 2)
    reviewed = np.array(to_reviewed(entry[REVIEWED]), dtype=np.float64) if REVIEWED in entry else None
    facts = name, subset, duration, fps, segments_seconds, tuple(entry["labels"]), to_group(entry.get("group"))
    return VideoAnnotation(*facts, reviewed)


def subset_with(segments: Sequence[Segment], video: VideoAnnotation | None) -> str:
    """A testing video that had no segments becomes a training video."""
    subset = facts_of(video)[0]
    return "training" if subset == "testing" and segments and not (video and video.labels) else subset


def grouped(pairs: Iterable[tuple[Segment | None, Held]]) -> dict[Segment | None, list[Held]]:
    """The rows or items of each segment, with what RCL does not read; several may be of equal segments."""
    groups = defaultdict[Segment | None, list[Held]](list)
    for segment, held in pairs:
        groups[segment].append(held)
    return groups


def take(groups: Mapping[Segment | None, list[Held]], segment: Segment | None) -> Held | None:
    """Take the first of those that are left of a segment; ``None`` as a segment stands for the video alone."""
    held = groups.get(segment)
    return held.pop(0) if held else None

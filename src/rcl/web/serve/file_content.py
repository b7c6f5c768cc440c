"""The content of an annotation file, a table or ActivityNet's JSON, with one video replaced or taken out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from rcl.data.annotations import VideoAnnotation
from rcl.data.formats.values import to_group
from rcl.web.serve.intervals import Intervals

OF_VIDEO = ("subset", "duration", "fps", "group")  # columns that describe the video, not a segment
COMMENT, REVIEWED = "comment", "reviewed"  # columns and keys of what only the page shows

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
    comment: str = ""

    @property
    def plain(self) -> Segment:
        """The same without its comment."""
        return self._replace(comment="")

    def to_json(self) -> dict[str, Any]:
        """As the page and the file of reviews hold it."""
        content = self._asdict()
        return content if self.comment else {key: value for key, value in content.items() if key != COMMENT}


class Remarks(NamedTuple):
    """What a file says of a video besides its annotation.

    Args:
        comments: those of each segment, in the order of the file.
        reviewed: the parts that somebody looked at; ``None`` for all of it.
    """

    comments: Mapping[Segment, Sequence[str]] = {}
    reviewed: Intervals | None = None


class Content(Protocol):
    """What both kinds of files have in common. Nothing is written here."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no video, for instance because the last one was taken out."""

    def entry_of(self, name: str) -> Entry | None:
        """All that is said of one video, also what RCL does not read."""

    def remarks(self) -> dict[str, Remarks]:
        """What is said of each video besides its annotation.

        Raises:
            InputError: the reviewed intervals of a video are something else.
        """

    def without(self, name: str) -> str:
        """The text of a file without one video, which is in this one."""

    def renamed(self, old: str, new: str) -> tuple[str, int]:
        """The text of a file in which a label has another name, and the number of segments that have it."""

    def replaced(
        self,
        name: str,
        segments: Sequence[Segment],
        video: VideoAnnotation | None,
        entry: Entry | None,
        reviewed: Intervals | None = None,
    ) -> str:
        """The text of a file in which the segments of one video are replaced, and all else is as it was.

        Args:
            name: of the video.
            segments: all its segments, in order.
            video: what is known of it already.
            entry: of the same video in an earlier file, if it is not in this one.
            reviewed: the parts of the video that somebody looked at; ``None`` for all of it.
        """


# -- what describes a video --------------------------------------------------------------------------------------


def facts_of(video: VideoAnnotation | None) -> tuple[str, float | None, float | None, str | None]:
    """The values of ``OF_VIDEO``."""
    if video is None:
        return "training", None, None, None
    return video.subset, video.duration_seconds, video.snippets_per_second, video.group


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


def take(groups: Mapping[Segment | None, list[Held]], segment: Segment) -> Held | None:
    """Take the first of those that are left of a segment."""
    held = groups.get(segment)
    return held.pop(0) if held else None

"""How much of some videos was reviewed, in words for the user."""

from __future__ import annotations

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.reviewed import clipped

_SHORT_SECONDS = 600.0  # less is told in seconds


def reviewed_intervals(video: VideoAnnotation) -> np.ndarray:
    """What was looked at in a video, in seconds: ``(R, 2)``, sorted and disjoint.

    A video of unknown length ends with its last interval or instance.
    """
    whole = np.array([[0.0, _length(video)]])
    own = whole if video.reviewed_seconds is None else video.reviewed_seconds
    return clipped(own, 0.0, _length(video))


def reviewed_seconds(annotations: Annotations) -> float:
    """How long the reviewed parts of videos are together."""
    return sum(float(np.diff(reviewed_intervals(video), axis=1).sum()) for video in annotations.videos.values())


def describe_reviewed(annotations: Annotations) -> str | None:
    """A line such as ``reviewed: 41 of 120 minutes``; ``None`` if all videos were reviewed as a whole."""
    if all(video.reviewed_seconds is None for video in annotations.videos.values()):
        return None
    total = sum(map(_length, annotations.videos.values()))
    unit, name = (60.0, "minutes") if total >= _SHORT_SECONDS else (1.0, "seconds")
    return f"reviewed: {reviewed_seconds(annotations) / unit:,.0f} of {total / unit:,.0f} {name}"


def _length(video: VideoAnnotation) -> float:
    """The length of a video in seconds."""
    if video.duration_seconds is not None:
        return video.duration_seconds
    known = [video.segments_seconds, *([] if video.reviewed_seconds is None else [video.reviewed_seconds])]
    return max(float(own.max(initial=0.0)) for own in known)

"""How much of some videos was reviewed, in words for the user."""

from __future__ import annotations

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.reviewed import clipped

_SHORT_SECONDS = 600.0  # less is told in seconds


def reviewed_seconds(annotations: Annotations) -> float:
    """How long the reviewed parts of videos are together.

    A video of unknown length counts as long as its last interval or instance goes.
    """
    return sum(
        length
        if video.reviewed_seconds is None
        else float(np.diff(clipped(video.reviewed_seconds, 0.0, length), axis=1).sum())
        for video, length in zip(annotations.videos.values(), _lengths(annotations), strict=True)
    )


def describe_reviewed(annotations: Annotations, what: str = "reviewed") -> str | None:
    """A line such as ``reviewed: 41 of 120 minutes``; ``None`` if all videos were reviewed as a whole.

    Args:
        annotations: the videos.
        what: the first words of the line.
    """
    if all(video.reviewed_seconds is None for video in annotations.videos.values()):
        return None
    total = sum(_lengths(annotations))
    unit, name = (60.0, "minutes") if total >= _SHORT_SECONDS else (1.0, "seconds")
    return f"{what}: {reviewed_seconds(annotations) / unit:,.0f} of {total / unit:,.0f} {name}"


def _lengths(annotations: Annotations) -> list[float]:
    """The length of each video in seconds."""
    lengths = []
    for video in annotations.videos.values():
        known = [video.segments_seconds, *([] if video.reviewed_seconds is None else [video.reviewed_seconds])]
        latest = max(float(own.max(initial=0.0)) for own in known)
        lengths.append(latest if video.duration_seconds is None else video.duration_seconds)
    return lengths

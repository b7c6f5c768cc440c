"""What two annotators both reviewed of the same videos. Their agreement is measured there alone."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.reviewed import intersection, unreviewed_share
from rcl.evaluation.ground_truths import MOST_UNREVIEWED
from rcl.system.errors import InputError

_OVERLAPPING = 1 - 1e-9  # the share of an instance outside, up to which a part of it counts as inside


class BothReviewed(NamedTuple):
    """Two annotations of the videos that both annotators reviewed, as a whole or in part.

    Args:
        first: of one annotator, without the instances that lie outside what both reviewed.
        second: of the other, likewise.
        extent: the videos with what both reviewed of each, without instances. Their duration is what the annotations
            say, or else the latest time in them.
    """

    first: Annotations
    second: Annotations
    extent: Annotations

    @classmethod
    def of(cls, first: Annotations, second: Annotations) -> BothReviewed:
        """The common part of two annotations.

        Args:
            first: of one annotator.
            second: of the other, under the names of ``first``.

        Raises:
            InputError: they have no video in common, or of none was the same part reviewed.
        """
        names = [name for name in first.videos if name in second.videos]
        if not names:
            fix = "give two files about the same videos"
            raise InputError(second.source, expected=f"videos of {first.source}", found="none of them", fix=fix)
        every = [_common_extent(first.videos[name], second.videos[name]) for name in names]
        extents = {one.name: one for one in every if one.reviewed_seconds is None or len(one.reviewed_seconds)}
        if not extents:
            expected, fix = f"a part of a video that {first.source} has reviewed, too", "give files of the same parts"
            raise InputError(second.source, expected=expected, found="none", fix=fix)
        extent = Annotations(extents, source=first.source)
        return cls(_inside(first, extent, _OVERLAPPING), _inside(second, extent, _OVERLAPPING), extent)

    def instances(self) -> tuple[Annotations, ...]:
        """Both annotations without the instances of which more than half lies outside what both reviewed."""
        return tuple(_inside(part, self.extent, MOST_UNREVIEWED) for part in (self.first, self.second))


def _common_extent(one: VideoAnnotation, other: VideoAnnotation) -> VideoAnnotation:
    known = [video.reviewed_seconds for video in (one, other) if video.reviewed_seconds is not None]
    both = intersection(*known) if len(known) == 2 else known[0] if known else None
    durations = [video.duration_seconds for video in (one, other) if video.duration_seconds]
    times = [*known, one.segments_seconds, other.segments_seconds]
    latest = max(float(own.max(initial=0.0)) for own in times)
    return replace(
        one,
        duration_seconds=max(durations, default=latest),
        segments_seconds=np.empty((0, 2)),
        labels=(),
        reviewed_seconds=both,
    )


def _inside(annotations: Annotations, extent: Annotations, most_outside: float) -> Annotations:
    """The videos of the extent without the instances of which more than a share lies outside."""
    videos = dict[str, VideoAnnotation]()
    for name, own in extent.videos.items():
        video = videos[name] = annotations.videos[name]
        if own.reviewed_seconds is not None:
            assert own.duration_seconds is not None  # every extent has one
            segments = video.segments_seconds.reshape(-1, 2)
            share = unreviewed_share(segments, own.reviewed_seconds, own.duration_seconds)  # (N,)
            kept = np.flatnonzero(share <= most_outside)
            labels = tuple(video.labels[row] for row in kept.tolist())
            videos[name] = replace(video, segments_seconds=video.segments_seconds[kept], labels=labels)
    return Annotations(videos, source=annotations.source)

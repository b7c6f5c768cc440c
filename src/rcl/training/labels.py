"""The labels that ``rcl.fit`` trains on, checked before any work."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from rcl.data.annotations import Annotations, with_durations, without_points
from rcl.data.formats.options import ReadOptions
from rcl.data.time_units import Extent
from rcl.system.errors import InputError, counted, listed
from rcl.system.paths import PathLike
from rcl.training.plan import LabelledVideos, match_labels
from rcl.video.label_times import check_times, stated_extents

log = logging.getLogger("rcl")


def checked_labels(
    labels: PathLike | Annotations, videos: Mapping[str, Path], reading: ReadOptions | None
) -> tuple[LabelledVideos, dict[str, Extent]]:
    """The videos with labels that can be trained on, and what the headers of the videos state.

    Raises:
        InputError: the labels match no video, or their times cannot be seconds or have no length.
    """
    labelled = match_labels(labels, videos, reading=reading)
    extents = stated_extents(labelled.annotations, labelled.videos)
    check_times(labelled.annotations, extents, reading)
    return leave_out_points(labelled), extents


def leave_out_points(labelled: LabelledVideos) -> LabelledVideos:
    """The labels without those that have no length, which nothing can be trained on, and a warning of them.

    Raises:
        InputError: no label has a length.
    """
    annotations = labelled.annotations
    kept = without_points(annotations)
    count, left = (sum(len(video.labels) for video in each.videos.values()) for each in (annotations, kept))
    if left == count:
        return labelled
    option = "--point-length SECONDS gives them one"
    if not left:
        expected, found = "instances with a length", f"{counted(count, 'instance')}, all with start = end"
        raise InputError(annotations.source, expected=expected, found=found, fix=f"add a length: {option}")
    lost = [repr(label) for label in annotations.labels if label not in kept.labels]
    classes = f" This leaves nothing of {listed(lost)}." if lost else ""
    message = "%s: left out %d of %s, which have no length (start = end); %s.%s"
    log.warning(message, annotations.source, count - left, counted(count, "instance"), option, classes)
    return replace(labelled, annotations=kept)


def with_known_durations(
    annotations: Annotations, seconds: Mapping[str, float], stated: Collection[str], reading: ReadOptions | None
) -> Annotations:
    """The annotations with the lengths of the extracted videos; all are checked together if the headers
    of some did not state theirs.

    Args:
        annotations: of the videos.
        seconds: name to length.
        stated: names of the videos that :func:`checked_labels` has compared with their labels.
        reading: how the labels were read.

    Raises:
        InputError: the times cannot be seconds.
    """
    if seconds.keys() - set(stated):
        check_times(annotations, {name: Extent(length) for name, length in seconds.items()}, reading)
    return with_durations(annotations, seconds)

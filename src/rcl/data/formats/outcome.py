"""What came out of reading labels: whether it can be what the user meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rcl.data.annotations import Annotations
from rcl.data.detections import Detections
from rcl.data.formats.values import LONGEST_SECONDS
from rcl.data.names import describe_similar, similar_labels, similar_videos
from rcl.system.errors import InputError, counted, listed

LONG_SECONDS = 24 * 3600.0
"""Where the length of a video is not known, later times are doubted."""
_TOLERANCE_SECONDS = 0.1  # rounded times, and durations without the last frame
USUAL_OVERHANG = 0.1
"""Of the length of a video: how far published annotations and detections reach beyond it, in seconds."""
_MANY = 10  # instances that would share some of their labels
_FEW = 0.01  # of the segments: a wrong unit or an offset would show in more


class Class(NamedTuple):
    """A label with the number of its instances and of the videos that have one."""

    label: str
    instances: int
    videos: int


def classes(annotations: Annotations) -> list[Class]:
    """The labels with their numbers, by label."""
    instances = Counter(label for video in annotations.videos.values() for label in video.labels)
    videos = Counter(label for video in annotations.videos.values() for label in {*video.labels})
    return [Class(label, count, videos[label]) for label, count in sorted(instances.items())]


def check(annotations: Annotations) -> None:
    """Check that there is something to learn from, and that times are those of videos.

    Raises:
        InputError: there is no instance at all, or a time that no video reaches.
    """
    check_times(annotations)
    if not annotations.labels:
        found = f"none in {counted(len(annotations.videos), 'video')}"
        fix = "check that these are the files with the labels, and what was left out"
        raise InputError(annotations.source, expected="labelled segments", found=found, fix=fix)


def check_times(annotations: Annotations) -> None:
    """Check that times are those of videos, not of the day or of the age of the universe.

    Raises:
        InputError: one is later than any video lasts.
    """
    for name, video in annotations.videos.items():
        last = float(video.segments_seconds[:, 1].max(initial=0))
        if last > LONGEST_SECONDS:
            expected, fix = f"times of up to {LONGEST_SECONDS:g} s", "give times from the start of the video (--times)"
            found = f"{last:g} s, which may be a date"
            raise InputError(f"{annotations.source}, video {name!r}", expected=expected, found=found, fix=fix)


def doubts(annotations: Annotations, *, overhang: float = 0.0) -> list[str]:
    """Sentences on what can hardly be meant: times outside a video, a label of its own for each instance.

    Args:
        annotations: in what is taken for seconds.
        overhang: how far a segment may reach beyond its video without a word, as a part of the length of the video.
    """
    videos = [*annotations.videos.values()]
    lengths = [np.nan if video.duration_seconds is None else video.duration_seconds for video in videos]
    segments = np.concatenate([np.empty((0, 2)), *(video.segments_seconds for video in videos)])  # (N, 2)
    index = np.repeat(np.arange(len(videos)), [len(video.segments_seconds) for video in videos])  # (N,)
    names = [video.name for video in videos]
    outside = _outside(segments, index, names, np.array(lengths), "segment", overhang)
    return [*outside, *_long(annotations), *_remarks(annotations)]


def doubtful_times(detections: Detections, annotations: Annotations, *, overhang: float = 0.0) -> list[str]:
    """Sentences on detections outside the videos, whose lengths the annotations give.

    Args:
        detections: under the names of the annotations.
        annotations: of the same videos.
        overhang: see :func:`doubts`.
    """
    durations = {name: video.duration_seconds for name, video in annotations.videos.items()}
    lengths = [np.nan if (length := durations.get(name)) is None else length for name in detections.videos]
    columns = detections.segments_seconds, detections.video_index, detections.videos
    return _outside(*columns, np.array(lengths), "detection", overhang)


def lengthless(annotations: Annotations) -> list[str]:
    """A sentence on instances whose end is their start."""
    segments = [video.segments_seconds for video in annotations.videos.values()]
    points = sum(int((own[:, 0] == own[:, 1]).sum()) for own in segments)
    if not points:
        return []
    return [f"{counted(points, 'event')} without a length; --point-length SECONDS gives them one"]


def doubled(annotations: Annotations) -> list[str]:
    """A sentence on instances that are there more than once, with the same times and label."""
    found = list[str]()
    for name, video in annotations.videos.items():
        pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
        counts = Counter((start, end, label) for (start, end), label in pairs)
        more = {instance: count - 1 for instance, count in counts.items() if count > 1}
        again = [*Counter(more).elements()]
        found += [f"{label!r} from {start:g} to {end:g} s in {name!r}" for start, end, label in again]
    examples = listed([*dict.fromkeys(found)], 2)
    return [f"{counted(len(found), 'instance')} written more than once: {examples}"] if found else []


def negatives(annotations: Annotations) -> list[str]:
    """A sentence on videos without an instance, except those for testing, whose labels many data sets keep back, and
    those that were not reviewed as a whole."""
    shown = {name: video for name, video in annotations.videos.items() if video.labels or video.subset != "testing"}
    names = [repr(name) for name, video in shown.items() if not video.labels and video.reviewed_seconds is None]
    if not names:
        return []
    has = f"{len(names):,} of {counted(len(shown), 'video')} {'has' if len(names) == 1 else 'have'}"
    return [f"{has} no segment, which means that nothing happens there: {listed(names)}"]


def similar(annotations: Annotations) -> list[str]:
    """Sentences on labels, and on names of videos, that may be meant to be one."""
    pairs = similar_videos(annotations.videos)
    named = listed([f"{first!r} and {second!r}" for first, second in pairs])
    videos = [f"names that may be meant to be one video: {named}"] if pairs else []
    return [*similar_classes(annotations), *videos]


def similar_classes(annotations: Annotations, *, slips: bool = True) -> list[str]:
    """A sentence on labels that may be meant to be one; without slips, if they have the same letters."""
    counts = {each.label: each.instances for each in classes(annotations)}
    pairs = similar_labels(counts, slips=slips, counts=counts)
    return [f"labels that may be meant to be one: {describe_similar(pairs, counts)}"] if pairs else []


def _outside(
    segments: np.ndarray,
    index: np.ndarray,
    names: Sequence[str],
    lengths: np.ndarray,
    noun: str,
    overhang: float,
) -> list[str]:
    """Sentences on segments that end after the end of their video, and on those that begin before its start.

    Args:
        segments: ``(N, 2)``, seconds.
        index: ``(N,)``, the video of each.
        names: of the ``V`` videos.
        lengths: ``(V,)``, seconds, NaN if not known.
        noun: what a segment is.
        overhang: see :func:`doubts`.
    """
    length = lengths[index] if len(index) else np.zeros(0)  # (N,)
    slack = _TOLERANCE_SECONDS + overhang * np.nan_to_num(length)
    late, early = segments[:, 1] - length - slack, -segments[:, 0] - slack  # (N,), NaN is not late
    found = []
    for beyond, verb, edge, which in (
        (late, "end", "after the end", "last"),
        (early, "begin", "before the start", "first"),
    ):
        rows = np.flatnonzero(beyond > 0)
        if not len(rows):
            continue
        row = int(rows[np.argmax(beyond[rows])])
        number = f"{len(rows):,} of {counted(len(segments), noun)} {verb}{'s' if len(rows) == 1 else ''}"
        of = "" if np.isnan(length[row]) else f" of {length[row]:.6g} s"
        time = segments[row, 1 if verb == "end" else 0]
        place = f"the {which} at {time:.6g} s in video {names[index[row]]!r}{of}"
        question = "are the times in another unit?" if verb == "end" else "do they have an offset?"
        if len(rows) < _FEW * len(segments):
            question = "check it" if len(rows) == 1 else "check them"
        found.append(f"{number} {edge} of the video, {place}: {question}")
    return found


def _long(annotations: Annotations) -> list[str]:
    ends = {
        name: float(video.segments_seconds[:, 1].max())
        for name, video in annotations.videos.items()
        if video.duration_seconds is None and video.labels
    }
    name = max(ends, key=lambda name: ends[name], default=None)
    if name is None or ends[name] <= LONG_SECONDS:
        return []
    hours = ends[name] / 3600
    return [f"a segment of video {name!r} ends at {ends[name]:.10g} s ({hours:,.0f} hours): are these milliseconds?"]


def _remarks(annotations: Annotations) -> list[str]:
    total = sum(len(video.labels) for video in annotations.videos.values())
    if total < _MANY or len(annotations.labels) < total:
        return []
    return [f"each of the {total:,} instances has a label of its own: are these remarks instead of labels?"]

"""What came out of reading labels: whether it can be what the user meant."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from rcl.data.annotations import Annotations
from rcl.data.formats.values import LONGEST_SECONDS
from rcl.data.names import describe_similar, similar_labels
from rcl.system.errors import InputError, counted, listed

LONG_SECONDS = 24 * 3600.0
"""Where the length of a video is not known, later times are doubted."""
_TOLERANCE_SECONDS = 0.1  # rounded times, and durations without the last frame
_MANY = 10  # instances that would share some of their labels


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


def doubts(annotations: Annotations) -> list[str]:
    """Sentences on what can hardly be meant: times after the end of a video, a label of its own for each instance."""
    return [*_late(annotations), *_long(annotations), *_remarks(annotations)]


def doubled(annotations: Annotations) -> list[str]:
    """A sentence on instances that are there more than once, with the same times and label."""
    found = list[str]()
    for name, video in annotations.videos.items():
        pairs = zip(video.segments_seconds.tolist(), video.labels, strict=True)
        counts = Counter((start, end, label) for (start, end), label in pairs)
        more = {instance: count - 1 for instance, count in counts.items() if count > 1}
        again = [*Counter(more).elements()]
        found += [f"{label!r} from {start:g} to {end:g} s in {name!r}" for start, end, label in again]
    return [f"{counted(len(found), 'instance')} written more than once: {listed(found, 2)}"] if found else []


def negatives(annotations: Annotations) -> list[str]:
    """A sentence on videos without an instance."""
    names = [repr(name) for name, video in annotations.videos.items() if not video.labels]
    if not names:
        return []
    has = f"{len(names):,} of {counted(len(annotations.videos), 'video')} {'has' if len(names) == 1 else 'have'}"
    return [f"{has} no segment, which means that nothing happens there: {listed(names)}"]


def similar(annotations: Annotations) -> list[str]:
    """A sentence on labels that may be meant to be one."""
    pairs = similar_labels(annotations.labels)
    counts = {each.label: each.instances for each in classes(annotations)}
    return [f"labels that may be meant to be one: {describe_similar(pairs, counts)}"] if pairs else []


def _late(annotations: Annotations) -> list[str]:
    late = [
        (end - video.duration_seconds, end, video)
        for video in annotations.videos.values()
        if video.duration_seconds is not None
        for end in video.segments_seconds[:, 1].tolist()
        if end > video.duration_seconds + _TOLERANCE_SECONDS
    ]
    if not late:
        return []
    _, end, video = max(late, key=lambda item: item[0])
    total = sum(len(video.labels) for video in annotations.videos.values())
    ends = f"{len(late):,} of {counted(total, 'segment')} {'ends' if len(late) == 1 else 'end'}"
    last = f"the last at {end:.6g} s in video {video.name!r} of {video.duration_seconds:.6g} s"
    return [f"{ends} after the end of the video, {last}: are the times in another unit?"]


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

"""Values of annotation files: numbers, segments and labels, checked one by one."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from rcl.data.annotations import VideoAnnotation
from rcl.system.errors import Defect, InputError, shown

Pair = tuple[float, float]
"""Start and end, in seconds."""

LONGEST_SECONDS = 1e9
"""Thirty years: no video is longer, and later times are too large for whole milliseconds."""


def to_number(value: object, what: str) -> float:
    """A finite number, also one written as text, as in the public THUMOS14 file.

    >>> to_number("1.5", "start")
    1.5

    Raises:
        Defect: it is not a number, NaN or infinite.
    """
    if type(value) is float and math.isfinite(value):  # as nearly all are
        return value
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise Defect(expected=f"a finite number as {what}", found=shown(value), fix=f"correct the {what}")


def to_positive(value: object, what: str, *, fix: str = "correct") -> float:
    """A number above 0; see :func:`to_number`.

    Raises:
        Defect: it is something else; ``fix`` says what to do with it.
    """
    number = to_number(value, what)
    if number <= 0:
        raise Defect(expected=f"a positive {what}", found=shown(value), fix=f"{fix} the {what}")
    return number


def to_optional(value: object, what: str) -> float | None:
    """A number above 0, or ``None`` for ``None``.

    Raises:
        Defect: it is something else.
    """
    return None if value is None else to_positive(value, what, fix="correct or remove")


def to_segment(start: object, end: object) -> Pair:
    """Start and end in seconds; an end equal to the start is legal.

    Raises:
        Defect: one is not a finite number, or the end lies before the start.
    """
    segment = to_number(start, "start"), to_number(end, "end")
    if segment[1] < segment[0]:
        raise Defect(
            expected="an end that is not before the start",
            found=f"start {segment[0]} and end {segment[1]}",
            fix="correct or swap the two",
        )
    return segment


def lengthened(segment: Pair, length: float) -> Pair:
    """An event, whose end is its start, with a length in seconds: centred on its time, but not before 0.

    >>> lengthened((5.0, 5.0), 2), lengthened((0.5, 0.5), 2), lengthened((1.0, 2.0), 2)
    ((4.0, 6.0), (0.0, 1.5), (1.0, 2.0))
    """
    start, end = segment
    return (max(start - length / 2, min(start, 0.0)), end + length / 2) if start == end else segment


def to_pair(value: object) -> Pair:
    """The ``[start, end]`` of a JSON file.

    Raises:
        Defect: it is not a list of two numbers in order.
    """
    if isinstance(value, list) and len(value) == 2:
        return to_segment(value[0], value[1])
    raise Defect(
        expected='"segment": [start, end] in seconds',
        found=shown(value) if value is not None else 'no "segment"',
        fix="write both numbers as a list",
    )


def to_label(value: object) -> str:
    """A label name in composed Unicode (NFC); whole numbers are read as their digits, since some files number classes.

    Raises:
        Defect: it is missing, blank, or neither text nor a whole number.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip():
        return composed(value)
    raise Defect(
        expected="the name of an action as label",
        found="none" if value is None else shown(value),
        fix="add the label or remove the entry",
    )


def composed(label: str) -> str:
    """A label in composed Unicode: a Mac writes an accented letter as two characters, most other systems as one."""
    return label if label.isascii() else unicodedata.normalize("NFC", label)


def to_group(value: object) -> str | None:
    """The name of a group in composed Unicode without blanks around it, or ``None`` for nothing; whole numbers are read
    as their digits.

    >>> to_group(" user01 "), to_group(7), to_group("")
    ('user01', '7', None)

    Raises:
        Defect: it is neither text nor a whole number.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str | int) or isinstance(value, bool):
        fix = "write a name, or remove the group"
        raise Defect(expected="the name of a group, such as a person", found=shown(value), fix=fix)
    return composed(str(value).strip())


def to_reviewed(value: object) -> list[Pair]:
    """The ``[[start, end], …]`` of a JSON file: what was looked at. ``None`` stands for the whole video and gives no
    interval; an empty list stands for nothing of it and gives ``(0, 0)``.

    Raises:
        Defect: it is not a list of lists of two numbers in order.
    """
    items = [] if value is None else [[0.0, 0.0]] if value == [] else value
    if not isinstance(items, list) or not all(isinstance(item, list) and len(item) == 2 for item in items):
        fix = "write two numbers for each interval, or remove it if the whole video was reviewed"
        raise Defect(expected='"reviewed": [[start, end], …] in seconds', found=shown(value), fix=fix)
    return [to_segment(*item) for item in items]


def reviewed_pairs(video: VideoAnnotation) -> list[list[float]]:
    """What was reviewed of a video, as files have it: none for the whole of it, and ``[0, 0]`` for nothing."""
    intervals = video.reviewed_seconds
    return [] if intervals is None else intervals.tolist() or [[0.0, 0.0]]


def to_instance(item: object) -> tuple[Pair, str]:
    """Segment and label of the ``{"segment", "label"}`` of a JSON file.

    Raises:
        Defect: it is something else.
    """
    if not isinstance(item, dict):
        raise Defect(expected='{"segment", "label"}', found=shown(item), fix="correct the instance")
    return to_pair(item.get("segment")), to_label(item.get("label"))


def check_times(segments_seconds: Iterable[Pair], where: object) -> None:
    """Check that times can be written in milliseconds.

    Raises:
        InputError: a segment ends later than any video does.
    """
    for start, end in segments_seconds:
        if end > LONGEST_SECONDS:
            found, fix = f"{start:g} to {end:g} s", "correct the times (or the rate of the features)"
            raise InputError(where, expected=f"times of up to {LONGEST_SECONDS:g} s", found=found, fix=fix)


@dataclass
class VideoDraft:
    """A video while its file is being read."""

    subset: str = ""
    duration: float | None = None  # seconds
    fps: float | None = None  # snippets per second
    segments: list[Pair] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    group: str | None = None
    reviewed: set[Pair] = field(default_factory=set)  # empty: the whole video

    def add(self, segment: Pair, label: str) -> None:
        self.segments.append(segment)
        self.labels.append(label)

    def finish(self, name: str) -> VideoAnnotation:
        segments = np.array(self.segments, dtype=np.float64).reshape(-1, 2)  # (N, 2)
        reviewed = np.array([*self.reviewed], dtype=np.float64) if self.reviewed else None  # (R, 2)
        facts = name, self.subset, self.duration, self.fps, segments, tuple(self.labels), self.group
        return VideoAnnotation(*facts, reviewed)

"""Checks of the segments that a page sends."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rcl.data.formats.values import composed, to_label, to_number, to_reviewed
from rcl.system.errors import Defect, InputError, located
from rcl.web.serve.file_content import Intervals, Renaming, Segment, grouped, take, union

MAX_SEGMENTS, MAX_LABEL, MAX_COMMENT, MAX_NAME = 20_000, 200, 2000, 80
MAX_INTERVALS = 10_000  # that were looked at in a video


def check_list(items: Any, most: int, where: str, what: str = "segments") -> None:
    """Check that it is a list, and not too long.

    Raises:
        InputError: it is not.
    """
    if not isinstance(items, list) or len(items) > most:
        found = f"{len(items):,}" if isinstance(items, list) else type(items).__name__
        raise InputError(where, expected=f"a list of at most {most:,} {what}", found=found, fix="send fewer")


def checked_segments(
    segments: Any, where: str, stored: Collection[Segment] = (), *, unlabelled: bool = False
) -> list[Segment]:
    """Segments, each ``{"start", "end", "label"}`` in seconds, perhaps with a ``"comment"``.

    Args:
        segments: what the page sent.
        where: the video, for messages.
        stored: segments that the file has already; they are accepted as they are.
        unlabelled: a label may be empty, as those of a detector without classes are.

    Raises:
        InputError: one is something else.
    """
    check_list(segments, MAX_SEGMENTS, where)
    checked = []
    for number, item in enumerate(segments, 1):
        with located(f"{where}, segment {number} of {len(segments)}"):
            checked.append(_segment(item if isinstance(item, dict) else {}, stored, unlabelled))
    return checked


def _segment(item: dict[str, Any], stored: Collection[Segment], unlabelled: bool) -> Segment:
    start, end = to_number(item.get("start"), "start"), to_number(item.get("end"), "end")
    label = "" if unlabelled and item.get("label") == "" else to_label(item.get("label"))
    comment = _comment(item.get("comment", ""))
    if Segment(start, end, label) in stored:
        return Segment(start, end, label, comment)
    if not 0 <= start < end < math.inf:
        expected = "a start of 0 or later, before the end"
        raise Defect(expected=expected, found=f"{start:g} to {end:g}", fix="correct the times")
    return Segment(start, end, checked_label(label), comment)


def attributed(segments: Iterable[Segment], stored: Iterable[Segment], annotator: str) -> list[Segment]:
    """The segments, each with the name of its annotator: those that were stored before keep theirs."""
    known = grouped((one.plain, one) for one in stored)
    held = [(one, take(known, one.plain)) for one in segments]
    return [one._replace(annotator=before.annotator if before else annotator) for one, before in held]


def checked_intervals(intervals: Any, where: str) -> Intervals:
    """The union of intervals of a video, each ``[start, end]`` in seconds.

    Raises:
        InputError: they are something else.
    """
    check_list(intervals, MAX_INTERVALS, where, "reviewed intervals")
    with located(where):
        pairs = to_reviewed(intervals) if intervals else []  # in a file, an empty list would be an interval
        for start, end in pairs:
            if not 0 <= start < end:
                expected, found = "an interval that begins at 0 or later, before its end", f"{start:g} to {end:g}"
                raise Defect(expected=expected, found=found, fix="correct the times")
        return union(pairs)


def checked_name(name: Any) -> str:
    """The name of an annotator without blanks around it; empty if there is none.

    Raises:
        Defect: it is no text, too long, or holds what cannot be printed.
    """
    name = name.strip() if isinstance(name, str) else name
    if not isinstance(name, str) or len(name) > MAX_NAME or not name.isprintable():
        expected = f"the name of an annotator of at most {MAX_NAME} printable characters"
        raise Defect(expected=expected, found=repr(name)[:40], fix="shorten or correct it")
    return composed(name)


def checked_label(label: str) -> str:
    """A label without blanks around it.

    Raises:
        Defect: it is too long, or holds what cannot be printed.
    """
    label = label.strip()
    if len(label) > MAX_LABEL or not label.isprintable():
        expected = f"a label of at most {MAX_LABEL} printable characters"
        raise Defect(expected=expected, found=repr(label[:40]), fix="shorten or correct it")
    return label


def checked_renaming(sent: Mapping[str, Any]) -> Renaming:
    """The renaming ``{"from", "to"}``, perhaps with ``"only"``: starts and ends of segments by the name of the video.

    Raises:
        Defect: it is something else.
    """
    old, only = str(sent.get("from", "")), sent.get("only")
    if only is None:
        return Renaming(old, checked_label(to_label(sent.get("to"))))
    if not isinstance(only, dict):
        raise Defect(expected='segments by the name of the video as "only"', found=repr(only)[:40], fix="correct it")
    times = {str(name): {*(to_reviewed(pairs) if pairs else ())} for name, pairs in only.items()}
    return Renaming(old, checked_label(to_label(sent.get("to"))), times)


def _comment(comment: Any) -> str:
    """A comment in one line: a table holds a segment in a row."""
    if not isinstance(comment, str) or len(comment) > MAX_COMMENT:
        expected = f"a comment of at most {MAX_COMMENT} characters"
        raise Defect(expected=expected, found=repr(comment)[:40], fix="shorten or correct it")
    return " ".join(comment.split())

"""Checks of the segments that a page sends."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from rcl.data.formats.values import to_label, to_number
from rcl.system.errors import Defect, InputError, located
from rcl.web.serve.file_content import Segment

MAX_SEGMENTS, MAX_LABEL, MAX_COMMENT = 20_000, 200, 2000


def check_list(segments: Any, most: int, where: str) -> None:
    """Check that it is a list, and not too long.

    Raises:
        InputError: it is not.
    """
    if not isinstance(segments, list) or len(segments) > most:
        found = f"{len(segments):,}" if isinstance(segments, list) else type(segments).__name__
        raise InputError(where, expected=f"a list of at most {most:,} segments", found=found, fix="send fewer")


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


def _comment(comment: Any) -> str:
    """A comment in one line: a table holds a segment in a row."""
    if not isinstance(comment, str) or len(comment) > MAX_COMMENT:
        expected = f"a comment of at most {MAX_COMMENT} characters"
        raise Defect(expected=expected, found=repr(comment)[:40], fix="shorten or correct it")
    return " ".join(comment.split())

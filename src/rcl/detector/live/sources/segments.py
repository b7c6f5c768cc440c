"""The segments in a folder, in order, and whether one goes on where another ends."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from rcl.system.paths import is_hidden
from rcl.video.finding import is_video
from rcl.video.kinds import has_known_ending

LONGEST_STEP_SECONDS = Fraction(1, 2)  # of time stamps, between segments that follow each other
_SHARE, _LEAST_SECONDS = 0.1, 1.0  # by which the times of files may differ from the lengths of segments


class Segment(NamedTuple):
    """A file in the folder: its path, and when it was last written, as Unix time."""

    path: Path
    modified_at: float


def segments_in(folder: Path, after: str = "", passed: set[str] | None = None) -> list[Segment]:
    """The videos in a folder in the order of their names, ``seg2`` before ``seg10``; without the folders in it.

    Args:
        folder: that a recorder writes into; it may be gone for a while.
        after: name of a file; only those behind it.
        passed: names that are known not to be behind it, of which many are looked at only once; kept up to date.
    """
    found = list[Segment]()
    limit = order_of(after)
    try:
        with os.scandir(folder) as entries:
            there = {entry.name for entry in entries}
    except OSError:
        return []
    known = set[str]() if passed is None else passed
    names = [name for name in there - known if after == "" or order_of(name) > limit]
    known &= there
    known |= there.difference(names)
    for name in names:
        path = folder / name
        if is_hidden(Path(name)) or not (has_known_ending(path) and is_video(path)):
            continue
        try:
            status = path.stat()
        except OSError:  # gone
            continue
        if path.is_file():
            found.append(Segment(path, status.st_mtime))
    return sorted(found, key=lambda segment: order_of(segment.path.name))


def order_of(name: str) -> list[tuple[int, int, str]]:
    """A key by which names are in the order of the numbers in them.

    >>> sorted(["seg10.ts", "seg2.ts", "seg2b.ts", "a.ts"], key=order_of)
    ['a.ts', 'seg2.ts', 'seg2b.ts', 'seg10.ts']
    """
    parts = re.split(r"(\d+)", name)
    # A number comes before letters, as in ASCII.
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def follows_by_stamps(end: Fraction, start: Fraction) -> bool:
    """Whether a segment goes on where another ends, both on the clock of the time stamps."""
    return abs(start - end) <= LONGEST_STEP_SECONDS


def follows_by_times(ended_at: float, next_modified_at: float, next_seconds: float | None) -> bool:
    """Whether files were written one after the other.

    Args:
        ended_at: when the first file was written last.
        next_modified_at: the same of the next one, as it is now.
        next_seconds: how long this lasts, as it is now; ``None`` if unknown: then it has only just begun.
    """
    seconds = next_seconds or 0.0
    return abs(next_modified_at - ended_at - seconds) <= max(_LEAST_SECONDS, _SHARE * seconds)

"""Events without a length: kept as they are, or given a length."""

from __future__ import annotations

import logging

from rcl.data.formats.options import ReadOptions
from rcl.data.formats.values import Pair
from rcl.system.errors import counted

log = logging.getLogger("rcl")


class Points:
    """Gives the events of a file their length, and counts those that keep none.

    Args:
        options: ``point_length``, seconds; by default events keep none.
    """

    def __init__(self, options: ReadOptions | None) -> None:
        self.length = options.point_length if options else None
        self.without_length = 0

    def segment(self, start: float, end: float) -> Pair:
        """The segment, or one of the wanted length around its time that does not begin before 0."""
        if end > start:
            return start, end
        if self.length is None:
            self.without_length += 1
            return start, end
        return max(start - self.length / 2, 0.0), start + self.length / 2

    def report(self, source: str) -> None:
        """Say how many events have no length, and what gives them one."""
        if self.without_length:
            number = counted(self.without_length, "event")
            log.warning("%s: %s without a length; --point-length SECONDS gives them one", source, number)

"""Reading a file that is complete, or is still being written."""

from __future__ import annotations

from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

from rcl.detector.live.sources.growing_file import check_can_grow, is_readable_from_start, wait_for_index
from rcl.detector.live.sources.parts import Item, PartBegins, PartEnds
from rcl.detector.live.sources.reading import Place, Reading, started_at
from rcl.system.errors import InputError
from rcl.video.stream import unusable


class FileReader:
    """The pictures of a file: one part, which ends when nothing has been written for some time.

    Args:
        reading: what to work with.
        idle_seconds: after so long without a byte, the file is complete.
        resume: an earlier place; then the part has the same number and begins at the same time.
    """

    def __init__(self, reading: Reading, *, idle_seconds: float, resume: dict[str, Any] | None = None) -> None:
        self.reading, self.idle_seconds, self.resume = reading, idle_seconds, resume or {}
        self.path = Path(reading.source.place)

    def check(self) -> None:
        """Check that the file can be read.

        Raises:
            InputError: it is missing, or an MP4 without its index.
        """
        if not self.path.is_file():
            raise InputError.missing(self.path)
        check_can_grow(self.path)

    def items(self) -> Generator[Item | Place, None, None]:
        """Yield the part.

        Raises:
            InputError: the file cannot be read, or holds no picture.
        """
        reading, counts = self.reading, self.reading.counts
        wait_for_index(self.path, clock=reading.clock, stop=reading.stop, is_over=self._is_over)
        age_seconds = reading.clock.now() - self.path.stat().st_mtime
        grows = is_readable_from_start(self.path) and age_seconds <= self.idle_seconds
        number = int(self.resume.get("part", 1))
        with reading.opened_file(self.path, self._is_over if grows else None) as frames:
            began_at = float(self.resume.get("started_at", started_at(self.path, reading.clock)))
            counts.is_connected = True
            until = None
            for frame, until in frames.spans():
                if counts.frames_read == 0:
                    reading.begin_part(number, frames.origin)
                    yield Place({"part": number, "started_at": began_at})
                    yield PartBegins(number, began_at)
                yield reading.picture(frame, until)
            counts.is_connected = False
            if reading.stop.is_set():
                return
            if until is None:
                raise unusable(self.path, found="a video of which no frame can be decoded")
            why = f"nothing was written for {self.idle_seconds:g} s" if grows else "the file has ended"
            yield PartEnds(why, tuple(frames.problems(Fraction(until))))

    def _is_over(self, idle_seconds: float) -> bool:
        return idle_seconds >= self.idle_seconds

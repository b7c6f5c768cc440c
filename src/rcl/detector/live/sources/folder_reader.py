"""Reading a folder into which a recorder drops segments."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rcl.detector.live.sources.growing_file import POLL_SECONDS, is_readable_from_start, wait_for_index
from rcl.detector.live.sources.parts import Item, PartBegins, PartEnds
from rcl.detector.live.sources.reading import Place, Reading, length_of, log, started_at
from rcl.detector.live.sources.segments import Segment, follows_by_stamps, follows_by_times, order_of, segments_in
from rcl.system.errors import InputError
from rcl.video.stream import FrameStream, unusable

_SETTLING_SECONDS = 1.0  # for the last bytes of a segment, when the next one is there already


class _Part(NamedTuple):
    """The part that is read: where its segments begin, and how far it is.

    Args:
        number: of the part.
        started_at: Unix time of its second 0.
        first: name of its first segment.
        shift: the second on the clock of the last segment that is second 0 of the part.
        end: seconds of the part that are read.
        segment: the last one.
        length: of the last one, in seconds.
    """

    number: int
    started_at: float
    first: str
    shift: Fraction
    end: Fraction
    segment: Segment
    length: Fraction

    @property
    def place(self) -> Place:
        last = self.segment.path.name
        return Place({"part": self.number, "started_at": self.started_at, "first": self.first, "last": last})


class FolderReader:
    """The pictures of segments, one after the other. Those that follow each other without a gap are one part.

    Args:
        reading: what to work with.
        idle_seconds: after so long without a byte, a segment is complete; after so long without a next segment, in
            addition to the length of one, the part ends.
        begin: ``start`` with the first segment, or ``now``: without those that are complete.
        resume: an earlier place; its part is read again from its first segment. A number alone is that of the first
            part.
    """

    def __init__(
        self,
        reading: Reading,
        *,
        idle_seconds: float,
        begin: Literal["start", "now"] = "start",
        resume: dict[str, Any] | None = None,
    ) -> None:
        self.reading, self.idle_seconds, self.begin = reading, idle_seconds, begin
        self.folder = Path(reading.source.place)
        self._part: _Part | None = None
        self._next_number, self._why = 1, ""
        self._resume: dict[str, Any] = resume or {}
        self._not_before = self._last_read = ""
        self._passed = set[str]()  # names of files up to the last one that was read

    def check(self) -> None:
        """Check that the folder is there.

        Raises:
            InputError: it is not.
        """
        if not self.folder.is_dir():
            raise InputError.missing(self.folder, "a folder")

    def items(self) -> Generator[Item | Place, None, None]:
        """Yield parts until a stop is asked for."""
        self._find_start()
        self.reading.counts.is_connected = True
        while not self.reading.stop.is_set():
            segment = self._next_segment()
            if segment is not None:
                yield from self._read(segment)
                self._last_read = segment.path.name
            elif self._part is not None and not self.reading.stop.is_set():
                yield from self._end_part(f"no segment came for {self.idle_seconds:g} s")

    def _find_start(self) -> None:
        """Where to begin, and the number of the first part."""
        segments = segments_in(self.folder)
        names = [segment.path.name for segment in segments]
        self._next_number = int(self._resume.get("part", 1))
        if "first" in self._resume:
            self._not_before = str(self._resume["first"])
            if self._not_before not in names:
                self._not_before, self._resume = str(self._resume.get("last", "")), {}
                self._next_number += 1
                self._why = "the first segments of the part before are gone"
        elif self.begin == "now" and segments:
            grows = self.reading.clock.now() - segments[-1].modified_at <= self.idle_seconds
            self._last_read = (["", *names][-2]) if grows else names[-1]

    # -- segments ------------------------------------------------------------------------------------------------

    def _next_segment(self) -> Segment | None:
        """The next segment, when it is there; ``None`` if that takes too long."""
        clock = self.reading.clock
        patience = self.idle_seconds + float(self._part.length if self._part else 0)
        began = clock.monotonic()
        while not self.reading.stop.is_set():
            if found := self._segments_after(self._last_read):
                return found[0]
            if clock.monotonic() - began >= patience:
                return None
            clock.wait(self.reading.stop, POLL_SECONDS)
        return None

    def _segments_after(self, name: str) -> list[Segment]:
        found = segments_in(self.folder, after=name, passed=self._passed)
        if self._not_before and not name:
            limit = order_of(self._not_before)
            found = [segment for segment in found if order_of(segment.path.name) >= limit]
        return found

    def _is_over(self, segment: Segment, idle_seconds: float) -> bool:
        """Whether a segment is complete that has not grown for so long."""
        if idle_seconds >= self.idle_seconds:
            return True
        if idle_seconds < POLL_SECONDS:  # before the folder is listed
            return False
        following = self._segments_after(segment.path.name)
        if not following:
            return False
        try:
            modified_at = segment.path.stat().st_mtime
        except OSError:
            return True
        return modified_at < following[0].modified_at or idle_seconds >= _SETTLING_SECONDS

    def _grows(self, segment: Segment) -> bool:
        """Whether a segment can be read while it grows, and may still do so.

        Raises:
            InputError: it is gone.
        """
        try:
            age_seconds = self.reading.clock.now() - segment.path.stat().st_mtime
            is_over = self._is_over(segment, max(age_seconds, POLL_SECONDS))
            return is_readable_from_start(segment.path) and not is_over
        except OSError as error:
            raise unusable(segment.path, found=f"one that cannot be read ({error.strerror})") from None

    # -- reading -------------------------------------------------------------------------------------------------

    def _read(self, segment: Segment) -> Iterator[Item | Place]:
        reading = self.reading
        try:
            is_over = partial(self._is_over, segment)
            wait_for_index(segment.path, clock=reading.clock, stop=reading.stop, is_over=is_over)
            with reading.opened_file(segment.path, is_over if self._grows(segment) else None) as frames:
                spans = frames.spans()
                first = next(spans, None)
                if first is None:
                    raise unusable(segment.path, found="a video of which no frame can be decoded")
                yield from self._go_on(segment, frames)
                assert self._part is not None
                begin = frames.origin - self._part.shift
                for frame, until in chain([first], spans):
                    end = max(begin + until, self._part.end)
                    self._part = self._part._replace(end=end, length=until)
                    yield reading.picture(frame, end)
                self._note_problems(segment, frames)
        except InputError as error:
            if reading.stop.is_set():
                return
            log.warning("%s: %s", reading.source.name, error)
            if self._part is not None:
                yield from self._end_part(f"{segment.path.name} cannot be read")

    def _go_on(self, segment: Segment, frames: FrameStream) -> Iterator[Item | Place]:
        """Let a segment belong to the part, or begin a new one."""
        part = self._part
        if part is not None:
            shift = self._shift_of(part, segment, frames)
            if shift is not None:
                self._part = part._replace(shift=shift, segment=segment)
                self.reading.begin_part(part.number, shift)
                yield self._part.place
                return
            names = f"{segment.path.name} does not go on where {part.segment.path.name} ends"
            yield from self._end_part(names)
        clock, number = self.reading.clock, self._next_number
        at = float(self._resume.get("started_at") or started_at(segment.path, clock))
        name = segment.path.name
        self._part = _Part(number, at, name, frames.origin, Fraction(0), segment, Fraction(0))
        self.reading.begin_part(number, frames.origin)
        yield self._part.place
        yield PartBegins(number, at, self._why)

    def _shift_of(self, part: _Part, segment: Segment, frames: FrameStream) -> Fraction | None:
        """The second on the clock of a segment that is second 0 of the part; ``None`` if it does not go on with it."""
        if follows_by_stamps(part.shift + part.end, frames.origin):
            return part.shift
        is_known = "last" in self._resume and order_of(segment.path.name) <= order_of(self._resume["last"])
        try:
            ended_at, modified_at = part.segment.path.stat().st_mtime, segment.path.stat().st_mtime
        except OSError:
            ended_at, modified_at = part.segment.modified_at, segment.modified_at
        if is_known or follows_by_times(ended_at, modified_at, length_of(segment.path)):
            return frames.origin - part.end
        return None

    def _end_part(self, why: str) -> Iterator[Item]:
        self.reading.counts.gaps += 1
        self._part, self._why, self._resume = None, why, {}
        self._next_number += 1
        yield PartEnds(why)

    def _note_problems(self, segment: Segment, frames: FrameStream) -> None:
        assert self._part is not None
        for problem in frames.take_defects():
            log.warning("%s: %s: %s", self.reading.source.name, segment.path.name, problem)

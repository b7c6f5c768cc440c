"""What the readers of all kinds of sources share: what they are given, and reading one file from its start."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.container import InputContainer
from av.video.frame import VideoFrame

from rcl.detector.live.clips.packet_ring import PacketRing
from rcl.detector.live.sources.clocks import Clock
from rcl.detector.live.sources.counts import FeedCounts
from rcl.detector.live.sources.growing_file import GrowingFile, open_growing
from rcl.detector.live.sources.parts import Picture
from rcl.detector.live.sources.source import Source
from rcl.system.errors import InputError
from rcl.video.decoding import opened
from rcl.video.stream import FrameStream, end_in_header, start_of, video_stream

log = logging.getLogger("rcl")


class Place(NamedTuple):
    """From where a later feed can go on, once everything before this was seen: plain values that JSON holds."""

    values: dict[str, Any]


@dataclass
class Reading:
    """What a reader works with.

    Args:
        source: what is read.
        clock: time and waiting.
        stop: set when a stop is asked for.
        counts: to be kept up to date.
        ring: for recent packets, if they are wanted.
        threads: decoding threads.
    """

    source: Source
    clock: Clock
    counts: FeedCounts
    ring: PacketRing | None
    threads: int = 1
    stop: threading.Event = field(default_factory=threading.Event)

    def frames_of(
        self, container: InputContainer, *, playlists: bool = False, on_packet: Callable[[Any], None] | None = None
    ) -> FrameStream:
        """The frames of an opened video, whose packets are counted and kept.

        Raises:
            InputError: there is no video in it.
        """
        video = video_stream(container, self.source.shown, playlists=playlists)
        if self.ring is not None:
            self.ring.open(container, video)

        def note(packet: av.Packet[Any]) -> None:
            self.counts.packets += 1
            self.counts.bytes += packet.size
            if self.ring is not None:
                self.ring.add(packet)
            if on_packet is not None:
                on_packet(packet)

        return FrameStream(container, video, threads=self.threads, on_packet=note)

    def picture(self, frame: VideoFrame, until: Fraction) -> Picture:
        """A picture, counted."""
        self.counts.frames_read += 1
        self.counts.last_picture_at = self.clock.monotonic()
        return Picture(frame, until)

    def begin_part(self, number: int, shift: Fraction) -> None:
        """Say that the newest pictures belong to a part: its second 0 is ``shift`` on the clock of their container."""
        if self.ring is not None:
            self.ring.begin_part(number, shift)

    @contextmanager
    def opened_file(self, path: Path, is_over: Callable[[float], bool] | None) -> Iterator[FrameStream]:
        """Context with the frames of a file: of one that grows if ``is_over`` is given, see :class:`GrowingFile`.

        Raises:
            InputError: it cannot be opened, or has no video.
        """
        if is_over is None:
            with opened(path) as container:
                yield self.frames_of(container)
            return
        try:
            file = GrowingFile(path, clock=self.clock, stop=self.stop, is_over=is_over)
        except OSError as error:
            expected, fix = "a readable file", "check its permissions"
            raise InputError(path, expected=expected, found=error.strerror or str(error), fix=fix) from None
        try:
            with open_growing(file) as container:
                yield self.frames_of(container)
        finally:
            file.close()


def length_of(path: Path) -> float | None:
    """How many seconds a video lasts as far as it is written; ``None`` if that is not known."""
    try:
        with opened(path) as container:
            video = video_stream(container, path)
            end = end_in_header(container, video, start_of(container, video) or Fraction(0))
            if end is None and container.duration is not None:
                end = Fraction(container.duration, av.time_base)
            return None if end is None else float(end)
    except InputError:
        return None


def started_at(path: Path, clock: Clock) -> float:
    """When the recording of a file began, as Unix time: its length before it was last written; now, if unknown."""
    try:
        modified_at, seconds = path.stat().st_mtime, length_of(path)
    except OSError:
        return clock.now()
    return clock.now() if seconds is None else modified_at - seconds

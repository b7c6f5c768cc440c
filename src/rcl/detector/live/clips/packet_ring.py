"""The recent packets of a feed, from which clips are cut without encoding."""

from __future__ import annotations

import contextlib
import io
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import av
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

RING_SECONDS = 60.0
RING_BYTES = 2**26
LONGEST_GAP = Fraction(2)  # of the stamps of packets, see AddressReader


@dataclass(eq=False)
class Run:
    """Packets whose time stamps go on without a jump.

    Args:
        tracks: a stream for each that is kept, with its parameters; the index of the stream is the key.
        video: index of the video.
        part: number of the part that they belong to, as soon as it is known.
        shift: the second on their clock that is second 0 of the part.
    """

    tracks: dict[int, Any]
    video: int
    part: int | None = None
    shift: Fraction = field(default_factory=Fraction)


class Held(NamedTuple):
    """A packet as it came; ``came_after`` so many seconds of pictures since the ring was new."""

    run: Run
    stream_index: int
    data: bytes
    pts: int | None
    dts: int | None
    duration: int | None
    time_base: Fraction
    is_key: bool
    came_after: Fraction

    @property
    def is_of_video(self) -> bool:
        """Whether it holds pictures, and not sound."""
        return self.stream_index == self.run.video

    @property
    def stamp(self) -> Fraction | None:
        """When it is shown, on the clock of its container, in seconds."""
        ticks = self.dts if self.pts is None else self.pts
        return None if ticks is None else ticks * self.time_base

    @property
    def seconds(self) -> Fraction | None:
        """When it is shown, in seconds of the part."""
        return None if self.stamp is None else self.stamp - self.run.shift

    def packet(self) -> Any:
        """A packet to be written, in the time of the part."""
        packet: Any = av.Packet(self.data)
        ticks = round(self.run.shift / self.time_base)
        packet.time_base, packet.is_keyframe = self.time_base, self.is_key
        packet.pts = None if self.pts is None else self.pts - ticks
        packet.dts = None if self.dts is None else self.dts - ticks
        packet.duration = self.duration or 0
        packet.stream = self.run.tracks[self.stream_index]
        return packet


class PacketRing:
    """The last packets of video and sound, no more than so many seconds and bytes. For one writer and any readers.

    Args:
        longest_seconds: between the first and the last picture.
        most_bytes: of all packets.
    """

    def __init__(self, longest_seconds: float = RING_SECONDS, most_bytes: int = RING_BYTES) -> None:
        self.longest_seconds, self.most_bytes = longest_seconds, most_bytes
        self.bytes = 0
        self._held = deque[Held]()
        self._run: Run | None = None
        self._first_run: Run | None = None  # of the container
        self._last: Fraction | None = None  # the stamp of the last picture's packet
        self._seconds = Fraction(0)  # of pictures so far
        self._lock = threading.Lock()

    def open(self, container: InputContainer, video: VideoStream) -> None:
        """Take note of a newly opened container, whose packets follow."""
        sound = container.streams.best("audio")
        chosen = [stream for stream in (video, sound) if stream is not None]
        with self._lock:
            self._run = self._first_run = Run(_parked(chosen), video.index)
            self._last = None

    def add(self, packet: av.Packet[Any]) -> None:
        """Keep a packet, and forget the oldest ones."""
        with self._lock:
            run, index = self._run, packet.stream_index
            if run is None or index not in run.tracks:
                return
            if index == run.video:
                run = self._run = self._run_of(packet, run)
            data, stamps = bytes(packet), (packet.pts, packet.dts, packet.duration, packet.time_base)
            self._held.append(Held(run, index, data, *stamps, packet.is_keyframe, self._seconds))
            self.bytes += len(data)
            self._forget()

    def begin_part(self, part: int, shift: Fraction) -> None:
        """Say to which part the pictures that come now belong.

        Args:
            part: its number.
            shift: the second on the clock of the container that is second 0 of the part.
        """
        with self._lock:
            # Packets come before their pictures, so those of a later jump may be here already.
            of_its_stamp = (held.run for held in reversed(self._held) if held.is_of_video and held.stamp == shift)
            is_new = self._first_run is not None and self._first_run.part is None
            run = self._first_run if is_new else next(of_its_stamp, self._run)
            if run is not None:
                run.part, run.shift = part, shift

    def packets(self, part: int) -> list[Held]:
        """What is held of a part, in the order in which it came."""
        with self._lock:
            return [held for held in self._held if held.run.part == part and held.seconds is not None]

    def _run_of(self, packet: av.Packet[Any], run: Run) -> Run:
        """The run that a packet of the video belongs to: a new one after a jump."""
        ticks = packet.dts if packet.dts is not None else packet.pts
        if ticks is None:
            return run
        last, self._last = self._last, ticks * packet.time_base
        step = Fraction(0) if last is None else self._last - last
        if -1 < step <= LONGEST_GAP:
            self._seconds += max(step, Fraction(0))
            return run
        return Run(run.tracks, run.video)

    def _forget(self) -> None:
        while self._held and (
            self.bytes > self.most_bytes or self._seconds - self._held[0].came_after > self.longest_seconds
        ):
            self.bytes -= len(self._held.popleft().data)


def _parked(streams: Sequence[Any]) -> dict[int, Any]:
    """Copies of streams without their container, which may be closed: only their parameters count."""
    tracks = dict[int, Any]()
    container = av.open(io.BytesIO(), "w", format="nut")  # which holds nearly every codec; nothing is written
    for stream in streams:
        with contextlib.suppress(ValueError, av.FFmpegError):
            tracks[stream.index] = copied_track(container, stream)
    return tracks


def copied_track(container: OutputContainer, stream: Any) -> Any:
    """A stream of the same parameters in a container.

    Raises:
        ValueError: the format of the container cannot hold it.
    """
    return container.add_stream_from_template(stream, opaque=True)  # also of codecs that cannot be encoded

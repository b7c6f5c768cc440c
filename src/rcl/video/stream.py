"""One opened video stream: its rate, start and end, its frames in order, and its defects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from rcl.system.errors import InputError
from rcl.system.paths import PathLike
from rcl.video.clock import longest_step, steady, with_next
from rcl.video.defects import Defects

DEFAULT_RATE = Fraction(25)  # of a stream that states none; FFmpeg assumes the same
RAW_FORMATS = ("h264", "hevc", "vvc", "mjpeg", "obu", "m4v")  # streams without a container, so without time stamps
RAW_EXTENSIONS = (".h264", ".264", ".h265", ".265", ".hevc", ".h266", ".266", ".mjpeg", ".mjpg", ".obu")
PLAUSIBLE_RATES = (Fraction(1, 10), 1000)  # a stream that states another one has a damaged header
SHORTEST_STEP = Fraction(1, 1000)  # seconds; a stated length that is not above it is one tick of some clock
MISSING_SECONDS = Fraction(1, 2)  # the precision of the end that headers state
NOT_VIDEO_FORMATS = ("tty", "concat", "hls", "dash")  # texts that FFmpeg would render, and lists of other files
PLAYLISTS = ("hls", "dash")
NO_RATE = "has no frame rate"
SEEK_EARLIER_SECONDS = (0, 10, 120)
MAX_PIXELS = 2**26  # 8K is half of it; a damaged header may claim any size

Stamped: TypeAlias = tuple[Fraction | None, VideoFrame]
"""A frame with its time in seconds, if that is known."""


def video_stream(container: InputContainer, path: PathLike, *, playlists: bool = False) -> VideoStream:
    """The largest video stream of a file, cover pictures excluded.

    Args:
        container: the opened file.
        path: of the file, for messages.
        playlists: whether a list of other files may be a video, too.

    Raises:
        InputError: the file has no video stream, or FFmpeg cannot decode it.
    """
    videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if container.format.name in NOT_VIDEO_FORMATS and not (playlists and container.format.name in PLAYLISTS):
        videos = []
    if not videos:
        raise unusable(path, found="a file without a video stream")
    decodable = [stream for stream in videos if stream.codec_context is not None]
    if not decodable:
        raise unusable(path, found="a format that FFmpeg cannot decode")
    return max(decodable, key=lambda stream: stream.width * stream.height)


def unusable(path: PathLike, found: str) -> InputError:
    """The error for a file that is not a usable video."""
    return InputError(path, expected="a video file", found=found, fix="check that it plays, or convert it")


def has_no_rate(container: InputContainer, stream: VideoStream) -> bool:
    """Whether neither the file nor its frames say how many frames a second has; FFmpeg then takes 25 for granted."""
    return container.format.name in RAW_FORMATS and not stream.codec_context.framerate


def native_rate(container: InputContainer, stream: VideoStream, *, raw: Fraction | None = None) -> Fraction:
    """The average rate of a stream in frames per second; without time stamps, the rate that the header states.

    Args:
        container: the opened file.
        stream: its video.
        raw: the rate of streams without a container, from the user.
    """
    if raw and container.format.name in RAW_FORMATS:
        return raw
    stated = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    if stream.start_time is None:
        stated = stated[1:]
    slowest, fastest = PLAUSIBLE_RATES
    return next((rate for rate in stated if rate and slowest <= rate <= fastest), DEFAULT_RATE)


class FrameStream:
    """One pass over a stream: its frames with their times, and the defects that were found.

    Times are in seconds from the start of the container. For streams without a start, and for AVI, they are from the
    first frame: AVI stores no presentation times, and its frames are late by those that the decoder holds back.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        threads: int,
        raw_rate: Fraction | None = None,
        on_packet: Callable[[av.Packet[Any]], None] | None = None,
    ) -> None:
        self._container, self._stream, self._on_packet = container, stream, on_packet
        self.error: av.FFmpegError | None = None  # that ended the reading
        context = stream.codec_context
        context.thread_count, context.thread_type = threads, "AUTO"
        context.options = {"max_pixels": str(MAX_PIXELS)}
        self._unit = stream.time_base or Fraction(1)
        self._rate_is_assumed = raw_rate is None and has_no_rate(container, stream)
        self.step = 1 / native_rate(container, stream, raw=raw_rate)
        self._raw = container.format.name in RAW_FORMATS
        self._avi = container.format.name == "avi"
        if self._avi and self._unit > 1 / PLAUSIBLE_RATES[0]:  # AVI counts frames: its unit is the length of a frame
            self._unit = self.step
        self._origin = None if self._avi else start_of(container, stream)
        self._stated_end = end_in_header(container, stream, self._origin or Fraction(0))
        self._audio_end = Fraction(0)
        self._stopped: list[str] = []
        self._defects = Defects()

    @property
    def origin(self) -> Fraction:
        """The second on the clock of the container from which times count."""
        return self._origin or Fraction(0)

    def spans(self) -> Iterator[tuple[VideoFrame, Fraction]]:
        """Yield frames in the order of presentation, each with the time in seconds at which it leaves the screen."""
        for frame, _, end in self.spans_of(self.stamped(), Fraction(0)):
            yield frame, end

    def spans_from(self, seconds: Fraction) -> Iterator[tuple[VideoFrame, Fraction, Fraction]]:
        """Yield the frames that are on the screen at a time or later, each with the times of its first and last moment.

        Decoding begins at a key frame before that time, or at the start of a file that cannot be sought. The first
        frame is taken to appear at ``seconds``.
        """
        stamped, begin = self._stamped_from(seconds)
        for frame, start, end in self.spans_of(stamped, begin):
            if end > seconds:
                yield frame, max(start, seconds), end

    def spans_of(self, stamped: Iterable[Stamped], begin: Fraction) -> Iterator[tuple[VideoFrame, Fraction, Fraction]]:
        """Yield frames of the stream with the times of their first and last moment; the first appears at ``begin``."""
        on_jump = partial(self._defects.note, "time stamps out of place")
        timed = steady(stamped, step=self.step, stated_end=self._stated_end, on_jump=on_jump, begin=begin)
        appears = begin
        for (start, frame), following in with_next(timed):
            leaves = following[0] if following else start + self._length_of(frame, start)
            yield frame, appears, leaves
            appears = leaves

    def stamped(self) -> Iterator[Stamped]:
        """Yield all frames, each with its time stamp in seconds from the start of the container."""
        return ((self._time_of(frame), frame) for frame in self._decoded())

    def _stamped_from(self, seconds: Fraction) -> tuple[Iterator[Stamped], Fraction]:
        """Frames from a key frame before a time on, or all, and about the time of the first one."""
        if seconds <= 0 or self._raw or self._stream.start_time is None or self._unit != self._stream.time_base:
            return self.stamped(), Fraction(0)
        if self._origin is None:  # the time of the first frame, see _time_of
            next(self.stamped(), None)
        for earlier in SEEK_EARLIER_SECONDS:  # an index may be wrong
            if seconds > earlier and (found := self._sought(seconds, seconds - earlier)):
                return found
        self._container.seek(0)
        return self.stamped(), Fraction(0)

    def _sought(self, seconds: Fraction, target: Fraction) -> tuple[Iterator[Stamped], Fraction] | None:
        """The same for a place in the file, ``None`` if what is there comes too late."""
        try:
            self._container.seek(int((target + (self._origin or 0)) / self._unit), stream=self._stream)
        except av.FFmpegError:
            return None
        stamped = self.stamped()
        first = next(stamped, None)
        if first is None or first[0] is None or first[0] > seconds:
            return None
        return chain([first], stamped), first[0]

    def _length_of(self, frame: VideoFrame, start: Fraction) -> Fraction:
        length = Fraction(0) if self._raw else (frame.duration or 0) * self._unit
        # Where a file states no length, FFmpeg takes one tick of its clock, which may be a microsecond.
        return length if SHORTEST_STEP < length <= longest_step(start + length, self._stated_end) else self.step

    def problems(self, end: Fraction) -> list[str]:
        """Descriptions of the defects of a video that was read up to ``end``, in seconds."""
        stated, reached = self._stated_end, end
        if stated is None and self._container.duration and self._stream.start_time is not None:
            whole = Fraction(self._container.duration, av.time_base)  # of the longest stream
            stated, reached = whole - max(self._origin or 0, 0), max(end, self._audio_end)
        short = stated is not None and reached < stated - MISSING_SECONDS
        ends = [f"ends after {float(reached):.1f} of {float(stated or 0):.1f} s"] if short else []
        return self._assumptions() + ends + self._stopped + self._defects.descriptions()

    def take_defects(self) -> list[str]:
        """Descriptions of the defects since this was last asked, whatever the header states."""
        found, self._defects = self._defects.descriptions(), Defects()
        return self._assumptions() + found

    def _assumptions(self) -> list[str]:
        assumed = [f"{NO_RATE}, so {float(1 / self.step):g} per second are assumed (--video-fps gives another)"]
        return assumed * self._rate_is_assumed

    def _decoded(self) -> Iterator[VideoFrame]:
        for packet, following in with_next(self._packets()):
            seconds = self._seconds(packet.pts if packet.pts is not None else packet.dts)
            if packet.is_corrupt and following and not following.size:
                # The file ends within this packet. Threads of a decoder would drop frames before it, too.
                self._defects.note("damaged packets", seconds)
                continue
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError:
                frames = []
                self._defects.note("damaged packets", seconds)
            else:
                if packet.is_corrupt:
                    self._defects.note("damaged packets", seconds)
            for frame in frames:
                if frame.is_corrupt:
                    self._defects.note("damaged frames", self._seconds(frame.pts))
                yield frame

    def _packets(self) -> Iterator[av.Packet[Any]]:
        """Packets of the video, and an empty one that makes the decoder return the frames that it holds back."""
        try:
            for packet in self._container.demux((self._stream, *self._container.streams.audio)):
                if self._on_packet and packet.size:
                    self._on_packet(packet)
                if packet.stream.index != self._stream.index:
                    self._note_audio(packet)
                elif packet.size:
                    yield packet
        except av.FFmpegError as error:
            self.error = error.with_traceback(None)  # which would keep this stream, and its decoder, for long
            self._stopped = [f"cannot be read to its end ({error.strerror})"]
        except IndexError:  # raised by PyAV at the end of a file in which streams appear midway
            pass
        yield av.Packet()

    def _note_audio(self, packet: av.Packet[Any]) -> None:
        if packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base - (self._origin or 0)
            self._audio_end = max(self._audio_end, end)

    def _time_of(self, frame: VideoFrame) -> Fraction | None:
        stamp = None if self._raw else frame.dts if self._avi else frame.pts  # FFmpeg makes up those of raw streams
        if stamp is not None and self._origin is None:
            self._origin = stamp * self._unit
        return self._seconds(stamp)

    def _seconds(self, stamp: int | None) -> Fraction | None:
        return None if stamp is None else stamp * self._unit - (self._origin or 0)


def start_of(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """The time that players show as 0, in seconds; ``None`` if the container does not state it."""
    if container.start_time is None:
        return None
    start = Fraction(container.start_time, av.time_base)  # rounded to microseconds, unlike the start of the stream
    own = (stream.start_time or 0) * (stream.time_base or Fraction(1))
    return own if abs(own - start) < Fraction(2, av.time_base) else start


def end_in_header(container: InputContainer, stream: VideoStream, origin: Fraction) -> Fraction | None:
    """The end of a video that its header states, in seconds after the origin; ``None`` if it states none."""
    if (
        container.format.name == "avi"
    ):  # for a file that was cut, FFmpeg corrects the duration but not the number of frames
        return stream.frames / native_rate(container, stream) if stream.frames else None
    if stream.start_time is not None and stream.time_base and stream.duration:
        return Fraction(stream.start_time + stream.duration) * stream.time_base - origin
    try:
        hours, minutes, seconds = map(Fraction, stream.metadata["DURATION"].split(":"))  # Matroska
    except (KeyError, ValueError):
        return None
    return hours * 3600 + minutes * 60 + seconds - origin


def with_consequence(problem: str, consequence: str) -> str:
    """A problem of a file, with what becomes of the damaged file; an assumed rate is no damage."""
    return problem if problem.startswith(NO_RATE) else f"{problem}; {consequence}"

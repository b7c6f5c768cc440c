"""Decoding of video files: frames at a constant rate, one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import av
import torch
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from torch import Tensor

from rcl.system.errors import InputError
from rcl.system.text_files import PathLike, check_is_file
from rcl.video.clock import longest_step, steady, with_next

DEFAULT_RATE = Fraction(25)  # of a stream that does not say: what FFmpeg assumes
PLAUSIBLE_RATES = (Fraction(1, 10), 1000)  # a stream that says less or more has a damaged header
MISSING_SECONDS = Fraction(1, 2)  # headers are not more exact about where a video ends
NO_VIDEOS = ("tty", "concat", "hls", "dash")  # texts that FFmpeg would render, lists of other files
MAX_PIXELS = 2**26  # 8K is half of it; a damaged header may claim any size

Transform = Callable[[Tensor], Tensor]


class VideoReader:
    """Frames of a video file at a constant rate; never more than a few of them are in memory.

    Tick k covers ``[k, k + 1) / rate`` seconds of the file's clock, whose 0 is where players show 0. It shows the frame
    that is on the screen in the middle of it; before the first frame, the first. At the rate of the file, that is every
    frame once. Frames come upright: a rotation that the file asks for is applied.

    Iterating gives one tensor ``(3, h, w)`` of uint8 per tick, from the beginning each time. Where a frame stays on the
    screen it is the same tensor again, so do not write to it. A file that is damaged half-way gives what can be
    decoded; ``problems`` then says what is wrong with it.

    Args:
        path: the file, of any format that FFmpeg decodes.
        rate: frames per second; the average rate of the file if not given.
        transform: of frames ``(3, H, W)`` uint8 RGB; called once for each frame that is shown, however often.
        threads: that decode; 0: as many as the machine has.

    Attributes:
        rate: frames per second.
        duration_seconds: up to the end of the last frame; known after an iteration.
        problems: what was wrong with the file, in words for its owner; known after an iteration, empty for a good file.

    Raises:
        InputError: the file cannot be opened or has no video; in an iteration: no frame of it can be decoded. Or the
            rate is not positive.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        rate: float | None = None,
        transform: Transform | None = None,
        threads: int = 0,
    ) -> None:
        self.path = Path(path)
        self.transform = transform
        self.threads = threads
        with _opened(self.path) as container:
            native = _native_rate(_video_of(container, self.path))
        self._rate = native if rate is None else _exact(rate)
        self.rate = float(self._rate)
        self.duration_seconds = 0.0
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[Tensor]:
        self.duration_seconds, self.problems = 0.0, []
        with _opened(self.path) as container:
            decoding = _Decoding(container, _video_of(container, self.path), threads=self.threads)
            shown = _shown_by(self.transform)
            ticks, frame, until = 0, None, Fraction(0)
            for frame, until in decoding.spans():
                count = self._ticks_before(until) - ticks
                if count > 0:
                    yield from repeat(shown(frame), count)
                    ticks += count
            if frame is None:
                raise _unusable(self.path, found="a video of which no frame can be decoded")
            if ticks == 0:  # shorter than half a tick
                yield shown(frame)
            self.duration_seconds = float(until)
            self.problems = decoding.problems(until)

    def _ticks_before(self, seconds: Fraction) -> int:
        """How many ticks have their middle before that time."""
        return math.ceil(seconds * self._rate - Fraction(1, 2))


def _shown_by(transform: Transform | None) -> Callable[[VideoFrame], Tensor]:
    """What turns decoded frames into upright RGB tensors ``(3, h, w)``, all of the size of the first."""
    reformatter, size = VideoReformatter(), None

    def shown(frame: VideoFrame) -> Tensor:
        nonlocal size
        quarters = round(frame.rotation / 90) % 4  # anticlockwise
        height, width = size or _turned((frame.height, frame.width), quarters)
        size = height, width
        coded_height, coded_width = _turned(size, quarters)
        rgb = reformatter.reformat(frame, width=coded_width, height=coded_height, format="rgb24", threads=1)
        pixels = torch.from_numpy(rgb.to_ndarray()).permute(2, 0, 1)  # (3, H, W)
        upright = torch.rot90(pixels, quarters, (1, 2)) if quarters else pixels
        return transform(upright) if transform else upright

    return shown


def _turned(size: tuple[int, int], quarters: int) -> tuple[int, int]:
    return size if quarters % 2 == 0 else size[::-1]


def _exact(rate: float) -> Fraction:
    """The fraction that a rate is meant to be: 29.97002997002997 is 30000/1001."""
    exact = Fraction(rate).limit_denominator(10**6) if math.isfinite(rate) else Fraction(0)
    if exact <= 0:
        raise InputError("rate", expected="frames per second above 0", found=f"{rate}", fix="give another rate")
    return exact


# -- opening -----------------------------------------------------------------------------------------------------


def _opened(path: Path) -> InputContainer:
    check_is_file(path)
    try:
        with path.open("rb"):  # says more plainly than FFmpeg why a file cannot be read
            pass
        # The prefix keeps a name with a colon from being taken for an address; a playlist is kept from the network.
        return av.open(f"file:{path}", metadata_errors="ignore", container_options={"protocol_whitelist": "file"})
    except (OSError, av.FFmpegError) as error:
        if isinstance(error, av.FFmpegError) and path.stat().st_size == 0:
            raise _unusable(path, found="an empty file") from None
        raise _unusable(path, found=f"one that cannot be opened ({error.strerror})") from None


def _video_of(container: InputContainer, path: Path) -> VideoStream:
    """The largest video of a file; its cover is none."""
    videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if container.format.name in NO_VIDEOS:
        videos = []
    if not videos:
        raise _unusable(path, found="one without a video")
    decodable = [stream for stream in videos if stream.codec_context is not None]
    if not decodable:
        raise _unusable(path, found="a video in a format that FFmpeg does not decode")
    return max(decodable, key=lambda stream: stream.width * stream.height)


def _unusable(path: Path, found: str) -> InputError:
    return InputError(path, expected="a video file", found=found, fix="check that it plays, or convert it")


def _native_rate(stream: VideoStream) -> Fraction:
    """Average rate of a stream in frames per second; of one without time stamps, what it says of itself."""
    stated = [stream.average_rate, stream.guessed_rate, stream.base_rate]
    if stream.start_time is None:
        stated = stated[1:]
    slowest, fastest = PLAUSIBLE_RATES
    return next((rate for rate in stated if rate and slowest <= rate <= fastest), DEFAULT_RATE)


# -- decoding ----------------------------------------------------------------------------------------------------


class _Decoding:
    """One pass over a stream: its frames with their times, and what was found wrong on the way.

    Times are in seconds after the start of the container; AVI, which stores no presentation times and delays its frames
    by what the decoder holds back, and streams without a start begin with their first frame.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, threads: int) -> None:
        self._container, self._stream = container, stream
        context = stream.codec_context
        context.thread_count, context.thread_type = threads, "AUTO"
        context.options = {"max_pixels": str(MAX_PIXELS)}
        self._unit = stream.time_base or Fraction(1)
        self._step = 1 / _native_rate(stream)
        self._avi = container.format.name == "avi"
        if self._avi and self._unit > 1 / PLAUSIBLE_RATES[0]:  # AVI counts its frames: the unit is the length of one
            self._unit = self._step
        self._origin = None if self._avi else _start_of(container, stream)
        self._stated_end = _end_in_header(container, stream, self._origin or Fraction(0))
        self._audio_end = Fraction(0)
        self._stopped: list[str] = []
        self._defects = _Defects()

    def spans(self) -> Iterator[tuple[VideoFrame, Fraction]]:
        """Frames in the order of presentation, each with the second at which it leaves the screen."""
        stamped = ((self._time_of(frame), frame) for frame in self._decoded())
        leap = partial(self._defects.note, "time stamps out of place")
        timed = steady(stamped, step=self._step, stated_end=self._stated_end, on_leap=leap)
        for (start, frame), following in with_next(timed):
            yield frame, following[0] if following else start + self._length_of(frame, start)

    def _length_of(self, frame: VideoFrame, start: Fraction) -> Fraction:
        length = (frame.duration or 0) * self._unit
        return length if 0 < length <= longest_step(start + length, self._stated_end) else self._step

    def problems(self, end: Fraction) -> list[str]:
        """What was wrong with a video that was read to its end."""
        stated, reached = self._stated_end, end
        if stated is None and self._container.duration and self._stream.start_time is not None:
            whole = Fraction(self._container.duration, av.time_base)  # of whatever lasts longest
            stated, reached = whole - max(self._origin or 0, 0), max(end, self._audio_end)
        short = stated is not None and reached < stated - MISSING_SECONDS
        ends = [f"ends after {float(reached):.1f} of {float(stated or 0):.1f} s"] if short else []
        return ends + self._stopped + self._defects.told()

    def _decoded(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            seconds = self._seconds(packet.pts if packet.pts is not None else packet.dts)
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
        """Packets of the video, the last of them empty, which makes the decoder give all it holds."""
        try:
            for packet in self._container.demux((self._stream, *self._container.streams.audio)):
                if packet.stream.index != self._stream.index:
                    self._note_audio(packet)
                elif packet.size:
                    yield packet
        except av.FFmpegError as error:
            self._stopped = [f"cannot be read to its end ({error.strerror})"]
        except IndexError:  # PyAV at the end of a file of which streams appeared on the way
            pass
        yield av.Packet()

    def _note_audio(self, packet: av.Packet[Any]) -> None:
        if packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base - (self._origin or 0)
            self._audio_end = max(self._audio_end, end)

    def _time_of(self, frame: VideoFrame) -> Fraction | None:
        stamp = frame.dts if self._avi else frame.pts
        if stamp is not None and self._origin is None:
            self._origin = stamp * self._unit
        return self._seconds(stamp)

    def _seconds(self, stamp: int | None) -> Fraction | None:
        return None if stamp is None else stamp * self._unit - (self._origin or 0)


def _start_of(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """The time that players show as 0, in seconds."""
    if container.start_time is None:
        return None
    start = Fraction(container.start_time, av.time_base)  # rounded to a millionth, unlike that of the stream
    own = (stream.start_time or 0) * (stream.time_base or Fraction(1))
    return own if abs(own - start) < Fraction(2, av.time_base) else start


def _end_in_header(container: InputContainer, stream: VideoStream, origin: Fraction) -> Fraction | None:
    """Where a video ends by its header, in seconds after the origin; None where the header does not say."""
    if container.format.name == "avi":  # FFmpeg corrects the duration of a file that was cut, not the number of frames
        return stream.frames / _native_rate(stream) if stream.frames else None
    if stream.start_time is not None and stream.time_base and stream.duration:
        return Fraction(stream.start_time + stream.duration) * stream.time_base - origin
    try:
        hours, minutes, seconds = map(Fraction, stream.metadata["DURATION"].split(":"))  # Matroska
    except (KeyError, ValueError):
        return None
    return hours * 3600 + minutes * 60 + seconds - origin


class _Defects:
    """How often something was wrong, by kind, and where first."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._place: dict[str, str] = {}

    def note(self, kind: str, seconds: Fraction | None) -> None:
        """Count one more of a kind."""
        self._number[kind] = self._number.get(kind, 0) + 1
        self._place.setdefault(kind, "" if seconds is None else f", the first at {float(seconds):.1f} s")

    def told(self) -> list[str]:
        """One sentence per kind."""
        return [f"{kind}: {number}{self._place[kind]}" for kind, number in self._number.items()]

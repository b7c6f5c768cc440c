"""Decoding of video files into frames at a constant rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import av
import torch
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from torch import Tensor

from rcl.system.errors import InputError, located
from rcl.system.paths import PathLike, check_is_file
from rcl.video.stream import FrameStream, native_rate, unusable, video_stream

Transform = Callable[[Tensor], Tensor]


class VideoReader:
    """Frames of a video file at a constant rate; only a few of them are in memory at a time.

    Tick k covers ``[k, k + 1) / rate`` seconds of the time that players show. Its frame is the one on the screen in the
    middle of the tick, or the first frame before that appears. At the file's own rate, each frame appears once. Frames
    are upright: the rotation that the file states is applied.

    Each iteration starts at the beginning and yields one tensor ``(3, h, w)`` uint8 per tick. While a frame stays on
    the screen, the same tensor is yielded again, so do not write to it. A damaged file yields the frames that can be
    decoded, and ``problems`` describes the damage.

    Args:
        path: the file, in any format that FFmpeg decodes.
        rate: frames per second; by default the average rate of the file.
        transform: applied once to each frame ``(3, H, W)`` uint8 RGB that is shown; it may raise a ``Defect``.
        threads: decoding threads; 0 for one per core.
        raw_rate: frames per second of a stream without a container, such as ``.h264``, which may state none.

    Attributes:
        rate: frames per second.
        duration_seconds: the end of the last frame; known after an iteration.
        problems: descriptions of the file's defects, empty for a good file; known after an iteration.

    Raises:
        InputError: the file cannot be opened or has no video, no frame of it can be decoded or transformed (in an
            iteration), or the rate is not positive.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        rate: float | None = None,
        transform: Transform | None = None,
        threads: int = 0,
        raw_rate: float | None = None,
    ) -> None:
        self.path = Path(path)
        self.transform = transform
        self.threads = threads
        self._raw_rate = None if raw_rate is None else exact_rate(raw_rate)
        with opened(self.path) as container:
            native = native_rate(container, video_stream(container, self.path), raw=self._raw_rate)
        self._rate = native if rate is None else exact_rate(rate)
        self.rate = float(self._rate)
        self.duration_seconds = 0.0
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[Tensor]:
        self.duration_seconds, self.problems = 0.0, []
        with opened(self.path) as container:
            video = video_stream(container, self.path)
            stream = FrameStream(container, video, threads=self.threads, raw_rate=self._raw_rate)
            ticks = Ticks(self._rate, self.transform, where=self.path)
            for frame, until in stream.spans():
                yield from ticks.push(frame, until)
            if ticks.frame is None:
                raise unusable(self.path, found="a video of which no frame can be decoded")
            yield from ticks.finish()
            self.duration_seconds = float(ticks.until)
            self.problems = stream.problems(ticks.until)


class Ticks:
    """Turns frames of any length into ticks at a constant rate, as the frames come; see :class:`VideoReader`.

    Args:
        rate: ticks per second.
        transform: as of :class:`VideoReader`.
        where: the video, for messages.
        known: the first so many ticks are counted only. The first frame, which sets the size of all, stands for them.

    Attributes:
        count: ticks so far.
        frame: the latest frame; ``None`` before the first.
        until: the time in seconds at which it leaves the screen.
    """

    def __init__(
        self, rate: Fraction | float, transform: Transform | None = None, *, where: object, known: int = 0
    ) -> None:
        self.count, self.known = 0, known
        self.frame: VideoFrame | None = None
        self.until = Fraction(0)
        self._rate = rate if isinstance(rate, Fraction) else exact_rate(rate)
        self._to_tensor = _tensor_maker(transform, where=where)
        self._first: Tensor | None = None

    def push(self, frame: VideoFrame, until: Fraction) -> Iterator[Tensor]:
        """Take the next frame, which is on the screen until some second. The same tensor, once for each of its ticks.

        Raises:
            InputError: the transform raises a ``Defect``.
        """
        self.frame, self.until = frame, until
        last = math.ceil(until * self._rate - Fraction(1, 2))  # ticks whose middle is before that time
        begin, self.count = self.count, max(self.count, last)
        return repeat(self._shown(frame), self.count - begin) if self.count > begin else iter(())

    def finish(self) -> Iterator[Tensor]:
        """What is left after the last frame: one tick, if the video is shorter than half a tick."""
        if self.frame is None or self.count:
            return iter(())
        self.count = 1
        return iter((self._shown(self.frame),))

    def _shown(self, frame: VideoFrame) -> Tensor:
        if self._first is None:
            self._first = self._to_tensor(frame)
            return self._first
        return self._to_tensor(frame) if self.count > self.known else self._first


def _tensor_maker(transform: Transform | None, *, where: object) -> Callable[[VideoFrame], Tensor]:
    """A function that turns decoded frames into upright RGB tensors ``(3, h, w)``, all of the size of the first."""
    reformatter, size = VideoReformatter(), None

    def to_tensor(frame: VideoFrame) -> Tensor:
        nonlocal size
        quarters = round(frame.rotation / 90) % 4  # anticlockwise
        height, width = size or _rotated((frame.height, frame.width), quarters)
        size = height, width
        coded_height, coded_width = _rotated(size, quarters)
        rgb = reformatter.reformat(frame, width=coded_width, height=coded_height, format="rgb24", threads=1)
        pixels = torch.from_numpy(rgb.to_ndarray()).permute(2, 0, 1)  # (3, H, W)
        upright = torch.rot90(pixels, quarters, (1, 2)) if quarters else pixels
        with located(where):
            return transform(upright) if transform else upright

    return to_tensor


def _rotated(size: tuple[int, int], quarters: int) -> tuple[int, int]:
    return size if quarters % 2 == 0 else size[::-1]


def exact_rate(rate: float) -> Fraction:
    """The fraction that a rate stands for: 29.97002997002997 is 30000/1001."""
    exact = Fraction(rate).limit_denominator(10**6) if math.isfinite(rate) else Fraction(0)
    if exact <= 0:
        raise InputError("rate", expected="frames per second above 0", found=f"{rate}", fix="give another rate")
    return exact


def opened(path: Path) -> InputContainer:
    """A video file, opened by FFmpeg.

    Raises:
        InputError: it cannot be opened.
    """
    check_is_file(path)
    try:
        with path.open("rb"):  # its errors are clearer than those of FFmpeg
            pass
        # The prefix keeps a name with a colon from being read as an address; the whitelist keeps playlists off the net.
        return av.open(f"file:{path}", metadata_errors="ignore", container_options={"protocol_whitelist": "file"})
    except (OSError, av.FFmpegError) as error:
        if isinstance(error, av.FFmpegError) and path.stat().st_size == 0:
            raise unusable(path, found="an empty file") from None
        raise unusable(path, found=f"a file that cannot be opened ({error.strerror})") from None

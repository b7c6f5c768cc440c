"""Decoding of video files: frames at a constant rate, one after the other."""

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

from rcl.system.errors import InputError
from rcl.system.paths import PathLike, check_is_file
from rcl.video.stream import FrameStream, native_rate, unusable, video_stream

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
            native = native_rate(video_stream(container, self.path))
        self._rate = native if rate is None else _exact(rate)
        self.rate = float(self._rate)
        self.duration_seconds = 0.0
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[Tensor]:
        self.duration_seconds, self.problems = 0.0, []
        with _opened(self.path) as container:
            decoding = FrameStream(container, video_stream(container, self.path), threads=self.threads)
            shown = _shown_by(self.transform)
            ticks, frame, until = 0, None, Fraction(0)
            for frame, until in decoding.spans():
                count = self._ticks_before(until) - ticks
                if count > 0:
                    yield from repeat(shown(frame), count)
                    ticks += count
            if frame is None:
                raise unusable(self.path, found="a video of which no frame can be decoded")
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
            raise unusable(path, found="an empty file") from None
        raise unusable(path, found=f"one that cannot be opened ({error.strerror})") from None


# -- decoding ----------------------------------------------------------------------------------------------------

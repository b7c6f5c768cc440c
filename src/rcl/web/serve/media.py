"""What a page shows of a video file besides playing it: thumbnails, the waveform, and what its header states."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from rcl.system.errors import InputError
from rcl.video.decoding import opened
from rcl.video.stream import native_rate, start_of, video_stream

HEIGHT = 48  # pixels of a thumbnail
MOST_THUMBNAILS, MOST_PEAKS, LONGEST_SOUND = 32, 2000, 600.0  # in one request; the last in seconds
KEY_FRAMES_FROM = 2.0  # seconds between thumbnails from which the nearest key frames before them do
CACHE_BYTES = 2**26


class Header(NamedTuple):
    """What the header of a video states.

    Args:
        duration_seconds: ``None`` if it is not stated.
        frames_per_second: on average.
        has_sound: whether there is a sound track.
    """

    duration_seconds: float | None = None
    frames_per_second: float | None = None
    has_sound: bool = False


def read_header(path: Path) -> Header:
    """What the header of a video states; nothing if it cannot be read."""
    try:
        with opened(path) as container:
            rate = float(native_rate(container, video_stream(container, path)))
            duration = container.duration / av.time_base if container.duration else None
            return Header(duration, rate, bool(container.streams.audio))
    except InputError:
        return Header()


def thumbnails(path: Path, times_seconds: Sequence[float]) -> bytes:
    """A JPEG of the frames at these times, which ascend, side by side; black where there is none.

    Raises:
        InputError: the file cannot be read.
    """
    with opened(path) as container:
        stream = video_stream(container, path)
        stream.codec_context.thread_count = 1  # the page is still used while this runs
        origin = start_of(container, stream) or Fraction(0)
        wanted = [seconds + float(origin) for seconds in times_seconds]
        apart = min((after - before for before, after in pairwise(wanted)), default=0.0)
        frames = _key_frames if apart >= KEY_FRAMES_FROM else _frames
        images = [_thumbnail(frame) for frame in frames(container, stream, wanted)]
    images += images[-1:] * (len(wanted) - len(images))
    shape = images[0].shape if images else (HEIGHT, HEIGHT, 3)
    fitting = [image for image in images if image.shape == shape]
    whole = np.concatenate(fitting or [np.zeros(shape, np.uint8)] * len(wanted), axis=1)
    return cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()


def _key_frames(container: InputContainer, stream: VideoStream, times_seconds: Sequence[float]) -> Iterator[VideoFrame]:
    """The last key frame before each time: a seek each, however long the video is."""
    stream.codec_context.skip_frame = "NONKEY"
    for seconds in times_seconds:
        if frame := next(_decoded_from(container, stream, seconds), None):
            yield frame


def _frames(container: InputContainer, stream: VideoStream, times_seconds: Sequence[float]) -> Iterator[VideoFrame]:
    """The first frame that is shown at or after each time, in one pass."""
    unit, left = float(stream.time_base or 1), deque(times_seconds)
    for frame in _decoded_from(container, stream, times_seconds[0]):
        while left and (frame.pts is None or (frame.pts + 0.5) * unit >= left[0]):
            left.popleft()
            yield frame
        if not left:
            return


def _decoded_from(container: InputContainer, stream: VideoStream, seconds: float) -> Iterator[VideoFrame]:
    """Frames from the last key frame before a time on, as far as they can be decoded."""
    try:
        container.seek(int(seconds / float(stream.time_base or 1)), stream=stream)
        yield from container.decode(stream)
    except (av.FFmpegError, IndexError):
        return


def _thumbnail(frame: VideoFrame) -> np.ndarray:
    """A frame ``(HEIGHT, w, 3)`` uint8, upright, in the order blue, green, red."""
    quarters = round(frame.rotation / 90) % 4  # anticlockwise
    shown = (frame.width, frame.height) if quarters % 2 else (frame.height, frame.width)
    scale = HEIGHT / shown[0]
    width, height = (max(round(side * scale), 1) for side in (frame.width, frame.height))
    pixels = frame.reformat(width=width, height=height, format="bgr24").to_ndarray()
    return np.rot90(pixels, quarters) if quarters else pixels


def peaks(path: Path, start_seconds: float, end_seconds: float, count: int) -> bytes:
    """The loudest sample of each of ``count`` equal parts of an interval, a byte each; none without sound.

    Raises:
        InputError: the file cannot be read.
    """
    loudest = np.zeros(count, dtype=np.float32)
    with opened(path) as container:
        if not container.streams.audio:
            return b""
        stream = container.streams.audio[0]
        unit, origin = float(stream.time_base or 1), (container.start_time or 0) / av.time_base
        resampler = av.AudioResampler(format="flt", layout="mono", rate=8000)
        try:
            container.seek(int((start_seconds + origin) / unit), stream=stream)
            for frame in container.decode(stream):
                at = float(frame.pts or 0) * unit - origin
                if at >= end_seconds:
                    break
                for part in resampler.resample(frame):
                    _raise_to(loudest, part.to_ndarray()[0], at - start_seconds, end_seconds - start_seconds)
        except (av.FFmpegError, IndexError):
            pass  # what could be decoded is shown
    return (np.clip(loudest, 0, 1) * 255).astype(np.uint8).tobytes()


def _raise_to(loudest: np.ndarray, samples: np.ndarray, first_seconds: float, span_seconds: float) -> None:
    """Raise the parts of an interval in place to samples ``(n,)`` that begin ``first_seconds`` after its start."""
    at = (first_seconds + np.arange(len(samples)) / 8000) * len(loudest) / span_seconds
    inside = (at >= 0) & (at < len(loudest))
    np.maximum.at(loudest, at[inside].astype(int), np.abs(samples[inside]))


class Media:
    """Thumbnails and waveforms; the latest ones are kept in memory, and one is made at a time.

    Args:
        most_bytes: what is kept at most.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[Any, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def thumbnails(self, path: Path, start_seconds: float, end_seconds: float, count: int) -> bytes:
        """A JPEG of ``count`` frames side by side, in the middles of equal parts of an interval.

        Raises:
            InputError: the file cannot be read, or the interval or count makes no sense.
        """
        _check_parts(path, start_seconds, end_seconds, math.inf, count, MOST_THUMBNAILS)
        length = (end_seconds - start_seconds) / count
        times = [start_seconds + (number + 0.5) * length for number in range(count)]
        return self._get(("thumbnails", path, *times), lambda: thumbnails(path, times))

    def waveform(self, path: Path, start_seconds: float, end_seconds: float, count: int) -> bytes:
        """What :func:`peaks` returns.

        Raises:
            InputError: the file cannot be read, or the interval or count makes no sense.
        """
        _check_parts(path, start_seconds, end_seconds, LONGEST_SOUND, count, MOST_PEAKS)
        wanted = (path, start_seconds, end_seconds, count)
        return self._get(("waveform", *wanted), lambda: peaks(*wanted))

    def _get(self, key: Any, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._most:
                self._kept.popitem(last=False)
            return self._kept[key]


def _check_parts(path: Path, start: float, end: float, longest: float, count: int, most: int) -> None:
    """Check that an interval in seconds and its number of parts make sense."""
    if not 0 <= start < end < math.inf or end - start > longest:
        expected, found = f"an interval from 0 on of at most {longest:g} s", f"{start:g} to {end:g}"
        raise InputError(path, expected=expected, found=found, fix="ask for another one")
    if not 1 <= count <= most:
        raise InputError(path, expected=f"1 to {most} parts", found=str(count), fix="ask for fewer")

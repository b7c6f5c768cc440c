"""Recordings that are played picture by picture, as a watched source gives them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from rcl.detector.live.sources.parts import Picture
from rcl.video.decoding import opened
from rcl.video.stream import FrameStream, video_stream
from rendered import render

RATE = 12  # pictures per second
FOLDER = TemporaryDirectory(prefix="rcl-played-")  # removed when the process ends


@cache
def recording(frames: int) -> Path:
    """A recording that ends after so many pictures. Each is coded by itself, so longer ones begin with the same."""
    path = Path(FOLDER.name) / f"{frames}.mov"
    return render(path, frames=frames, rate=RATE, width=32, height=32, codec="mjpeg", pixel_format="yuvj420p")


def pictures(path: Path) -> Iterator[Picture]:
    """The pictures of a recording."""
    with opened(path) as container:
        for frame, until in FrameStream(container, video_stream(container, path), threads=1).spans():
            yield Picture(frame, until)


def again_and_again(seconds: float, *, dropped: int = 0) -> Iterator[Picture]:
    """The pictures of a recording over and over, ten per second; after each one that comes, so many were dropped."""
    shown = [picture.frame for picture in pictures(recording(60))]
    for number in range(int(seconds * 10 / (1 + dropped))):
        yield Picture(shown[number % 60], Fraction((number + 1) * (1 + dropped), 10), dropped)

"""Decoded frames as upright pictures: for the eye, as pixels; for an encoder, in an even size."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from rcl.system.errors import InputError
from rcl.video.decoding import opened
from rcl.video.stream import FrameStream, video_stream

Draw: TypeAlias = Callable[[np.ndarray, float], np.ndarray]
"""Draws on ``(H, W, 3)`` uint8 RGB at a time in seconds, and returns a picture, which may be larger."""
PIXELS = "yuv420p"
"""The format of pixels that every player decodes. It needs even sides."""


class PictureMaker:
    """Turns frames into upright pictures for an encoder, all of the size of the first, with even sides.

    Args:
        draw: applied to each picture; without it, pictures of files without a rotation keep their pixels as they are.

    Attributes:
        lies_on_its_side: whether the frames are turned by a quarter, so that their pixels are, too.
    """

    def __init__(self, draw: Draw | None = None) -> None:
        self.draw = draw
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self.lies_on_its_side = False

    def __call__(self, frame: VideoFrame, seconds: float) -> VideoFrame:
        """The picture of a frame that is shown at a time in seconds."""
        size = self._size = self._size or (frame.width, frame.height)
        self.lies_on_its_side = quarters_of(frame) % 2 == 1
        if quarters_of(frame) == 0 and self.draw is None:
            width, height = (side - side % 2 or 2 for side in size)
            return self._reformatter.reformat(frame, width, height, format=PIXELS, dst_color_range="MPEG", threads=1)
        pixels = upright_pixels(frame, self._reformatter, size)
        drawn = self.draw(pixels, seconds) if self.draw else pixels
        height, width = (side - side % 2 or 2 for side in drawn.shape[:2])
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(drawn[:height, :width]), format="rgb24")
        return self._reformatter.reformat(
            picture, format=PIXELS, dst_colorspace=frame.colorspace, dst_color_range="MPEG", threads=1
        )


def quarters_of(frame: VideoFrame) -> int:
    """Quarter turns anticlockwise by which players turn a frame."""
    return round(frame.rotation / 90) % 4


def upright_pixels(
    frame: VideoFrame, reformatter: VideoReformatter | None = None, size: tuple[int, int] | None = None
) -> np.ndarray:
    """The pixels ``(H, W, 3)`` uint8 RGB of a frame, turned as players do.

    Args:
        frame: as decoded.
        reformatter: to be used for all frames of a file.
        size: width and height before the turn; by default its own.
    """
    width, height = size or (frame.width, frame.height)
    rgb = (reformatter or VideoReformatter()).reformat(frame, width=width, height=height, format="rgb24", threads=1)
    pixels, quarters = rgb.to_ndarray(), quarters_of(frame)
    return np.ascontiguousarray(np.rot90(pixels, quarters)) if quarters else pixels


def picture_at(path: Path, seconds: float, *, width: int) -> np.ndarray:
    """What is on the screen at a time: ``(h, width, 3)`` uint8 RGB, of square pixels.

    Args:
        path: the video.
        seconds: of the time that players show.
        width: of the result; it keeps the proportions.

    Raises:
        InputError: the file cannot be opened, or no frame of it can be decoded at that time.
    """
    with opened(path) as container:
        stream = video_stream(container, path)
        aspect = float(stream.sample_aspect_ratio or 1)
        time = Fraction(max(seconds, 0)).limit_denominator(10**6)
        found = next(FrameStream(container, stream, threads=1).spans_from(time), None)
    if found is None:
        raise nothing_to_see(path, seconds)
    pixels = upright_pixels(found[0])
    if quarters_of(found[0]) % 2:
        aspect = 1 / aspect
    height = max(round(width * pixels.shape[0] / (pixels.shape[1] * aspect)), 1)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def nothing_to_see(path: Path, seconds: float) -> InputError:
    """The error for a time at which a video has no picture."""
    fix = "check that the segments are of this video, and their unit"
    return InputError(path, expected=f"a picture at {seconds:.2f} s", found="none", fix=fix)

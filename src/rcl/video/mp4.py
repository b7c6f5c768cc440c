"""Writing MP4: H.264 in the times of its pictures, at a constant or variable rate, and AAC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

import av
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from rcl.video.sound import SoundFormat

CLOCK = 90_000
"""Ticks per second of the pictures' time stamps."""
_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0"}  # without B-frames, the last one keeps its length


class Picture(NamedTuple):
    """A picture of even size in ``yuv420p``, and when it is shown, in seconds from the start of the file."""

    frame: VideoFrame
    start_seconds: Fraction
    end_seconds: Fraction


class Sound(NamedTuple):
    """The format of a sound track, and its frames, stamped in samples from the start of the file."""

    format: SoundFormat
    frames: Iterator[av.AudioFrame]


def write_mp4(
    file: BinaryIO,
    pictures: Iterable[Picture],
    *,
    rate: Fraction,
    aspect: Fraction,
    sound: Sound | None = None,
    comment: str = "",
) -> None:
    """Encode pictures as they come.

    Args:
        file: open for writing, at its start.
        pictures: at least one, in order, all of one size.
        rate: frames per second, about; the times of the pictures decide.
        aspect: width of a pixel over its height.
        sound: the sound track.
        comment: kept in the file.
    """
    first, others = _peeked(pictures)
    with av.open(file, "w", format="mp4") as container:
        container.metadata["comment"] = comment
        video = _add_video(container, first.frame, rate, aspect)
        track = None
        if sound is not None:
            track = container.add_stream("aac", rate=sound.format.rate, layout=sound.format.layout)
        waiting = _Waiting(container, track, sound)
        last = -1
        for picture in chain([first], others):
            last = max(round(picture.start_seconds * CLOCK), last + 1)
            _encode(container, video, picture, last)
            waiting.write_until(picture.end_seconds)
        container.mux(video.encode(None))
        waiting.finish()


def _peeked(pictures: Iterable[Picture]) -> tuple[Picture, Iterator[Picture]]:
    iterator = iter(pictures)
    return next(iterator), iterator


def _add_video(container: OutputContainer, frame: VideoFrame, rate: Fraction, aspect: Fraction) -> VideoStream:
    stream = container.add_stream("libx264", rate=rate, options=_OPTIONS)
    stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, CLOCK)
    context.sample_aspect_ratio = aspect
    context.flags |= Flags.frame_duration  # of the last picture, too, which may stay for long
    context.colorspace, context.color_range = frame.colorspace, frame.color_range
    context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
    return stream


def _encode(container: OutputContainer, stream: VideoStream, picture: Picture, stamp: int) -> None:
    frame = picture.frame
    frame.pts, frame.time_base = stamp, Fraction(1, CLOCK)
    frame.duration = max(round(picture.end_seconds * CLOCK) - stamp, 1)
    frame.pict_type = PictureType.NONE  # the encoder chooses, and not the file that the frame comes from
    container.mux(stream.encode(frame))


class _Waiting:
    """The frames of a sound track, written next to the pictures of the same time."""

    def __init__(self, container: OutputContainer, track: Any, sound: Sound | None) -> None:
        self.container, self.track = container, track
        self.frames = iter(()) if sound is None else sound.frames
        self.next: av.AudioFrame | None = next(self.frames, None)

    def write_until(self, seconds: Fraction) -> None:
        while self.next is not None and self._start_seconds(self.next) < seconds:
            self.container.mux(self.track.encode(self.next))
            self.next = next(self.frames, None)

    def _start_seconds(self, frame: av.AudioFrame) -> Fraction:
        return (frame.pts or 0) * (frame.time_base or Fraction(1))

    def finish(self) -> None:
        while self.next is not None:
            self.container.mux(self.track.encode(self.next))
            self.next = next(self.frames, None)
        if self.track is not None:
            self.container.mux(self.track.encode(None))

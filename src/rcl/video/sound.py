"""The sound of a part of a video."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer

from rcl.video.decoding import opened
from rcl.video.stream import start_of, video_stream

_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # samples per second that AAC has
_LAYOUTS = ("mono", "stereo", "5.1", "7.1")
_LEAD_SECONDS = 1  # decoders need some packets before the first sample is right


class SoundFormat(NamedTuple):
    """Samples per second, and the layout of the channels, as FFmpeg names it."""

    rate: int
    layout: str


def sound_format(path: Path) -> SoundFormat | None:
    """The format in which :func:`sound_between` gives the sound of a video; ``None`` if it has none to be decoded.

    Raises:
        InputError: the file cannot be opened.
    """
    with opened(path) as container:
        stream = container.streams.best("audio")
        if stream is None or stream.codec_context is None or not stream.codec_context.sample_rate:
            return None
        context = stream.codec_context
        rate = context.sample_rate if context.sample_rate in _RATES else 48000
        layout = context.layout.name if context.layout.name in _LAYOUTS else "stereo"
        return SoundFormat(rate, layout)


def sound_between(path: Path, start: Fraction, end: Fraction, kind: SoundFormat) -> Iterator[av.AudioFrame]:
    """The sound between two times of a video, in frames whose time stamps count samples from ``start`` on.

    What cannot be decoded is left out.

    Args:
        path: the video.
        start: in seconds of the time that players show.
        end: likewise.
        kind: of the result.

    Raises:
        InputError: the file cannot be opened.
    """
    with opened(path) as container:
        stream = container.streams.best("audio")
        if stream is None:
            return
        avi = container.format.name == "avi"
        origin = Fraction(0) if avi else start_of(container, video_stream(container, path)) or Fraction(0)
        _seek(container, stream, start + origin - _LEAD_SECONDS)
        resampler = av.AudioResampler(format="fltp", layout=kind.layout, rate=kind.rate)
        for frame in _decoded(container, stream):
            time = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base - origin
            if time is None or time >= end:
                if time is not None:
                    break
                continue
            for part in resampler.resample(frame):
                if part.pts is None:
                    continue
                first = part.pts * (part.time_base or Fraction(1, kind.rate)) - origin - start
                if cut := _cut(part, round(first * kind.rate), round((end - start) * kind.rate), kind):
                    yield cut


def _seek(container: InputContainer, stream: av.AudioStream, seconds: Fraction) -> None:
    """Go to a place before a time, or stay at the start of a file that cannot be sought."""
    if seconds <= 0 or not stream.time_base:
        return
    try:
        container.seek(int(seconds / stream.time_base), stream=stream)
    except av.FFmpegError:
        return


def _decoded(container: InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError, IndexError):  # the last is PyAV's where streams appear midway
            return
        try:
            yield from stream.decode(packet)
        except av.FFmpegError:
            continue


def _cut(frame: av.AudioFrame, first: int, count: int, kind: SoundFormat) -> av.AudioFrame | None:
    """Those samples of a frame that are among ``count`` ones, if it begins at the sample ``first``."""
    samples = frame.to_ndarray()  # (channels, S)
    skipped = max(-first, 0)
    kept = samples[:, skipped : max(count - first, 0)]
    if not kept.shape[1]:
        return None
    cut = av.AudioFrame.from_ndarray(kept.copy(), format="fltp", layout=kind.layout)
    cut.sample_rate, cut.pts, cut.time_base = kind.rate, first + skipped, Fraction(1, kind.rate)
    return cut

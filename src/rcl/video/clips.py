"""Cutting segments out of videos: exactly, by encoding them again, or at key frames, by copying them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import av

from rcl.system.errors import InputError, describe_error
from rcl.system.text_files import write_file
from rcl.video.clip_copy import copied_extension, copy_packets
from rcl.video.decoding import opened
from rcl.video.mp4 import Picture, Sound, write_mp4
from rcl.video.pictures import Draw, PictureMaker, nothing_to_see
from rcl.video.sound import sound_between, sound_format
from rcl.video.stream import FrameStream, native_rate, unusable, video_stream

KEY = "made_by"
MADE_BY = "rcl clips"
_SHOWN_FROM = "shown_from_seconds"
LATEST_SECONDS = 10.0**7


@dataclass(frozen=True)
class Cut:
    """A part of a video to be made into a file.

    Args:
        source: the file of the video.
        start_seconds: of the time that players show.
        end_seconds: likewise; the end of the video may come first.
        about: what is in it and how it is made: the comment in the file, by which a later run knows that it is done.
        copy: copy the encoded pictures, from the key frame before the start on.
        draw: draws on every picture; not with ``copy``.
    """

    source: Path
    start_seconds: float
    end_seconds: float
    about: dict[str, Any]
    copy: bool = False
    draw: Draw | None = None


class Made(NamedTuple):
    """A file with a part of a video.

    Args:
        path: of the file.
        start_seconds: of the time in the video that its first picture shows.
        end_seconds: of its last moment.
        is_new: whether it was made now; otherwise an earlier run has made the same.
    """

    path: Path
    start_seconds: float
    end_seconds: float
    is_new: bool


def make(cut: Cut, folder: Path, name: str, *, overwrite: bool = False) -> Made:
    """Write the file of a cut, completely or not at all, unless an earlier run has made the same.

    Args:
        cut: what to write.
        folder: for the file; created if it does not exist.
        name: of the file, without extension.
        overwrite: replace a file that this function has not made.

    Raises:
        InputError: the video cannot be read, has no picture at that time, or the file exists and is another one.
    """
    path = folder / f"{name}{copied_extension(cut.source) if cut.copy else '.mp4'}"
    about = {KEY: MADE_BY, **cut.about}
    if path.exists():
        before = read_about(path)
        if before is not None and {key: value for key, value in before.items() if key != _SHOWN_FROM} == about:
            return _described(path, before, is_new=False)
        if before is None and not overwrite:
            found, fix = "another file", "choose another folder, or add --overwrite"
            raise InputError(path, expected="a new file, or a clip of rcl clips", found=found, fix=fix)
    write = _copied if cut.copy else _encoded
    try:
        write_file(path, lambda file: write(cut, file, about))
    except InputError:
        raise
    except (av.FFmpegError, ValueError) as error:  # PyAV's word for codecs that a container cannot hold
        found = f"one of which this part cannot be {'copied' if cut.copy else 'encoded'} ({describe_error(error)})"
        raise unusable(cut.source, found=found) from None
    return _described(path, read_about(path) or {}, is_new=True)


def read_about(path: Path, *, made_by: str = MADE_BY) -> dict[str, Any] | None:
    """What a file says about itself, if :func:`make`, or another writer of clips, has made it; ``None`` if not."""
    try:
        with opened(path) as container:
            metadata = {key.lower(): value for key, value in container.metadata.items()}
        about = json.loads(metadata.get("comment", ""))
    except (InputError, ValueError):
        return None
    return about if isinstance(about, dict) and about.get(KEY) == made_by else None


def _described(path: Path, about: dict[str, Any], *, is_new: bool) -> Made:
    start = float(about.get(_SHOWN_FROM, 0.0))
    with opened(path) as container:
        seconds = (container.duration or 0) / av.time_base
    return Made(path, start, start + seconds, is_new)


def _comment(about: dict[str, Any], shown_from: Fraction) -> str:
    return json.dumps({**about, _SHOWN_FROM: round(float(shown_from), 6)}, ensure_ascii=False)


# -- writing -----------------------------------------------------------------------------------------------------


def _encoded(cut: Cut, file: BinaryIO, about: dict[str, Any]) -> None:
    start, end = _exact(cut.start_seconds), _exact(cut.end_seconds)
    with opened(cut.source) as container:
        stream = video_stream(container, cut.source)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        maker = PictureMaker(cut.draw)
        pictures = _pictures(FrameStream(container, stream, threads=0), start, end, maker)
        first = next(pictures, None)
        if first is None:
            raise nothing_to_see(cut.source, cut.start_seconds)
        kind = sound_format(cut.source)
        write_mp4(
            file,
            chain([first], pictures),
            rate=native_rate(container, stream),
            aspect=1 / aspect if maker.lies_on_its_side else aspect,
            sound=Sound(kind, sound_between(cut.source, start, end, kind)) if kind else None,
            comment=_comment(about, start),
        )


def _pictures(frames: FrameStream, start: Fraction, end: Fraction, maker: PictureMaker) -> Iterator[Picture]:
    """The pictures between two times; the first is the one on the screen at ``start``."""
    for frame, appears, leaves in frames.spans_from(start):
        if appears >= end and appears > start:
            return
        until = max(min(leaves, end), appears)
        yield Picture(maker(frame, float(appears)), appears - start, until - start)


def _copied(cut: Cut, file: BinaryIO, about: dict[str, Any]) -> None:
    start, end = _exact(cut.start_seconds), _exact(cut.end_seconds)
    copy_packets(cut.source, start, end, file, comment=lambda key: _comment(about, key))


def _exact(seconds: float) -> Fraction:
    """To the microsecond; an infinite time is later than any video lasts."""
    return Fraction(max(min(seconds, LATEST_SECONDS), 0)).limit_denominator(10**6)

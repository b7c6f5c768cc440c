"""Cutting clips out of the packets of a ring: without encoding where a container can hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.video.frame import VideoFrame

from rcl.detector.live.clips.packet_ring import Held, PacketRing, Run, copied_track
from rcl.system.errors import InputError, describe_error
from rcl.system.text_files import write_file
from rcl.video.clip_copy import copy_packets, packets_until, write_packet
from rcl.video.clock import with_next
from rcl.video.mp4 import Picture, write_mp4
from rcl.video.pictures import PictureMaker
from rcl.video.stream import DEFAULT_RATE, unusable

_FORMATS = {".mp4": "mp4", ".mkv": "matroska"}
"""By extension, the best first."""
_CANNOT_HOLD = (ValueError, av.FFmpegError)  # PyAV's words for codecs that a container refuses

Comment = Callable[[Fraction], str]
"""From the second of the part at which a clip begins to what is kept in its file."""


def cut(
    ring: PacketRing, part: int, start: Fraction, end: Fraction, stem: Path, *, comment: Comment
) -> tuple[Path, Fraction]:
    """Write a clip, completely or not at all, from the key frame before its start on.

    Args:
        ring: recent packets.
        part: number of the part.
        start: in seconds of the part; if that is no longer held, the clip begins later.
        end: likewise.
        stem: path of the clip without its extension, which depends on what the codec allows.
        comment: what is kept in the file.

    Returns:
        The file, and the second of the part at which it begins.

    Raises:
        InputError: nothing of that time is held, or the file cannot be written.
    """
    chosen = from_key_frame(ring.packets(part), start, end)
    key = chosen[0].seconds or Fraction(0)
    for extension, format in _FORMATS.items():
        path = stem.with_name(stem.name + extension)
        try:
            write_file(path, partial(_copy, chosen, key, end, format, comment(key)))
        except InputError:
            raise
        except _CANNOT_HOLD:
            continue
        return path, key
    path = stem.with_name(f"{stem.name}.mp4")
    try:
        write_file(path, partial(_encode, chosen, key, end, comment(key)))
    except InputError:
        raise
    except _CANNOT_HOLD as error:
        found = f"packets that can be neither copied nor encoded again ({describe_error(error)})"
        raise InputError(path, expected="a clip", found=found, fix="watch the source in another codec") from None
    return path, key


def cut_file(source: Path, start: Fraction, end: Fraction, stem: Path, *, comment: Comment) -> tuple[Path, Fraction]:
    """The same out of a file, complete or not.

    Raises:
        InputError: the file has no key frame there, cannot be copied, or the clip cannot be written.
    """
    begins, problem = [start], ""

    def noted(key: Fraction) -> str:
        begins.append(key)
        return comment(key)

    for extension, format in _FORMATS.items():
        path = stem.with_name(stem.name + extension)
        try:
            write_file(path, partial(copy_packets, source, start, end, comment=noted, format=format))
        except InputError:
            raise
        except _CANNOT_HOLD as error:
            problem = describe_error(error)
        else:
            return path, begins[-1]
    raise unusable(source, found=f"one that cannot be copied ({problem})")


def from_key_frame(held: Sequence[Held], start: Fraction, end: Fraction) -> list[Held]:
    """The packets of a part from the last key frame before a time on, or from the first one after it.

    Only those that one decoder can read: of the same streams as the first.

    Raises:
        InputError: there is no key frame before ``end``.
    """
    keys = [
        (number, each.seconds)
        for number, each in enumerate(held)
        if each.is_key and each.is_of_video and each.seconds is not None and each.seconds < end
    ]
    if not keys:
        where = f"clip from {float(start):.2f} to {float(end):.2f} s"
        fix = "make clips sooner after the event, or keep more recent packets"
        raise InputError(where, expected="a key frame that is still in memory", found="none", fix=fix)
    first = next((number for number, seconds in reversed(keys) if seconds <= start), keys[0][0])
    key, run = held[first].seconds or Fraction(0), held[first].run
    return [each for each in held[first:] if (each.seconds or 0) >= key and _is_alike(each.run, run)]


def _is_alike(run: Run, other: Run) -> bool:
    return run is other or _parameters(run) == _parameters(other)


def _parameters(run: Run) -> list[tuple[Any, ...]]:
    contexts = [(index, track.codec_context) for index, track in sorted(run.tracks.items())]
    return [
        (index, each.name, each.extradata, getattr(each, "width", 0), getattr(each, "height", 0))
        for index, each in contexts
    ]


def _copy(chosen: Sequence[Held], key: Fraction, end: Fraction, format: str, comment: str, file: BinaryIO) -> None:
    tracks = chosen[0].run.tracks
    with av.open(file, "w", format=format) as output:
        output.metadata["comment"] = comment
        streams = {track.index: copied_track(output, track) for track in tracks.values()}
        packets = (each.packet() for each in chosen)
        for packet in packets_until(end, packets, Fraction(0), len(tracks)):
            write_packet(output, packet, streams, key)


# -- encoding again ----------------------------------------------------------------------------------------------


def _encode(chosen: Sequence[Held], key: Fraction, end: Fraction, comment: str, file: BinaryIO) -> None:
    """The same without sound, for codecs that no common container holds."""
    context = chosen[0].run.tracks[chosen[0].stream_index].codec_context
    pictures = _pictures(_decoded(chosen), key, end)
    first = next(pictures, None)
    if first is None:
        raise ValueError("no picture can be decoded")
    aspect = Fraction(getattr(context, "sample_aspect_ratio", None) or 1)
    write_mp4(file, chain([first], pictures), rate=DEFAULT_RATE, aspect=aspect, comment=comment)


def _decoded(chosen: Sequence[Held]) -> Iterator[tuple[VideoFrame, Fraction]]:
    """The pictures with their times, in seconds of the part."""
    first = chosen[0]
    like: Any = first.run.tracks[first.stream_index].codec_context
    decoder: Any = av.CodecContext.create(like.codec.name, "r")
    decoder.extradata, decoder.width, decoder.height = like.extradata, like.width, like.height
    if like.codec.name == "rawvideo":
        decoder.pix_fmt = like.pix_fmt
    packets = [each.packet() for each in chosen if each.is_of_video]
    for packet in (*packets, None):
        for frame in decoder.decode(packet):
            if frame.pts is not None:
                yield frame, frame.pts * first.time_base


def _pictures(frames: Iterator[tuple[VideoFrame, Fraction]], key: Fraction, end: Fraction) -> Iterator[Picture]:
    maker, step = PictureMaker(None), 1 / DEFAULT_RATE
    for (frame, start), following in with_next(frames):
        if start >= end:
            return
        leaves = min(following[1] if following else start + step, end)
        yield Picture(maker(frame, float(start)), start - key, max(leaves, start) - key)

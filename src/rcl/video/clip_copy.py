"""Copying a part of a video without encoding it again: fast and without loss, but only from a key frame on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from rcl.system.errors import InputError
from rcl.video.decoding import opened
from rcl.video.stream import RAW_FORMATS, SEEK_EARLIER_SECONDS, start_of, unusable, video_stream

_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}
"""By extension: formats of which a copy keeps it, since they hold a comment; copies of others are Matroska."""
_TS_WRAPS = 2**33  # ticks
_LATEST_SOUND_SECONDS = 2  # by which sound may be stored after the pictures of its time


def copied_extension(source: Path) -> str:
    """The extension of a copy of a video.

    >>> copied_extension(Path("a.M4V")), copied_extension(Path("a.mts"))
    ('.mp4', '.mkv')
    """
    extension = source.suffix.lower()
    return ".mp4" if extension == ".m4v" else extension if extension in _FORMATS else ".mkv"


def copy_packets(
    source: Path,
    start: Fraction,
    end: Fraction,
    file: BinaryIO,
    *,
    comment: Callable[[Fraction], str],
    format: str | None = None,
) -> None:
    """Copy pictures and sound from the last key frame before a time on, or from the first one of the file.

    Args:
        source: the video.
        start: in seconds of the time that players show.
        end: likewise; pictures that are stored before it are copied, and those shown before these.
        file: open for writing, at its start.
        comment: from the time of the key frame to what is kept in the file.
        format: of FFmpeg; by default that of :func:`copied_extension`.

    Raises:
        InputError: the video cannot be opened or sought, or has no key frame before ``end``.
    """
    with opened(source) as container:
        stream = video_stream(container, source)
        sound = container.streams.best("audio")
        chosen = [each for each in (stream, sound) if each is not None]
        packets, key = _from_key_frame(container, stream, chosen, start, source)
        kind = format or _FORMATS[copied_extension(source)]
        with av.open(file, "w", format=kind) as output:
            output.metadata["comment"] = comment(key)
            tracks = {each.index: output.add_stream_from_template(each) for each in chosen}
            origin = _origin(container, stream)
            copied = 0
            for packet in packets_until(end, packets, origin, len(chosen)):
                if (_time(packet, origin) or 0) >= key:  # those before need pictures before the key frame
                    write_packet(output, packet, tracks, origin + key)
                    copied += 1
            if not copied:
                raise _not_sought(source)


def packets_until(end: Fraction, packets: Iterable[Any], origin: Fraction, streams: int) -> Iterator[Any]:
    """The packets that are stored before a time, and those that are stored later but shown before one of these.

    Args:
        end: in seconds.
        packets: in the order in which they are stored.
        origin: the second on their clock from which times count.
        streams: how many there are.
    """
    latest, finished = dict[int, Fraction](), set[int]()
    for packet in packets:
        time, index = _time(packet, origin), packet.stream.index
        if time is None:
            continue
        stored = time if packet.dts is None else packet.dts * packet.time_base - origin
        if stored < end:
            latest[index] = max(time, latest.get(index, time))
            yield packet
        elif time < latest.get(index, Fraction(0)):
            yield packet
        elif stored > latest.get(index, Fraction(0)):
            finished.add(index)
            if len(finished) == streams or stored > end + _LATEST_SOUND_SECONDS:
                return


def write_packet(output: Any, packet: Any, tracks: dict[int, Any], shift: Fraction) -> None:
    """Write a packet to the track of its stream, earlier by so many seconds."""
    ticks = round(shift / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts - ticks
    packet.dts = None if packet.dts is None else packet.dts - ticks
    packet.stream = tracks[packet.stream.index]
    output.mux(packet)


def _from_key_frame(
    container: InputContainer, stream: VideoStream, chosen: list[Any], start: Fraction, source: Path
) -> tuple[Iterator[Any], Fraction]:
    """Packets from a place in the file on, and the time of the last key frame before ``start``, else of the first."""
    if container.format.name in RAW_FORMATS or stream.time_base is None:
        raise _not_sought(source)
    origin = _origin(container, stream)
    for earlier in (*SEEK_EARLIER_SECONDS, None):
        target = Fraction(0) if earlier is None else max(start - earlier, Fraction(0))
        try:
            if earlier is None and container.format.name == "mpegts":  # where the first key frame cannot be sought
                container.seek(0, unsupported_byte_offset=True)
            else:
                container.seek(int((target + origin) / stream.time_base), stream=stream)
        except av.FFmpegError:
            continue
        packets = _unwrapped(container, chosen, origin)
        held, key = _last_key_frame(packets, stream.index, start, origin, or_first=earlier is None)
        if key is not None:
            return chain(held, packets), key
    raise _not_sought(source)


def _last_key_frame(
    packets: Iterator[Any], index: int, start: Fraction, origin: Fraction, *, or_first: bool
) -> tuple[list[Any], Fraction | None]:
    """The packets up to ``start``, and the time of the last key frame among them, or of the first one of the file."""
    held = list[Any]()
    key: Fraction | None = None
    for packet in packets:
        time = _time(packet, origin) if packet.stream.index == index else None
        if time is not None and packet.is_keyframe and (time <= start or (key is None and or_first)):
            key = time
            held = [each for each in held if each.stream.index != index and (_time(each, origin) or 0) >= time]
        held.append(packet)
        if time is not None and time > start and (packet.is_keyframe or (key is None and not or_first)):
            break
    return held, key


def _unwrapped(container: InputContainer, chosen: list[Any], origin: Fraction) -> Iterator[Any]:
    """Packets of which those before time 0 have negative stamps, also in MPEG-TS, where these are very large."""
    for packet in container.demux(chosen):
        if container.format.name == "mpegts" and (_time(packet, origin) or 0) > _TS_WRAPS / 2 * packet.time_base:
            packet.pts = None if packet.pts is None else packet.pts - _TS_WRAPS
            packet.dts = None if packet.dts is None else packet.dts - _TS_WRAPS
        yield packet


def _origin(container: InputContainer, stream: VideoStream) -> Fraction:
    return Fraction(0) if container.format.name == "avi" else start_of(container, stream) or Fraction(0)


def _time(packet: Any, origin: Fraction) -> Fraction | None:
    """When a packet is shown, in seconds; for AVI, when it is stored. Empty ones end a stream."""
    stamp = packet.dts if packet.pts is None else packet.pts
    return None if stamp is None or not packet.size else stamp * packet.time_base - origin


def _not_sought(source: Path) -> InputError:
    error = unusable(source, found="a file in which no key frame can be found")
    return InputError(source, expected=error.expected, found=error.found, fix="leave --copy out")

"""Reading files while they are being written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer

from rcl.detector.live.sources.clocks import Clock
from rcl.system.errors import InputError
from rcl.video.stream import unusable

IDLE_SECONDS = 30.0
POLL_SECONDS = 0.2
_BOXES = (b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"styp", b"sidx", b"pnot")
_MP4_EXTENSIONS = (".mp4", ".m4v", ".mov", ".3gp")
_FIRST_BYTES = 16  # of a file, which tell whether it is an MP4


class GrowingFile:
    """A file for FFmpeg to read from its start, which waits at the end for more bytes.

    The file has ended when ``is_over`` says so, or a stop is asked for.

    Args:
        path: of the file.
        clock: of the feed.
        stop: set when a stop is asked for.
        is_over: asked with the seconds for which nothing has come.

    Attributes:
        was_idle: whether reading ended because nothing came.
    """

    def __init__(self, path: Path, *, clock: Clock, stop: threading.Event, is_over: Callable[[float], bool]) -> None:
        self.path, self.name = path, path.name  # PyAV guesses the format by the name
        self._clock, self._stop, self._is_over = clock, stop, is_over
        self._file: BinaryIO = path.open("rb", buffering=0)
        self._grew_at = clock.monotonic()

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none at the end."""
        while not self._stop.is_set():
            idle_seconds = self._clock.monotonic() - self._grew_at
            is_over = self._is_over(idle_seconds)
            if data := self._file.read(size):  # after the question: the last bytes come before the end
                self._grew_at = self._clock.monotonic()
                return data
            if is_over:
                break
            self._clock.wait(self._stop, POLL_SECONDS)
        return b""

    def close(self) -> None:
        """Close the file; PyAV does not, if it cannot open it."""
        self._file.close()


def open_growing(file: GrowingFile) -> InputContainer:
    """A file that is being written, opened by FFmpeg; it is read once, from its start.

    Raises:
        InputError: FFmpeg cannot read what is there.
    """
    try:
        return av.open(file, "r", metadata_errors="ignore", container_options={"protocol_whitelist": ""})
    except (OSError, av.FFmpegError) as error:
        file.close()
        raise unusable(file.path, found=f"a file that cannot be opened ({error.strerror})") from None


def is_readable_from_start(path: Path) -> bool:
    """Whether a file can be read while it grows: not an MP4 whose index comes after its pictures.

    ``False`` also for such a file that is complete.
    """
    with path.open("rb") as file:
        for kind in boxes(file):
            if kind == b"moov":
                return True
            if kind == b"mdat":
                return False
    return True


def has_index(path: Path) -> bool:
    """Whether a file is no MP4, or one that is complete or can be read from its start."""
    with path.open("rb") as file:
        kinds = boxes(file)
        has_begun = file.seek(0, 2) >= _FIRST_BYTES
    if not kinds:
        return has_begun or path.suffix.lower() not in _MP4_EXTENSIONS
    return b"moov" in kinds


def wait_for_index(path: Path, *, clock: Clock, stop: threading.Event, is_over: Callable[[float], bool]) -> None:
    """Wait until an MP4 has the index without which it cannot be read; no longer than until a stop is asked for.

    Raises:
        InputError: the file is over before, see :class:`GrowingFile`, or cannot be read.
    """
    size, grew_at = -1, 0.0
    try:
        while not stop.is_set() and not has_index(path):
            if size != (size := path.stat().st_size):
                grew_at = clock.monotonic()
            if is_over(clock.monotonic() - grew_at):
                raise unusable(path, found="an MP4 without its index")
            clock.wait(stop, POLL_SECONDS)
    except OSError as error:
        raise unusable(path, found=f"one that cannot be read ({error.strerror})") from None


def boxes(file: BinaryIO) -> list[bytes]:
    """The kinds of the outermost boxes of an MP4 or MOV, in order, up to the end; an index only if it is whole."""
    size, found = file.seek(0, 2), list[bytes]()
    place = 0
    while place + 8 <= size:
        file.seek(place)
        head = file.read(16)
        kind, length = head[4:8], int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if not found and kind not in _BOXES:
            return []
        found.append(kind)
        if length < 8 or (kind == b"moov" and place + length > size):
            if kind == b"moov":
                found.pop()
            break  # up to the end of the file, so far
        place += length
    return found


def check_can_grow(path: Path) -> None:
    """Check that a file can be read while it is being written.

    Raises:
        InputError: it is an MP4 without its index.
    """
    with path.open("rb") as file:
        kinds = boxes(file)
    if b"mdat" in kinds and b"moov" not in kinds:
        raise InputError(
            path,
            expected="a file that can be read while it is being written",
            found="an MP4 whose index comes last, and is not there yet",
            fix="record .ts, .mkv or a fragmented MP4, or wait until the recording has ended",
        )

"""Opening addresses and devices, what is said if that fails, and when to try again."""

from __future__ import annotations

import random
from collections.abc import Callable
from errno import EACCES, EBUSY, ECONNREFUSED, EHOSTUNREACH, EIO, ENETUNREACH, ENODEV, ENOENT, EPERM, ETIMEDOUT

import av
from av.container import InputContainer

from rcl.detector.live.sources.source import Source, without_secrets
from rcl.system.errors import InputError

OPEN_SECONDS = 15.0
READ_SECONDS = 10.0
PLAYLIST_READ_SECONDS = 45.0  # between two files of a playlist

_WORDS = {
    ECONNREFUSED: "the connection was refused",
    EHOSTUNREACH: "the host cannot be reached",
    ENETUNREACH: "the network cannot be reached",
    ETIMEDOUT: "the host does not answer",
    ENOENT: "there is no such device",
    ENODEV: "there is no such device",
    EBUSY: "another program uses the device",
    EACCES: "access was denied",
    EPERM: "access was denied",
}
_WORDS_OF_TYPES: tuple[tuple[type[BaseException], str], ...] = (
    (av.error.HTTPUnauthorizedError, "the user or password is wrong (401)"),
    (av.error.HTTPForbiddenError, "access was denied (403)"),
    (av.error.HTTPNotFoundError, "there is nothing at this address (404)"),
    (av.error.InvalidDataError, "what comes is no video"),
    (av.error.EOFError, "the stream ended"),
    (av.error.HTTPServerError, "the server has a fault (5xx)"),
)


def open_address(source: Source, *, open_seconds: float = OPEN_SECONDS, read_seconds: float = 0.0) -> InputContainer:
    """An address or device, opened by FFmpeg.

    Args:
        source: of the kind ``address``.
        open_seconds: how long to wait for the first data.
        read_seconds: how long to wait for more; 0 for what suits the kind of stream.

    Raises:
        InputError: FFmpeg does not know the protocol, the format or an option.
        av.FFmpegError: it cannot be opened now.
    """
    is_playlist = without_secrets(source.place).removesuffix("?…").endswith((".m3u8", ".mpd"))
    read_seconds = read_seconds or (PLAYLIST_READ_SECONDS if is_playlist else READ_SECONDS)
    try:
        return _open(source, dict(source.options), (open_seconds, read_seconds))
    except av.error.ProtocolNotFoundError:
        scheme = source.place.partition("://")[0]
        expected, fix = "an address that FFmpeg opens", "check it, or use rtsp, http, udp or rtmp"
        raise InputError(source.shown, expected=expected, found=f"the protocol {scheme!r}", fix=fix) from None
    except av.error.OptionNotFoundError:
        expected, fix = "options of FFmpeg for this kind of address", "check --input-option"
        raise InputError(source.shown, expected=expected, found="an unknown one", fix=fix) from None
    except ValueError as error:
        if isinstance(error, av.FFmpegError):
            raise
        expected, fix = "a format of FFmpeg", "check --input-format"
        raise InputError(source.shown, expected=expected, found=repr(source.format), fix=fix) from None


def _open(source: Source, options: dict[str, str], timeout: tuple[float, float]) -> InputContainer:
    def opened() -> InputContainer:
        return av.open(
            source.place,
            format=source.format,
            container_options=options,
            metadata_errors="ignore",
            timeout=timeout,
        )

    container = opened()
    if container.format.name == "mpjpeg" and "use_wallclock_as_timestamps" not in options:
        container.close()  # pictures of such cameras come without times; FFmpeg would take 25 a second for granted
        options["use_wallclock_as_timestamps"] = "1"
        container = opened()
    return container


def described(error: av.FFmpegError, *, was_open: bool) -> str:
    """Why an address cannot be opened, or read any more, in words, without the address.

    Args:
        error: that FFmpeg raised.
        was_open: whether it could be opened.
    """
    if isinstance(error, av.error.ExitError):
        return "nothing came for too long"
    if error.errno == EIO:
        return "the stream broke off" if was_open else "the host is unknown, does not answer, or sends no video"
    for kind, words in _WORDS_OF_TYPES:
        if isinstance(error, kind):
            return words
    return _WORDS.get(error.errno or 0, without_secrets(error.strerror or type(error).__name__))


class BackOff:
    """How long to wait before the next try: doubling, with some chance, and short again after a time of success.

    Args:
        first_seconds: before the second try.
        longest_seconds: between later ones.
        success_seconds: after so long a connection, the next wait is a short one.
        chance: a number from 0 to 1, by which many sources do not all try at once.
    """

    def __init__(
        self,
        *,
        first_seconds: float = 0.5,
        longest_seconds: float = 30.0,
        success_seconds: float = 60.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.first_seconds, self.longest_seconds, self.success_seconds = first_seconds, longest_seconds, success_seconds
        self._chance = chance
        self._next = first_seconds

    def wait_seconds(self, connected_seconds: float = 0.0) -> float:
        """How long to wait now.

        Args:
            connected_seconds: how long the connection lasted that has ended; 0 if there was none.
        """
        if connected_seconds >= self.success_seconds:
            self._next = self.first_seconds
        waits, self._next = self._next, min(self._next * 2, self.longest_seconds)
        return min(waits * (0.75 + 0.5 * self._chance()), self.longest_seconds)

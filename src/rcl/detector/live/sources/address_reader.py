"""Reading an address or a device, for ever: what is received cannot be read again."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer

from rcl.detector.live.sources.addresses import OPEN_SECONDS, BackOff, described, open_address
from rcl.detector.live.sources.parts import Item, PartBegins, PartEnds
from rcl.detector.live.sources.reading import Place, Reading, log
from rcl.detector.live.sources.stillness import Stillness
from rcl.system.errors import InputError
from rcl.video.live_spans import LiveSpans, live_spans

LONGEST_GAP = Fraction(2)
"""Seconds between two pictures; after more, a new part begins."""
BLIND_SECONDS = 20.0  # of data without a picture, after which a new connection is tried


class _Blind(Exception):
    """Data come, but no picture can be decoded."""


class AddressReader:
    """The pictures of an address or a device, in parts without a gap. It connects again whenever the source goes away.

    Args:
        reading: what to work with.
        open_seconds: how long to wait for the first data of a connection.
        read_seconds: how long to wait for more; 0 for what suits the kind of stream.
        back_off: how long to wait before the next try.
        reconnect: whether to connect again when a connection has ended, and not only until there is a first one.
        resume: an earlier place; the next part gets the next number.
    """

    def __init__(
        self,
        reading: Reading,
        *,
        open_seconds: float = OPEN_SECONDS,
        read_seconds: float = 0.0,
        back_off: BackOff | None = None,
        reconnect: bool = True,
        resume: dict[str, Any] | None = None,
    ) -> None:
        self.reading = reading
        self.open_seconds, self.read_seconds = open_seconds, read_seconds
        self._back_off, self._reconnects = back_off or BackOff(), reconnect
        self._number = int((resume or {}).get("part", 0))  # of the newest part
        self._is_open = False  # whether this part goes on
        self._why = "" if resume is None else "the watch was started again"
        self._away_since: float | None = None
        self._was_connected = False

    def check(self) -> None:
        """Nothing: an address that does not answer now may do so later."""

    def items(self) -> Generator[Item | Place, None, None]:
        """Yield parts until a stop is asked for, or the only connection has ended.

        Raises:
            InputError: the address is one that FFmpeg can never open.
        """
        reading, counts = self.reading, self.reading.counts
        while not reading.stop.is_set():
            connected_at = None
            try:
                with self._opened() as container:
                    connected_at = reading.clock.monotonic()
                    counts.reconnections += self._was_connected
                    counts.is_connected = self._was_connected = True
                    why = yield from self._connection(container)
            except av.FFmpegError as error:
                why = described(error, was_open=False)
            counts.is_connected = False
            if reading.stop.is_set():
                return
            connected_seconds = 0.0 if connected_at is None else reading.clock.monotonic() - connected_at
            if self._was_connected and not self._reconnects:
                yield from self._end_part(why)
                log.warning("%s: %s; it is not connected again", reading.source.name, why)
                return
            self._say_away(why)
            yield from self._end_part(why)
            reading.clock.wait(reading.stop, self._back_off.wait_seconds(connected_seconds))

    def _opened(self) -> InputContainer:
        return open_address(self.reading.source, open_seconds=self.open_seconds, read_seconds=self.read_seconds)

    def _connection(self, container: InputContainer) -> Generator[Item | Place, None, str]:
        """Yield what one connection gives; its value is why it ended."""
        clock = self.reading.clock
        seen_at = clock.monotonic()

        def check_sight(packet: av.Packet[Any]) -> None:
            if clock.monotonic() - seen_at > BLIND_SECONDS:
                raise _Blind

        try:
            frames = self.reading.frames_of(container, playlists=True, on_packet=check_sight)
        except InputError:
            return "it sends no video"
        try:
            for stretch in live_spans(frames, LONGEST_GAP):
                if self._is_open:
                    yield from self._end_part(_jump(stretch.jump_seconds), frames.take_defects())
                for item in self._stretch(stretch, frames.origin):
                    yield item
                    seen_at = clock.monotonic()
        except _Blind:
            return f"no picture could be decoded for {BLIND_SECONDS:g} s"
        if self.reading.stop.is_set():
            return ""
        why = "the stream ended" if frames.error is None else described(frames.error, was_open=True)
        yield from self._end_part(why, frames.take_defects())
        return why

    def _stretch(self, stretch: LiveSpans, origin: Fraction) -> Iterator[Item | Place]:
        reading, still = self.reading, Stillness()
        for frame, until in stretch.spans:
            if not self._is_open:
                self._say_back()
                self._number, self._is_open = self._number + 1, True
                reading.begin_part(self._number, origin + stretch.begins)
                yield Place({"part": self._number})
                yield PartBegins(self._number, reading.clock.now(), self._why)
            self._note_stillness(still.is_frozen(frame, until))
            yield reading.picture(frame, until)

    def _end_part(self, why: str, problems: list[str] | None = None) -> Iterator[Item]:
        if self._is_open:
            self._is_open, self._why = False, why
            self.reading.counts.gaps += 1
            yield PartEnds(why, tuple(problems or ()))

    def _note_stillness(self, is_frozen: bool) -> None:
        counts, source = self.reading.counts, self.reading.source
        if is_frozen and not counts.is_frozen:
            log.warning("%s: the picture has not changed at all for some time; is the camera frozen?", source.name)
        elif counts.is_frozen and not is_frozen:
            log.warning("%s: the picture changes again", source.name)
        counts.is_frozen = is_frozen

    def _say_away(self, why: str) -> None:
        counts, source = self.reading.counts, self.reading.source
        if self._away_since is None:
            self._away_since = counts.last_picture_at
            log.warning("%s: %s (%s); trying again", source.name, why, source.shown)
        elif why != counts.problem:
            log.warning("%s: %s", source.name, why)
        counts.problem = why

    def _say_back(self) -> None:
        if self._away_since is not None:
            counts = self.reading.counts
            seconds = self.reading.clock.monotonic() - self._away_since
            log.warning("%s: is back; it was away for %.1f s", self.reading.source.name, seconds)
            self._why = f"the source was away for {seconds:.1f} s"
            self._away_since, counts.problem = None, ""


def _jump(seconds: Fraction) -> str:
    way = "forward" if seconds > 0 else "back"
    return f"the time stamps jumped {way} by {abs(float(seconds)):.1f} s"

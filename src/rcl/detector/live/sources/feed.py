"""The pictures of a watched source, as they come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from rcl.detector.live.clips.packet_ring import PacketRing
from rcl.detector.live.clips.ring_clips import Comment, cut, cut_file
from rcl.detector.live.sources.address_reader import AddressReader
from rcl.detector.live.sources.addresses import OPEN_SECONDS, BackOff
from rcl.detector.live.sources.clocks import Clock
from rcl.detector.live.sources.counts import FeedCounts
from rcl.detector.live.sources.file_reader import FileReader
from rcl.detector.live.sources.folder_reader import FolderReader
from rcl.detector.live.sources.growing_file import IDLE_SECONDS
from rcl.detector.live.sources.interrupting import forget, interrupt
from rcl.detector.live.sources.parts import Item, Picture
from rcl.detector.live.sources.picture_queue import PictureQueue
from rcl.detector.live.sources.reading import Place, Reading
from rcl.detector.live.sources.source import Source

STOP_SECONDS = 20.0  # a host name may be looked up for so long, which cannot be interrupted


class Feed:
    """The pictures of a source in parts, read by a thread of its own; to be iterated once, by one thread.

    An address is read for ever: it is connected again whenever it goes away, and pictures are dropped where the work
    falls behind. A file ends. A folder of segments is read until ``stop``. Files and folders wait for the work.

    Args:
        source: what is read.
        resume: what :meth:`position` gave before: of a file or folder, the part that was read then is given again from
            its start, with the same number; of an address, the next part gets the next number.
        begin: of a folder, ``start`` with its first segment, or ``now``: without the segments that are complete.
        idle_seconds: after so long without a byte, a file or segment is complete.
        open_seconds: how long to wait for an address.
        read_seconds: how long to wait for more from an address; 0 for what suits the kind of stream.
        item_seconds: after so long without an item comes ``Idle``.
        ring: keeps recent packets for :meth:`cut`; ``None`` for none.
        threads: decoding threads; each delays pictures by one.
        clock: time and waiting.
        back_off: how long to wait before an address is tried again.
        reconnect: whether an address is connected again; otherwise the feed ends with its first connection.
        queue: between the threads; by default of a second of pictures and 64 MB.

    Attributes:
        counts: how the feed fares.

    Raises:
        InputError: there is no such file or folder, or it cannot be read while it is written.
    """

    def __init__(
        self,
        source: Source,
        *,
        resume: dict[str, Any] | None = None,
        begin: Literal["start", "now"] = "start",
        idle_seconds: float = IDLE_SECONDS,
        open_seconds: float = OPEN_SECONDS,
        read_seconds: float = 0.0,
        item_seconds: float = 0.5,
        ring: PacketRing | None = None,
        threads: int = 1,
        clock: Clock | None = None,
        back_off: BackOff | None = None,
        reconnect: bool = True,
        queue: PictureQueue[Place] | None = None,
    ) -> None:
        self.source, self.item_seconds = source, item_seconds
        self.clock = clock or Clock()
        self.counts = FeedCounts(last_picture_at=self.clock.monotonic())
        self._reading = Reading(source, self.clock, self.counts, ring, threads)
        self._queue = queue or PictureQueue[Place](self.clock, drops=source.kind == "address")
        self._position = dict(resume or {})
        self._reader: AddressReader | FileReader | FolderReader
        if source.kind == "file":
            self._reader = FileReader(self._reading, idle_seconds=idle_seconds, resume=resume)
        elif source.kind == "folder":
            self._reader = FolderReader(self._reading, idle_seconds=idle_seconds, begin=begin, resume=resume)
        else:
            self._reader = AddressReader(
                self._reading,
                open_seconds=open_seconds,
                read_seconds=read_seconds,
                back_off=back_off,
                reconnect=reconnect,
                resume=resume,
            )
        self._reader.check()
        self._thread = threading.Thread(target=self._read, name=f"feed {source.name}", daemon=True)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items as they come, until the source ends or a stop is asked for.

        Raises:
            InputError: the source can never be read.
        """
        if self._thread.ident is None and not self._reading.stop.is_set():
            self._thread.start()
        while (item := self._queue.get(self.item_seconds)) is not None:
            if isinstance(item, Place):
                self._position = item.values
            else:
                yield item

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """End the reading and the iteration, from any thread; whether the thread of the reading has ended.

        Args:
            seconds: how long to wait for that at most.
        """
        self._reading.stop.set()
        self._queue.close()
        if self._thread.ident is None:
            return True
        interrupt(self._thread)
        self._thread.join(seconds)
        if not self._thread.is_alive():
            forget(self._thread)
        return not self._thread.is_alive()

    def position(self) -> dict[str, Any]:
        """From where a later feed can go on after all items that were given: plain values that JSON holds."""
        return dict(self._position)

    @property
    def seconds_since_picture(self) -> float:
        """Since the last picture was decoded, or since the start."""
        return self.clock.monotonic() - self.counts.last_picture_at

    @property
    def waiting_seconds(self) -> float:
        """How much of the stream waits for the work, in seconds."""
        return self._queue.seconds

    def cut(
        self, part: int, start_seconds: float, end_seconds: float, stem: Path, *, comment: Comment
    ) -> tuple[Path, float]:
        """Write a clip of a part, from the key frame before its start on; without encoding where that is possible.

        Args:
            part: number of the part.
            start_seconds: of the part; if that is no longer in memory, the clip begins later.
            end_seconds: likewise; must have been given.
            stem: path of the clip without its extension.
            comment: from the second at which the clip begins to what is kept in the file.

        Returns:
            The file, and the second of the part at which it begins.

        Raises:
            InputError: nothing of that time is in memory, or the file cannot be written.
        """
        start, end = (Fraction(max(seconds, 0)).limit_denominator(10**6) for seconds in (start_seconds, end_seconds))
        if self.source.kind == "file":
            path, begins = cut_file(Path(self.source.place), start, end, stem, comment=comment)
        else:
            path, begins = cut(self._reading.ring or PacketRing(), part, start, end, stem, comment=comment)
        return path, float(begins)

    def _read(self) -> None:
        """The thread: read until the end."""
        error: BaseException | None = None
        items = self._reader.items()
        try:
            for item in items:
                was_taken = self._queue.put(item)
                if self._reading.stop.is_set():
                    break
                self.counts.frames_dropped += isinstance(item, Picture) and not was_taken
        except Exception as raised:  # told to the one who iterates
            error = None if self._reading.stop.is_set() else raised
        finally:
            items.close()
            self.counts.is_connected = False
            self._queue.finish(error)

"""The queue between the thread that reads a source and the one that works on its pictures."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from av.video.frame import VideoFrame

from rcl.detector.live.sources.clocks import Clock
from rcl.detector.live.sources.parts import Idle, Item, PartBegins, Picture

LONGEST_SECONDS = 1.0  # of pictures that wait
MOST_BYTES = 2**26
FEWEST_PICTURES = 2  # that may wait, however large they are
PATIENCE_SECONDS = 0.1  # between two looks at the clock

Extra = TypeVar("Extra")


class PictureQueue(Generic[Extra]):
    """Items in order, and of pictures no more than a second or 64 MB.

    Where that is full, a file waits. A live source waits too while its pictures come ahead of time, as after opening a
    stream that begins with what was buffered. When they are late, the newest one is dropped: the one before it stays on
    the screen for as long, so no time is lost. A picture is late if it comes more than ``late_seconds`` after its time,
    counted from the last moment at which nothing waited.

    Args:
        clock: of the feed.
        drops: whether pictures are dropped rather than the source waits.
        late_seconds: see above.
        longest_seconds: of pictures that wait.
        most_bytes: of pictures that wait.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        drops: bool,
        late_seconds: float = 1.0,
        longest_seconds: float = LONGEST_SECONDS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.clock, self.drops, self.late_seconds = clock, drops, late_seconds
        self.longest_seconds, self.most_bytes = longest_seconds, most_bytes
        self._items = deque[Item | Extra]()
        self._changed = threading.Condition()
        self._is_closed = self._is_finished = False
        self._error: BaseException | None = None
        self._bytes, self._pictures = 0, 0
        self._on_time: tuple[float, float] | None = None  # a moment, and the second of the part that came then

    def put(self, item: Item | Extra) -> bool:
        """Add an item; whether it was added, and not dropped. After ``close`` nothing is added."""
        with self._changed:
            if isinstance(item, Picture):
                if self._on_time is None or not self._pictures:
                    self._on_time = self.clock.monotonic(), float(item.until)
                while self._is_full() and not self._is_closed:
                    seconds = self._spare_seconds(item)
                    if seconds <= 0 and self._drop(item):
                        return False
                    self._changed.wait(min(seconds, PATIENCE_SECONDS) if seconds > 0 else PATIENCE_SECONDS)
                self._bytes += bytes_of(item.frame)
                self._pictures += 1
            elif isinstance(item, PartBegins):
                self._on_time = None
            if self._is_closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self, idle_seconds: float) -> Item | Extra | None:
        """The next item; ``Idle`` if nothing comes for some time, ``None`` at the end.

        Raises:
            Exception: what ``finish`` was told, after everything else.
        """
        with self._changed:
            if not self._items and not self._is_over():
                self._changed.wait(idle_seconds)
            if self._is_closed:
                return None
            if not self._items:
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error
                return None if self._is_finished else Idle()
            item = self._items.popleft()
            if isinstance(item, Picture):
                self._bytes -= bytes_of(item.frame)
                self._pictures -= 1
            self._changed.notify_all()
            return item

    def finish(self, error: BaseException | None = None) -> None:
        """Say that nothing more will be put, because of an error or not."""
        with self._changed:
            self._is_finished, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Discard what waits, and release all threads that wait."""
        with self._changed:
            self._is_closed = True
            self._items.clear()
            self._changed.notify_all()

    @property
    def seconds(self) -> float:
        """How much of the part waits, in seconds."""
        with self._changed:
            return self._waiting_seconds()

    def _is_over(self) -> bool:
        return self._is_closed or self._is_finished

    def _is_full(self) -> bool:
        if self._pictures < FEWEST_PICTURES:
            return False
        return self._bytes > self.most_bytes or self._waiting_seconds() > self.longest_seconds

    def _waiting_seconds(self) -> float:
        """From the first to the last picture of the newest part that waits."""
        last = first = None
        for item in reversed(self._items):
            if isinstance(item, Picture):
                last, first = last or item, item
            elif last is not None:
                break
        return float(last.until - first.until) if last and first else 0.0

    def _spare_seconds(self, picture: Picture) -> float:
        """How long a picture can still wait without being late."""
        if not self.drops or self._on_time is None:
            return PATIENCE_SECONDS
        moment, second = self._on_time
        return moment + float(picture.until) - second + self.late_seconds - self.clock.monotonic()

    def _drop(self, picture: Picture) -> bool:
        """Let the last picture that waits stay for as long as a new one; not if that is of another part."""
        last = self._items[-1]
        if not isinstance(last, Picture):
            return False
        self._items[-1] = last._replace(until=picture.until, dropped=last.dropped + 1 + picture.dropped)
        return True


def bytes_of(frame: VideoFrame) -> int:
    """The size of a decoded picture in memory."""
    return sum(plane.buffer_size for plane in frame.planes)

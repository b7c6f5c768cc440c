"""Plain lines that tell how far long work is, where no terminal shows a bar."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType

INTERVAL_SECONDS = 30.0  # between two lines; shorter work prints none
LEAST_SHARE = 0.005  # of the work that tells how long the rest takes


def remaining(seconds: float) -> str:
    """A rough duration.

    >>> [remaining(seconds) for seconds in (4, 89, 300, 5400, 200_000)]
    ['10 s', '90 s', '5 min', '90 min', '56 h']
    """
    if seconds < 120:
        return f"{max(round(seconds, -1), 10):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


class ProgressLines:
    """Prints how far the work is, at most once per interval.

    Lines come from :meth:`tick`, or inside a ``with`` statement from a thread, whatever the work does meanwhile.

    >>> now = [0.0]
    >>> lines = ProgressLines("Extracting", print, clock=lambda: now[0])
    >>> lines.show("12 of 200 videos", 0.25)
    >>> now[0] = 100.0
    >>> lines.tick()
    Extracting: 12 of 200 videos, 25 %, about 5 min left

    Args:
        title: of the work.
        write: prints a line.
        interval_seconds: between two lines; by default half a minute.
        clock: the time in seconds.
    """

    def __init__(
        self,
        title: str,
        write: Callable[[str], None],
        *,
        interval_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.title, self.write, self.clock = title, write, clock
        self.interval_seconds = INTERVAL_SECONDS if interval_seconds is None else interval_seconds
        self.what, self.share = "", 0.0
        self._origin = clock(), 0.0
        self._last = clock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, what: str, share: float) -> None:
        """Show how far the work is before it begins, so that the time left is not judged by what was done before."""
        self.show(what, share)
        self._origin = self.clock(), share

    def show(self, what: str, share: float) -> None:
        """Take how far the work is, in words and as a share; the next line says so."""
        self.what, self.share = what, share

    def tick(self) -> None:
        """Print a line if an interval has passed since the last."""
        now = self.clock()
        if now - self._last >= self.interval_seconds and self.what:
            self._last = now
            self.write(self.line())

    def line(self) -> str:
        """The line, without its end."""
        began, share = self._origin
        done = self.share - share
        left = (self.clock() - began) * (1 - self.share) / done if done >= LEAST_SHARE else None
        about = "" if left is None else f", about {remaining(left)} left"
        return f"{self.title}: {self.what}, {100 * self.share:.0f} %{about}"

    def __enter__(self) -> ProgressLines:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads stderr any more
            while not self._ended.wait(max(self._last + self.interval_seconds - self.clock(), 0.01)):
                self.tick()

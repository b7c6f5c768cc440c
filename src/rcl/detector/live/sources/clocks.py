"""The clock that a feed lives by; tests give it another one."""

from __future__ import annotations

import threading
import time


class Clock:
    """Wall time, time that never jumps, and waiting."""

    def now(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from some moment on; never goes back."""
        return time.monotonic()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait, but not longer than until a stop is asked for; whether it is."""
        return stop.wait(seconds)

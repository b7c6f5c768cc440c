"""Ending a call of FFmpeg that waits for an address.

PyAV lets FFmpeg ask, every tenth of a second, whether a time limit has passed, and has no other way to interrupt it.
A thread that is to stop therefore finds that its time has run out: PyAV reads the clock from here. Without this, a stop
would have to wait for the time limit of reading.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import av.container.core

_RACING = 10**6
_stopping = set[int]()


class _Clock:
    """The module ``time``, except that time races for threads that are to stop, also in a call that they begin now."""

    def monotonic(self) -> float:
        return time.monotonic() * (_RACING if threading.get_ident() in _stopping else 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def interrupt(thread: threading.Thread) -> None:
    """Make calls of FFmpeg end that a thread is in, as if their time limit had passed; to be followed by ``forget``."""
    if thread.ident is not None:
        vars(av.container.core)["time"] = _CLOCK
        _stopping.add(thread.ident)


def forget(thread: threading.Thread) -> None:
    """End this for a thread that has ended; a later one may have its number."""
    _stopping.discard(thread.ident or 0)


_CLOCK = _Clock()

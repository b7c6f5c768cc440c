"""How much memory a piece of code takes, whatever the process has taken before."""

from __future__ import annotations

import ctypes
import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROCESS = Path("/proc/self")


def peak_kilobytes() -> int:
    """The highest resident memory of this process, since :func:`forget_the_peak` where the system can forget it."""
    if not (PROCESS / "status").exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = (PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def forget_the_peak() -> None:
    """Give freed memory back to the system and let the peak start again from what is resident now (Linux)."""
    gc.collect()
    if (PROCESS / "clear_refs").exists():
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)  # glibc keeps what was freed
        (PROCESS / "clear_refs").write_text("5")


@contextmanager
def at_most(kilobytes: int) -> Iterator[None]:
    """Fail if the resident memory grows by more than this, also for a moment."""
    forget_the_peak()
    before = peak_kilobytes()
    yield
    assert peak_kilobytes() - before < kilobytes

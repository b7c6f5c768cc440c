"""Waiting for other processes, with limits that a busy machine keeps too."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 300  # until a test gives up; a machine that runs two suites at once is six times as slow

T = TypeVar("T")


def wait_until(condition: Callable[[], T], process: subprocess.Popen | None = None) -> T:
    """The first true value of a condition, which ``process`` brings about: fails where it ends before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return value


def without_progress(notes: str) -> str:
    """What a process said besides how far its training is, which it says where that takes half a minute."""
    return "".join(line for line in notes.splitlines(keepends=True) if not line.startswith("Training: "))

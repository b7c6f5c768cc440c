"""What the machine offers."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

import torch


def usable_cores() -> int:
    """Processor cores that this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def best_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def trim_heap() -> None:
    """Give back what was freed, where the C library keeps it for later (glibc): else its heap frays over hours."""
    if trim := _malloc_trim():
        trim(0)


@cache
def _malloc_trim() -> Any:
    try:
        return getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):  # Windows has no such name for the program itself
        return None

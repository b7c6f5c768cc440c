"""Checks of an array in a file before it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from rcl.system.errors import Defect, listed

Shape = tuple[int, ...]
Head = tuple[Shape, np.dtype]
Part: TypeAlias = tuple[slice, ...]
_AGAIN = "make or copy the file again"
# Features are hardly compressible, but deflate reaches 1000 : 1: what claims more than this, and more than an array of
# nothing may have, would fill the memory.
_MOST_COMPRESSED, _ALWAYS_FINE = 50, 2**26


def check_claim(claimed: int, stored: int) -> None:
    """Refuse a head that promises more bytes than the file can hold, before memory is made for them."""
    if claimed > stored:
        expected = f"the {min(claimed, 10**18):,} bytes that the head of the file promises"
        raise Defect(expected=expected, found=f"room for {stored:,}", fix=_AGAIN)


def check_compressed(claimed: int, stored: int) -> None:
    check_claim(claimed, max(stored * _MOST_COMPRESSED, _ALWAYS_FINE if stored else 0))


def check_same(head: Head, known: Head) -> None:
    """Raise a ``Defect`` where the array of a file is another than when its head was read."""
    if head != known:
        expected, found = (f"{dtype} {shape}" for shape, dtype in (known, head))
        raise Defect(expected=f"{expected} as before", found=found, fix="start again, and leave the file as it is")


def choose_array(names: Sequence[str], video: str | None) -> str:
    """The array of a video among those of a file; a file with one array needs no name."""
    if video in names or len(names) == 1:
        return video if video is not None and video in names else names[0]
    expected = "one array" if video is None else f"one array, or one named {video!r}"
    found = f"{len(names)}: {listed(names)}" if names else "none"
    raise Defect(expected=expected, found=found, fix="save one array per video, named after it")

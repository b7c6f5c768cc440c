"""Checks of an array in a file before it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from rcl.system.errors import Defect, listed

Shape = tuple[int, ...]
Head = tuple[Shape, np.dtype]
Part: TypeAlias = tuple[slice, ...]
COPY_AGAIN = "make or copy the file again"
# Deflate reaches 1000 : 1, but features hardly compress. A larger claim than this would only fill the memory; small
# files may claim some megabytes, as an array of zeros does.
_MOST_COMPRESSED, _ALWAYS_FINE = 50, 2**26


def check_claim(claimed: int, stored: int) -> None:
    """Check, before memory is allocated, that a file can hold the bytes that its head promises.

    Raises:
        Defect: it cannot.
    """
    if claimed > stored:
        expected = f"the {min(claimed, 10**18):,} bytes that the head of the file promises"
        raise Defect(expected=expected, found=f"room for {stored:,}", fix=COPY_AGAIN)


def check_compressed(claimed: int, stored: int) -> None:
    """The same for compressed bytes.

    Raises:
        Defect: they cannot hold so much.
    """
    check_claim(claimed, max(stored * _MOST_COMPRESSED, _ALWAYS_FINE if stored else 0))


def check_same(head: Head, known: Head) -> None:
    """Check that the array of a file is as it was when its head was read.

    Raises:
        Defect: it is not.
    """
    if head != known:
        expected, found = (f"{dtype} {shape}" for shape, dtype in (known, head))
        raise Defect(expected=f"{expected} as before", found=found, fix="start again, and leave the file as it is")


def choose_array(names: Sequence[str], video: str | None) -> str:
    """The name of the array of a video; in a file with one array it is that one.

    Raises:
        Defect: the file has several, and none with that name.
    """
    if video in names or len(names) == 1:
        return video if video is not None and video in names else names[0]
    expected = "one array" if video is None else f"one array, or one named {video!r}"
    found = f"{len(names)}: {listed(names)}" if names else "none"
    raise Defect(expected=expected, found=found, fix="save one array per video, named after it")

"""Arrays in ``.npy`` files, read whole or in parts."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.lib import format as npy

from rcl.data.array_checks import Head, Part, check_claim, check_same
from rcl.system.errors import Defect

_LONGEST_HEAD = 2**16  # bytes; the shape and type of an array take a few dozen


def npy_head(stream: BinaryIO, size: int) -> Head:
    """Shape and type of the array in a stream of ``size`` bytes.

    Raises:
        Defect: the stream is too short for them, or they are Python objects.
    """
    return _npy_layout(stream, size)[0]


def _npy_layout(stream: BinaryIO, size: int) -> tuple[Head, Literal["C", "F"]]:
    """Head and order of a ``.npy``, leaving the stream where the numbers begin; refuses a file that is too short."""
    version = npy.read_magic(stream)
    if version > (1, 0):  # numpy reads a head of any length before it refuses it
        length = int.from_bytes(stream.read(4), "little")
        check_claim(length, _LONGEST_HEAD)
        stream.seek(-4, 1)
    read_head = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, transposed, dtype = read_head(stream)
    if dtype.hasobject:
        fix = "save a plain array of float32 or float16"
        raise Defect(expected="numbers", found="Python objects (a pickle, which could run code)", fix=fix)
    check_claim(math.prod(shape) * dtype.itemsize, size - stream.tell())
    return (shape, dtype), "F" if transposed else "C"


def head_of_npy(path: Path, video: str | None) -> Head:
    """Shape and type of the array; the arguments are those of all formats."""
    with path.open("rb") as stream:
        return npy_head(stream, os.fstat(stream.fileno()).st_size)


def read_npy(path: Path, video: str | None) -> np.ndarray:
    """The whole array."""
    with path.open("rb") as stream:
        npy_head(stream, path.stat().st_size)
        stream.seek(0)
        return npy.read_array(stream, allow_pickle=False)


def map_npy(path: Path, video: str | None, head: Head, part: Part) -> np.ndarray:
    """A part of the array, mapped into memory.

    Raises:
        Defect: the array is not as ``head`` says.
    """
    # Mapped anew for every part, after a look at its length: a mapped file that is cut short ends the process (SIGBUS).
    # A file that is replaced by renaming, as `write_file` does, stays whole for those who have it open.
    with path.open("rb") as stream:
        found, order = _npy_layout(stream, os.fstat(stream.fileno()).st_size)
        check_same(found, head)
        shape, dtype = found
        return np.memmap(stream, dtype, mode="r", offset=stream.tell(), shape=shape, order=order)[part]

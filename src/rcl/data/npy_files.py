"""Arrays in ``.npy`` files, read whole or in parts."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.lib import format as npy

from rcl.data.array_checks import Head, Part, Shape, check_claim, check_same
from rcl.system.errors import Defect

_LONGEST_HEAD = 2**16  # bytes that say the shape and type of a .npy; a few dozen do
_USUAL_HEAD = re.compile(
    rb"\{'descr': '([<>|][fiu][1248])', 'fortran_order': (True|False), 'shape': \((\d{1,18}(?:, \d{1,18})*),?\), \} *\n"
)


def npy_head(stream: BinaryIO, size: int) -> Head:
    return _npy_layout(stream, size)[0]


def _npy_layout(stream: BinaryIO, size: int) -> tuple[Head, Literal["C", "F"]]:
    """Head and order of a ``.npy``; the stream is where the numbers begin, of which there are enough."""
    version = npy.read_magic(stream)
    if version > (1, 0):  # whose heads may be of any length
        length = int.from_bytes(stream.read(4), "little")
        check_claim(length, _LONGEST_HEAD)
        stream.seek(-4, 1)
    shape, transposed, dtype = _usual_head(stream, version) or (
        npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    )(stream)
    if dtype.hasobject:
        fix = "save a plain array of float32 or float16"
        raise Defect(expected="numbers", found="Python objects (a pickle, which could run code)", fix=fix)
    check_claim(math.prod(shape) * dtype.itemsize, size - stream.tell())
    return (shape, dtype), "F" if transposed else "C"


def _usual_head(stream: BinaryIO, version: tuple[int, int]) -> tuple[Shape, bool, np.dtype] | None:
    """The head that numpy writes for an array of numbers, without its parser, which takes most of the time."""
    start = stream.tell()
    length = int.from_bytes(stream.read(2), "little")
    usual = _USUAL_HEAD.fullmatch(stream.read(length)) if version == (1, 0) else None
    if usual is None:
        stream.seek(start)
        return None
    dtype, transposed, shape = usual.groups()
    return tuple(int(number) for number in shape.split(b",") if number), transposed == b"True", np.dtype(dtype.decode())


def head_of_npy(path: Path, video: str | None) -> Head:
    with path.open("rb") as stream:
        return npy_head(stream, os.fstat(stream.fileno()).st_size)


def read_npy(path: Path, video: str | None) -> np.ndarray:
    with path.open("rb") as stream:
        npy_head(stream, path.stat().st_size)
        stream.seek(0)
        return npy.read_array(stream, allow_pickle=False)


def map_npy(path: Path, video: str | None, head: Head, part: Part) -> np.ndarray:
    # Mapped anew for every part: the file was long enough a moment ago. To cut it short in just this moment would end
    # the process (SIGBUS), as would a disk that fails; whoever replaces a file by renaming, as we do, harms nobody.
    with path.open("rb") as stream:
        found, order = _npy_layout(stream, os.fstat(stream.fileno()).st_size)
        check_same(found, head)
        shape, dtype = found
        return np.memmap(stream, dtype, mode="r", offset=stream.tell(), shape=shape, order=order)[part]

"""The formats of feature files, each as an array or, without reading it, as the shape of that array.

Everything here takes a damaged or malicious file for granted: nothing is unpickled, and no memory is made for numbers
that a file promises but does not hold.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias, TypeVar

import h5py
import numpy as np
import torch
from numpy.lib import format as npy

from rcl.system.errors import InputError
from rcl.system.tensor_files import read_tensors
from rcl.system.text_files import Defect, check_is_file, listed, read_text, told

Shape = tuple[int, ...]
Head = tuple[Shape, np.dtype]
Part: TypeAlias = tuple[slice, ...]
Result = TypeVar("Result")

_AGAIN = "make or copy the file again"
# Features are hardly compressible, but deflate reaches 1000 : 1: what claims more than this, and more than an array of
# nothing may have, would fill the memory.
_MOST_COMPRESSED, _ALWAYS_FINE = 50, 2**26
_LONGEST_HEAD = 2**16  # bytes that say the shape and type of a .npy; a few dozen do
_USUAL_HEAD = re.compile(
    rb"\{'descr': '([<>|][fiu][1248])', 'fortran_order': (True|False), 'shape': \((\d{1,18}(?:, \d{1,18})*),?\), \} *\n"
)
_WIDEST = 2**20  # columns of a table; nothing that describes a snippet comes near


def read_array(path: Path, video: str | None) -> np.ndarray:
    """The array of a video, of whatever shape and type it is.

    Raises:
        Defect: the file is damaged, or has no one array for the video.
    """
    return _attempt(lambda: _READERS[path.suffix.lower()](path, video), path)


def read_part(path: Path, video: str | None, head: Head, part: Part) -> np.ndarray:
    """A part of the array of a video, in a file of one of the formats ``IN_PARTS``; nothing else is read.

    It may lie in a file that is mapped into memory: whoever keeps it makes a copy.

    Args:
        path: the file.
        video: as in ``read_array``.
        head: what ``read_shape`` found.
        part: slices of the first axes.

    Raises:
        Defect: as in ``read_array``, or the array is another than it was.
    """
    return _attempt(lambda: _PART_READERS[path.suffix.lower()](path, video, head, part), path)


def read_shape(path: Path, video: str | None) -> Head:
    """Shape and type of the array of a video; only ``.csv`` and ``.pt`` are read for it.

    Raises:
        Defect: as in ``read_array``.
    """
    return _attempt(lambda: _HEADS.get(path.suffix.lower(), _head_by_reading)(path, video), path)


def scan_archive(path: Path) -> dict[str, Head]:
    """Shape and type of every array of an ``.npz`` or HDF5 file.

    Raises:
        Defect: the file is damaged.
    """
    return _attempt(lambda: _scan_npz(path) if path.suffix.lower() == ".npz" else _scan_hdf5(path), path)


def _attempt(read: Callable[[], Result], path: Path) -> Result:
    try:
        check_is_file(path)  # not a pipe, which would keep us waiting
        return read()
    except Defect:
        raise
    except InputError as error:  # whose place lacks the video
        raise Defect(expected=error.expected, found=error.found, fix=error.fix) from None
    except Exception as error:  # damaged bytes make the parsers of these formats raise anything
        found = f"one that cannot be read ({told(error)})"
        raise Defect(expected=f"a complete {path.suffix.lower()} file", found=found, fix=_AGAIN) from error


def _check_claim(claimed: int, stored: int) -> None:
    """Refuse a head that promises more bytes than the file can hold, before memory is made for them."""
    if claimed > stored:
        expected = f"the {min(claimed, 10**18):,} bytes that the head of the file promises"
        raise Defect(expected=expected, found=f"room for {stored:,}", fix=_AGAIN)


def _check_compressed(claimed: int, stored: int) -> None:
    _check_claim(claimed, max(stored * _MOST_COMPRESSED, _ALWAYS_FINE if stored else 0))


def check_same(head: Head, known: Head) -> None:
    """Raise a ``Defect`` where the array of a file is another than when its head was read."""
    if head != known:
        expected, found = (f"{dtype} {shape}" for shape, dtype in (known, head))
        raise Defect(expected=f"{expected} as before", found=found, fix="start again, and leave the file as it is")


def _choose(names: Sequence[str], video: str | None) -> str:
    """The array of a video among those of a file; a file with one array needs no name."""
    if video in names or len(names) == 1:
        return video if video is not None and video in names else names[0]
    expected = "one array" if video is None else f"one array, or one named {video!r}"
    found = f"{len(names)}: {listed(names)}" if names else "none"
    raise Defect(expected=expected, found=found, fix="save one array per video, named after it")


def _npy_head(stream: BinaryIO, size: int) -> Head:
    return _npy_layout(stream, size)[0]


def _npy_layout(stream: BinaryIO, size: int) -> tuple[Head, Literal["C", "F"]]:
    """Head and order of a ``.npy``; the stream is where the numbers begin, of which there are enough."""
    version = npy.read_magic(stream)
    if version > (1, 0):  # whose heads may be of any length
        length = int.from_bytes(stream.read(4), "little")
        _check_claim(length, _LONGEST_HEAD)
        stream.seek(-4, 1)
    shape, transposed, dtype = _usual_head(stream, version) or (
        npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    )(stream)
    if dtype.hasobject:
        fix = "save a plain array of float32 or float16"
        raise Defect(expected="numbers", found="Python objects (a pickle, which could run code)", fix=fix)
    _check_claim(math.prod(shape) * dtype.itemsize, size - stream.tell())
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


def _head_of_npy(path: Path, video: str | None) -> Head:
    with path.open("rb") as stream:
        return _npy_head(stream, os.fstat(stream.fileno()).st_size)


def _read_npy(path: Path, video: str | None) -> np.ndarray:
    with path.open("rb") as stream:
        _npy_head(stream, path.stat().st_size)
        stream.seek(0)
        return npy.read_array(stream, allow_pickle=False)


def _map_npy(path: Path, video: str | None, head: Head, part: Part) -> np.ndarray:
    # Mapped anew for every part: the file was long enough a moment ago. To cut it short in just this moment would end
    # the process (SIGBUS), as would a disk that fails; whoever replaces a file by renaming, as we do, harms nobody.
    with path.open("rb") as stream:
        found, order = _npy_layout(stream, os.fstat(stream.fileno()).st_size)
        check_same(found, head)
        shape, dtype = found
        return np.memmap(stream, dtype, mode="r", offset=stream.tell(), shape=shape, order=order)[part]


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {info.filename.removesuffix(".npy"): info for info in archive.infolist() if not info.is_dir()}


def _npz_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Head:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without a limit
        fix = "save it with numpy.savez or savez_compressed"
        raise Defect(expected="an archive of numpy", found="another compression", fix=fix)
    _check_compressed(info.file_size, info.compress_size)
    with archive.open(info) as stream:
        return _npy_head(stream, info.file_size)  # type: ignore[arg-type]


def _read_npz(path: Path, video: str | None) -> np.ndarray:
    with zipfile.ZipFile(path) as archive:
        members = _members(archive)
        info = members[_choose([*members], video)]
        _npz_head(archive, info)
        with archive.open(info) as stream:
            return npy.read_array(stream, allow_pickle=False)


def _head_of_npz(path: Path, video: str | None) -> Head:
    with zipfile.ZipFile(path) as archive:
        members = _members(archive)
        return _npz_head(archive, members[_choose([*members], video)])


def _scan_npz(path: Path) -> dict[str, Head]:
    with zipfile.ZipFile(path) as archive:
        return {name: _npz_head(archive, info) for name, info in _members(archive).items()}


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return found


def _dataset(file: h5py.File, video: str | None) -> h5py.Dataset:
    named = file.get(video) if video else None
    if isinstance(named, h5py.Dataset):  # without a walk over a file of thousands
        return named
    datasets = _datasets(file)
    return datasets[_choose([*datasets], video)]


def _read_hdf5(path: Path, video: str | None, head: Head | None = None, part: Part = ()) -> np.ndarray:
    with h5py.File(path, "r") as file:
        dataset = _dataset(file, video)
        if head is not None:
            check_same((dataset.shape or (), dataset.dtype), head)
        if dataset.is_virtual or dataset.external or dataset.file.id != file.id:
            found, fix = "a reference to another file", "save the numbers in this one"
            raise Defect(expected="the numbers of the video", found=found, fix=fix)
        _check_compressed(dataset.nbytes, dataset.id.get_storage_size())
        if dataset.shape is None or dataset.dtype.kind not in "fiu":
            return np.empty((), dtype=dataset.dtype)  # which the caller refuses, so nothing needs reading
        return dataset[part]


def _head_of_hdf5(path: Path, video: str | None) -> Head:
    with h5py.File(path, "r") as file:
        dataset = _dataset(file, video)
        return dataset.shape or (), dataset.dtype


def _scan_hdf5(path: Path) -> dict[str, Head]:
    heads: dict[str, Head] = {}
    with h5py.File(path, "r") as file:
        # Below h5py's objects, of which thousands take seconds.
        def visit(name: bytes, info: h5py.h5o.ObjInfo) -> None:
            if info.type == h5py.h5o.TYPE_DATASET:
                dataset = h5py.h5d.open(file.id, name)
                heads[name.decode("utf-8", "surrogateescape")] = dataset.shape, dataset.dtype

        h5py.h5o.visit(file.id, visit, info=True)
    return heads


def _is_header(fields: Sequence[str]) -> bool:
    """Whether a first row names columns: no number at all, or 0, 1, …, 15 or more, as pandas names what has no name."""
    numbers = 0
    for field in fields:
        try:
            float(field)
            numbers += 1
        except ValueError:
            pass
    return numbers == 0 or (len(fields) >= 16 and [*fields] == [str(i) for i in range(len(fields))])


def _read_csv(path: Path, video: str | None) -> np.ndarray:
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if lines and lines[0].count(",") >= _WIDEST:
        found, fix = f"{lines[0].count(',') + 1:,}", "save one row per snippet"
        raise Defect(expected=f"at most {_WIDEST:,} columns", found=found, fix=fix)
    if lines and _is_header([field.strip(' "') for field in lines[0].split(",")]):
        lines = lines[1:]
    if not lines:
        return np.empty((0, 0), dtype=np.float32)
    try:
        return np.loadtxt(lines, delimiter=",", comments=None, ndmin=2, dtype=np.float64)
    except ValueError as error:
        expected = "a row of comma-separated numbers for every snippet"
        found = f"{str(error).split(';')[0].rstrip('.')} (rows counted without the header)"
        raise Defect(expected=expected, found=found, fix="correct that row, or copy the file again") from None


def _read_pt(path: Path, video: str | None) -> np.ndarray:
    fix = "save the features again with torch.save(tensor, path)"
    data = read_tensors(path, expected="a tensor", fix=fix)
    if isinstance(data, Mapping):
        tensors = {str(name): value for name, value in data.items() if isinstance(value, torch.Tensor)}
        data = tensors[_choose([*tensors], video)]
    if not isinstance(data, torch.Tensor) or data.layout != torch.strided:
        found = f"a {getattr(data, 'layout', type(data).__name__)}"
        raise Defect(expected="one dense tensor", found=found, fix=fix)
    return (data.float() if data.dtype == torch.bfloat16 else data).detach().numpy()


def _head_by_reading(path: Path, video: str | None) -> Head:
    array = _READERS[path.suffix.lower()](path, video)
    return array.shape, array.dtype


_READERS: dict[str, Callable[[Path, str | None], np.ndarray]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".pt": _read_pt,
}
_HEADS: dict[str, Callable[[Path, str | None], Head]] = {
    ".npy": _head_of_npy,
    ".npz": _head_of_npz,
    ".h5": _head_of_hdf5,
    ".hdf5": _head_of_hdf5,
}
_PART_READERS: dict[str, Callable[[Path, str | None, Head, Part], np.ndarray]] = {
    ".npy": _map_npy,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
}
EXTENSIONS = tuple(_READERS)
HEADED = tuple(_HEADS)  # the shape is known without reading
IN_PARTS = tuple(_PART_READERS)

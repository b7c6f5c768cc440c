"""The formats of feature files, each as an array or, without reading it, as the shape of that array.

Files may be damaged or malicious: nothing is unpickled, and no memory is allocated for numbers that a file promises but
does not hold.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.lib import format as npy

from rcl.data.array_checks import COPY_AGAIN, Head, Part, check_compressed, choose_array
from rcl.data.hdf5_files import head_of_hdf5, read_hdf5, scan_hdf5
from rcl.data.npy_files import head_of_npy, map_npy, npy_head, read_npy
from rcl.system.errors import Defect, InputError, describe_error
from rcl.system.paths import check_is_file
from rcl.system.text_files import read_text

Result = TypeVar("Result")

_WIDEST = 2**20  # columns of a table, far more than features have


def read_array(path: Path, video: str | None) -> np.ndarray:
    """The array of a video, of any shape and type.

    Raises:
        Defect: the file is damaged, or does not have exactly one array for the video.
    """
    return _attempt(lambda: _READERS[path.suffix.lower()](path, video), path)


def read_part(path: Path, video: str | None, head: Head, part: Part) -> np.ndarray:
    """A part of the array of a video, in a file of one of the formats ``IN_PARTS``; nothing else is read.

    It may be a view of a mapped file: copy it to keep it.

    Args:
        path: the file.
        video: as in ``read_array``.
        head: what ``read_shape`` found.
        part: slices of the first axes.

    Raises:
        Defect: as in ``read_array``, or the array is not as ``head`` says.
    """
    return _attempt(lambda: _PART_READERS[path.suffix.lower()](path, video, head, part), path)


def read_shape(path: Path, video: str | None) -> Head:
    """Shape and type of the array of a video; only ``.csv`` and ``.pt`` have to be read for it.

    Raises:
        Defect: as in ``read_array``.
    """
    return _attempt(lambda: _HEADS.get(path.suffix.lower(), _head_by_reading)(path, video), path)


def scan_archive(path: Path) -> dict[str, Head]:
    """Shape and type of every array of an ``.npz`` or HDF5 file.

    Raises:
        Defect: the file is damaged.
    """
    return _attempt(lambda: _scan_npz(path) if path.suffix.lower() == ".npz" else scan_hdf5(path), path)


def _attempt(read: Callable[[], Result], path: Path) -> Result:
    try:
        check_is_file(path)  # reading a pipe would block
        return read()
    except Defect:
        raise
    except InputError as error:  # the caller's place names the video, too
        raise Defect(expected=error.expected, found=error.found, fix=error.fix) from None
    except Exception as error:  # on damaged bytes, the parsers of these formats raise anything
        found = f"one that cannot be read ({describe_error(error)})"
        raise Defect(expected=f"a complete {path.suffix.lower()} file", found=found, fix=COPY_AGAIN) from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {info.filename.removesuffix(".npy"): info for info in archive.infolist() if not info.is_dir()}


def _npz_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Head:
    if info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):  # for others, Python unpacks without a limit
        fix = "save it with numpy.savez or savez_compressed"
        raise Defect(expected="an archive of numpy", found="another compression", fix=fix)
    check_compressed(info.file_size, info.compress_size)
    with archive.open(info) as stream:
        return npy_head(stream, info.file_size)  # type: ignore[arg-type]


def _read_npz(path: Path, video: str | None) -> np.ndarray:
    with zipfile.ZipFile(path) as archive:
        members = _members(archive)
        info = members[choose_array([*members], video)]
        _npz_head(archive, info)
        with archive.open(info) as stream:
            return npy.read_array(stream, allow_pickle=False)


def _head_of_npz(path: Path, video: str | None) -> Head:
    with zipfile.ZipFile(path) as archive:
        members = _members(archive)
        return _npz_head(archive, members[choose_array([*members], video)])


def _scan_npz(path: Path) -> dict[str, Head]:
    with zipfile.ZipFile(path) as archive:
        return {name: _npz_head(archive, info) for name, info in _members(archive).items()}


def _is_header(fields: Sequence[str]) -> bool:
    """Whether a first row names columns: it has no number, or is 0, 1, …, 15 or more, as pandas numbers columns."""
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
    import torch  # here, since the other formats can be read without it

    from rcl.system.tensor_files import read_tensors

    fix = "save the features again with torch.save(tensor, path)"
    data = read_tensors(path, expected="a tensor", fix=fix)
    if isinstance(data, Mapping):
        tensors = {str(name): value for name, value in data.items() if isinstance(value, torch.Tensor)}
        data = tensors[choose_array([*tensors], video)]
    if not isinstance(data, torch.Tensor) or data.layout != torch.strided:
        found = f"a {getattr(data, 'layout', type(data).__name__)}"
        raise Defect(expected="one dense tensor", found=found, fix=fix)
    return (data.float() if data.dtype == torch.bfloat16 else data).detach().numpy()


def _head_by_reading(path: Path, video: str | None) -> Head:
    array = _READERS[path.suffix.lower()](path, video)
    return array.shape, array.dtype


_READERS: dict[str, Callable[[Path, str | None], np.ndarray]] = {
    ".npy": read_npy,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".pt": _read_pt,
}
_HEADS: dict[str, Callable[[Path, str | None], Head]] = {
    ".npy": head_of_npy,
    ".npz": _head_of_npz,
    ".h5": head_of_hdf5,
    ".hdf5": head_of_hdf5,
}
_PART_READERS: dict[str, Callable[[Path, str | None, Head, Part], np.ndarray]] = {
    ".npy": map_npy,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
}
EXTENSIONS = tuple(_READERS)
HEADED = tuple(_HEADS)  # the shape is known without reading
IN_PARTS = tuple(_PART_READERS)

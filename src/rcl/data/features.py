"""The features of one video: opened, checked, read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from rcl.data.array_checks import Head, Part, Shape, check_same
from rcl.data.feature_files import EXTENSIONS, HEADED, IN_PARTS, read_array, read_part, read_shape
from rcl.system.errors import Defect, InputError, located
from rcl.system.paths import PathLike, check_is_file, is_remote, to_path
from rcl.system.text_files import extension_of
from rcl.system.transfer import local

if TYPE_CHECKING:
    from torch import Tensor


class StoredFeatures:
    """The features of one video in their file: the shape is known, the numbers are read on demand.

    No file is kept open, so there can be thousands of these, and they can be sent to other processes.

    Args:
        path: as in ``open_features``.
        head: shape and type of the array in the file.
        array: the array itself, if it has been read.
        video: the array to take if the file has several by name; also named in messages.
        layout: ``"TC"`` or ``"CT"``.
        channels: the width C that is required.

    Attributes:
        shape: ``(T, C)``.

    Raises:
        InputError: the array cannot be the features of a video.
    """

    def __init__(
        self,
        path: Path,
        head: Head,
        *,
        array: np.ndarray | None = None,
        video: str | None = None,
        layout: str = "TC",
        channels: int | None = None,
    ) -> None:
        self.path, self.video, self.layout = path, video, layout
        self.where = f"{path}, video {video!r}" if video is not None else str(path)
        self._head = head
        with located(self.where):
            self.shape = check_shape(*head, layout, channels)
        self._whole = array  # of a format that cannot be read in parts

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """The features of snippets ``first`` to before ``last``, by default of all.

        Args:
            first: at least 0.
            last: snippets beyond the end are left out.

        Returns:
            ``(last − first, C)`` float32, contiguous, all finite; a copy that the caller may change.

        Raises:
            InputError: the file is damaged or was changed, or holds a number that is not finite.
        """
        snippets, channels = self.shape
        last = end_within(snippets, first, last)
        axis = (self.layout == "CT") + (len(self._head[0]) == 3)
        with located(self.where):
            raw = self._read((slice(None),) * axis + (slice(first, last),))
        rows = last - first
        matrix = raw.reshape((channels, rows)).T if self.layout == "CT" else raw.reshape((rows, channels))  # (n, C)
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite and is reported as that
            features = np.array(matrix, dtype=np.float32, order="C")
        _check_finite(features, self.where, first)
        return features

    def _read(self, part: Part) -> np.ndarray:
        if self._whole is None:
            if self.path.suffix.lower() in IN_PARTS and not is_remote(self.path):
                return read_part(self.path, self.video, self._head, part)
            with local(self.path) as file:
                array = read_array(file, self.video)
            check_same((array.shape, array.dtype), self._head)
            self._whole = array
        return self._whole[part]


def open_features(
    path: PathLike, *, video: str | None = None, layout: str = "TC", channels: int | None = None
) -> StoredFeatures:
    """The features of one video, without reading them.

    ``.npy`` is mapped into memory and HDF5 read by the slice; the other formats are read whole.

    Args:
        path: ``.npy``, ``.npz``, ``.csv`` (comma, header optional), ``.h5`` / ``.hdf5`` or ``.pt``.
        video: the array to take if the file has several by name; also named in messages.
        layout: ``"TC"``, or ``"CT"`` if the file holds the transpose. ``(1, T, C)`` and ``(T, C, 1, 1)`` pass too.
        channels: the width C that is required.

    Raises:
        InputError: the file is missing, damaged, of another kind, or holds something other than such features.
    """
    path = to_path(path)
    check_layout(layout)
    extension_of(path, EXTENSIONS)
    check_is_file(path)
    array = None
    with located(f"{path}, video {video!r}" if video is not None else path):
        if path.suffix.lower() in HEADED and not is_remote(path):
            head = read_shape(path, video)
        else:
            with local(path) as file:
                array = read_array(file, video)
            head = array.shape, array.dtype
    return StoredFeatures(path, head, array=array, video=video, layout=layout, channels=channels)


def read_features(
    path: PathLike, *, video: str | None = None, layout: str = "TC", channels: int | None = None
) -> np.ndarray:
    """Read the features of one video; the arguments are those of ``open_features``.

    Returns:
        ``(T, C)`` float32, contiguous, T and C at least 1, all finite.

    Raises:
        InputError: as in ``open_features``, or a number is not finite.
    """
    return open_features(path, video=video, layout=layout, channels=channels).read()


# -- checks ------------------------------------------------------------------------------------------------------


def check_layout(layout: str) -> None:
    """Raise an ``InputError`` if a layout is neither ``"TC"`` nor ``"CT"``."""
    if layout not in ("TC", "CT"):
        raise InputError("data.layout", expected="TC or CT", found=repr(layout), fix="set one of the two")


def other_layout(layout: str) -> str:
    """The layout of the transposed array."""
    return "CT" if layout == "TC" else "TC"


def propose_transposing(layout: str) -> str:
    """What to do about features that seem to be transposed."""
    return f"set data.layout={other_layout(layout)}"


def check_shape(shape: Shape, dtype: np.dtype, layout: str, channels: int | None) -> tuple[int, int]:
    """``(T, C)`` of a raw array.

    Raises:
        Defect: the array cannot be features, or has another width.
    """
    if dtype.kind not in "fiu":
        raise Defect(expected="real numbers", found=f"the type {dtype}", fix="save the features as float32 or float16")
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    elif len(shape) == 4 and shape[2:] == (1, 1):
        shape = shape[:2]
    if len(shape) != 2:
        raise Defect(
            expected="two dimensions, snippets × channels",
            found=f"the shape {shape}",
            fix="save one vector per snippet (pool over space first)",
        )
    rows, columns = shape if layout == "TC" else shape[::-1]
    if rows < 1 or columns < 1:
        fix = "extract the features of this video again"
        raise Defect(expected="at least one snippet", found=f"0 snippets, (T, C) = {(rows, columns)}", fix=fix)
    if channels not in (None, columns):
        raise Defect(
            expected=f"{channels} channels",
            found=f"{columns}, (T, C) = {(rows, columns)}",
            fix=propose_transposing(layout)
            if rows == channels
            else "use features of one backbone, or correct the width",
        )
    return rows, columns


def _check_finite(features: np.ndarray, where: str, first_snippet: int) -> None:
    finite = np.isfinite(features)  # (T, C)
    if not finite.all():
        first = first_snippet + int(np.flatnonzero(~finite.all(axis=1))[0])
        raise InputError(
            where,
            expected="finite numbers",
            found=f"{int((~finite).sum())} NaN or infinite values, the first in snippet {first}",
            fix="extract the features of this video again",
        )


def end_within(snippets: int, first: int, last: int | None) -> int:
    """Where the read of snippets ``first`` to before ``last`` ends; ``None`` and what lies beyond are the last one.

    Raises:
        ValueError: ``first`` is not from 0 to there.
    """
    end = snippets if last is None else min(last, snippets)
    if not 0 <= first <= end:
        raise ValueError(f"first must be from 0 to {end}, not {first}")
    return end


def ends_of(part: slice, snippets: int) -> tuple[int, int]:
    """First snippet of a slice of so many, and the one after its last.

    Raises:
        ValueError: the slice has a step.
    """
    first, last, step = part.indices(snippets)
    if step != 1:
        raise ValueError(f"the step of a slice must be 1: {part}")
    return first, last


class ReadableFeatures(Protocol):
    """Features ``(T, C)`` of one video that are read on demand: those of a file, or of several that are aligned."""

    where: str
    shape: tuple[int, int]

    def __len__(self) -> int: ...

    def read(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """The snippets ``first`` to before ``last``, ``(last − first, C)`` float32."""


class FeatureSequence:
    """Stored features that are indexed like a tensor ``(C, T)``: a slice is read from the file when it is taken.

    Args:
        stored: the features.
        prepare: what is done to snippets ``(T, C)``, one by one.
        downsample: so many snippets in a row become one, their mean.
    """

    def __init__(self, stored: ReadableFeatures, *, prepare: Callable[[Tensor], Tensor], downsample: int = 1) -> None:
        self.stored = stored
        self.prepare = prepare
        self.downsample = downsample

    @property
    def shape(self) -> tuple[int, int]:
        """``(C, T)``."""
        return self.stored.shape[1], -(-self.stored.shape[0] // self.downsample)

    @property
    def nbytes(self) -> int:
        """Bytes in memory: none."""
        return 0

    def __getitem__(self, key: tuple[slice, slice]) -> Tensor:
        """Snippets ``first`` to before ``last``, as ``sequence[:, first:last]``: ``(C, last − first)``.

        Raises:
            InputError: see :meth:`rcl.data.features.StoredFeatures.read`.
        """
        import torch  # here, since features can be read without it

        from rcl.data.resizing import downsample

        channels, (first, last) = key[0], ends_of(key[1], self.shape[1])
        begin = min(first * self.downsample, len(self.stored))
        stored = self.stored.read(begin, max(first, last) * self.downsample)
        return downsample(self.prepare(torch.from_numpy(stored)).T[channels], self.downsample)


Features: TypeAlias = "Tensor | FeatureSequence"
"""``(C, T)``, in memory or stored."""

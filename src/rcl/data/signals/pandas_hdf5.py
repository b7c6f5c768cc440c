"""Tables that pandas wrote to HDF5 files, in both of its formats, read with h5py; nothing that they pickle is run."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from rcl.system.errors import Defect, describe_error

_SAVE_AGAIN = "save the tracks as .csv"
_TYPES = (b"frame", b"frame_table")


class PandasTable(NamedTuple):
    """A table in an open file.

    Args:
        columns: the names of each column, from the outermost level.
        levels: the names of these levels.
        blocks: arrays that hold the values, each with the places of its columns and whether its rows are columns.
        index: the index, ``(n,)``.
        rows: their number n.
    """

    columns: list[tuple[str, ...]]
    levels: tuple[str, ...]
    blocks: list[tuple[Any, np.ndarray, bool]]
    index: Any
    rows: int

    def read(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Index ``(n,)`` and values ``(n, C)`` float32 of the rows ``[first, last)``."""
        values = np.full((last - first, len(self.columns)), np.nan, dtype=np.float32)
        for array, places, on_side in self.blocks:
            values[:, places] = array[:, first:last].T if on_side else array[first:last]
        return self.index[first:last], values


def table_name(file: h5py.File) -> str | None:
    """The name of the first table of pandas in a file, if there is one."""
    return next((name for name, item in file.items() if item.attrs.get("pandas_type") in _TYPES), None)


def pandas_table(group: h5py.Group) -> PandasTable:
    """The table in a group.

    Raises:
        Defect: it is not complete, or its columns are not plain names.
    """
    try:
        return _of_table(group) if group.attrs["pandas_type"] == b"frame_table" else _of_arrays(group)
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # a part is missing, or is something else
        found = f"a part of one ({describe_error(error)})"
        raise Defect(expected="a complete table of pandas", found=found, fix=_SAVE_AGAIN) from None


def _of_table(group: h5py.Group) -> PandasTable:
    """A table with ``format="table"``: an HDF5 table with a field per block of columns, named in its attributes."""
    table = group["table"]
    columns = [_names(column) for column in _plain(group.attrs["non_index_axes"])[0][1]]
    blocks = []
    for field in [name for name in table.dtype.names or () if name != "index"]:
        if table.dtype[field].base.kind not in "fiub":
            raise Defect(expected="numbers", found=f"text in {field!r}", fix=_SAVE_AGAIN)
        own = [_names(column) for column in _plain(table.attrs[f"{field}_kind"])]
        blocks.append((table.fields(field), np.array([columns.index(column) for column in own]), False))
    described = _plain(group.attrs["info"]) if "info" in group.attrs else {}
    levels = described.get(1, {}).get("names") if isinstance(described, dict) else None
    return PandasTable(columns, _names(levels or ()), blocks, table.fields("index"), len(table))


def _of_arrays(group: h5py.Group) -> PandasTable:
    """A table with ``format="fixed"``: arrays of values, and of the places of their columns' names among all names."""
    columns, levels = _axis(group, "axis0")
    blocks = []
    for number in range(int(group.attrs["nblocks"])):
        own, _ = _axis(group, f"block{number}_items")
        values = group[f"block{number}_values"]
        if values.dtype.kind not in "fiub":
            raise Defect(expected="numbers", found="text or objects", fix=_SAVE_AGAIN)
        places = np.array([columns.index(column) for column in own])
        blocks.append((values, places, not values.attrs.get("transposed", False)))
    return PandasTable(columns, levels, blocks, group["axis1"], len(group["axis1"]))


def _axis(group: h5py.Group, axis: str) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    if f"{axis}_nlevels" not in group.attrs:
        return [_names([name]) for name in group[axis][:].tolist()], ("",)
    count = int(group.attrs[f"{axis}_nlevels"])
    names = [_names(group[f"{axis}_level{level}"][:].tolist()) for level in range(count)]
    places = [group[f"{axis}_label{level}"][:] for level in range(count)]
    columns = [tuple(names[level][place] for level, place in enumerate(each)) for each in zip(*places, strict=True)]
    levels = [group[f"{axis}_level{level}"].attrs.get("name", b"") for level in range(count)]
    return columns, _names(levels)


def _names(names: Sequence[Any] | str) -> tuple[str, ...]:
    parts = names if isinstance(names, list | tuple) else [names]
    return tuple(part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in parts)


class _PlainUnpickler(pickle._Unpickler):  # in Python: no memory for promises
    """Reads lists, tuples, dictionaries, numbers and texts, and refuses everything that names a class or function."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name}")


def _plain(pickled: Any) -> Any:
    try:
        return _PlainUnpickler(io.BytesIO(bytes(pickled))).load()
    except Exception as error:  # damaged ones raise anything
        found = f"something else ({type(error).__name__})"
        raise Defect(expected="columns with plain names", found=found, fix=_SAVE_AGAIN) from None

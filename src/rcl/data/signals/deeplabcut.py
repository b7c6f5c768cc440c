"""Pose tracks of DeepLabCut, of one or several animals: ``.csv`` and ``.h5``.

The header has the levels scorer, individuals (of several animals), bodyparts and coords; a row is a frame. See Mathis
et al., *DeepLabCut: markerless pose estimation of user-defined body parts with deep learning*, Nat. Neuroscience 2018.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from rcl.data.signals.cells import is_number
from rcl.data.signals.cleaning import Rows
from rcl.data.signals.hdf5 import open_hdf5
from rcl.data.signals.pandas_hdf5 import PandasTable, pandas_table, table_name
from rcl.data.signals.pose import COORDINATES, pose_recording
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import BLOCK_BYTES, RecordingOptions
from rcl.data.signals.text_outline import head_of
from rcl.data.signals.text_table import Dialect, TextTable
from rcl.system.errors import Defect, InputError, shown

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_UNIQUE = "single"  # the individual of body parts that only one thing in the picture has, such as corners of a cage


class _Header(NamedTuple):
    """The columns that are read: their places, their names, and the individuals."""

    places: list[int]
    columns: tuple[str, ...]
    individuals: tuple[str, ...]


def _header(levels: Sequence[str], columns: Sequence[Sequence[str]], where: str) -> _Header:
    rows = [dict(zip(levels, column, strict=False)) for column in columns]
    if len({row.get("scorer") for row in rows}) > 1:
        fix = "save the tracks of one network"
        raise InputError(where, expected="tracks of one scorer", found="several", fix=fix)
    owners = [row.get("individuals", _UNIQUE) for row in rows]
    places = [place for place, row in enumerate(rows) if row.get("coords") in COORDINATES]
    if not places:
        found, fix = "none of them in the header", "save the tracks again"
        raise InputError(where, expected="columns x, y and likelihood", found=found, fix=fix)
    names = [(owners[i] if owners[i] != _UNIQUE else "", rows[i]["bodyparts"], rows[i]["coords"]) for i in places]
    individuals = tuple(dict.fromkeys(owner for owner, _, _ in names if owner))
    return _Header(places, tuple("/".join(filter(None, name)) for name in names), individuals)


def _frames(index: np.ndarray, where: str) -> np.ndarray:
    if index.dtype.kind not in "iuf":
        found = f"the name of a picture, {shown(index[0])}: labels for training"
        raise InputError(where, expected="the number of a frame in each row", found=found, fix="give analyzed videos")
    return index.astype(np.float64)


# -- .csv --------------------------------------------------------------------------------------------------------


def is_deeplabcut_csv(lines: Sequence[str]) -> bool:
    """Whether the first lines of a text are the header of DeepLabCut."""
    levels = [line.partition(",")[0] for line in lines[:4]]
    return levels[:1] == ["scorer"] and "bodyparts" in levels and "coords" in levels


def open_deeplabcut_csv(path: Path, options: RecordingOptions) -> OpenRecording:
    """Pose tracks in a ``.csv`` file.

    Raises:
        InputError: the header is damaged, or the rows are no frames.
    """
    lines, encoding = head_of(path)
    above = next(number for number, line in enumerate(lines, 1) if line.startswith("coords"))
    header = [*csv.reader(lines[:above])]
    if len({len(row) for row in header}) > 1:
        fix = "save the tracks again"
        raise InputError(path, expected="as many cells in all rows of the header", found="different ones", fix=fix)
    names = tuple("/".join(column) for column in zip(*header, strict=True))
    dialect = Dialect(encoding, ",", False, above)
    table = TextTable(path=path, dialect=dialect, names=names, units=("",) * len(names), sample=())
    notes = ("the last line is cut short, and left out",) if table.cut_line() else ()
    found = _header([row[0] for row in header], [*zip(*header, strict=True)][1:], str(path))
    first = next(iter(lines[above:]), "").partition(",")[0]
    if first and not is_number(first):
        _frames(np.array([first]), str(path))

    def frames(rate: float) -> Iterator[Rows]:
        for chunk in table.chunks([0, *(place + 1 for place in found.places)], []):
            yield Rows(chunk.first, chunk.numbers[:, 0] / rate, chunk.numbers[:, 1:].astype(np.float32))

    return pose_recording(str(path), found.columns, frames, options, individuals=found.individuals, notes=notes)


# -- .h5 ---------------------------------------------------------------------------------------------------------


def is_deeplabcut_hdf5(file: h5py.File) -> bool:
    """Whether a file holds a table of pandas whose columns are those of DeepLabCut."""
    name = table_name(file)
    try:
        return name is not None and _levels(pandas_table(file[name])) is not None
    except (Defect, KeyError):
        return False


def _levels(table: PandasTable) -> tuple[str, ...] | None:
    """The levels of the columns, which older versions of pandas do not name."""
    if {"bodyparts", "coords"} <= {*table.levels}:
        return table.levels
    unnamed = not any(level.strip("N.") for level in table.levels)
    depth = len(table.columns[0]) if table.columns else 0
    if unnamed and depth in (3, 4) and {column[-1] for column in table.columns} <= {*COORDINATES, "z"}:
        return _LEVELS if depth == 4 else ("scorer", "bodyparts", "coords")
    return None


def open_deeplabcut_hdf5(path: Path, options: RecordingOptions) -> OpenRecording:
    """Pose tracks in an ``.h5`` file.

    Raises:
        InputError: the columns are not those of DeepLabCut, or the rows are no frames.
    """
    with open_hdf5(path) as file:
        name = table_name(file) or ""
        table = pandas_table(file[name])
        found = _header(_levels(table) or (), table.columns, str(path))
        if not table.rows:
            raise InputError(path, expected="a row for each frame", found="none", fix="save the tracks again")
        _frames(table.read(0, 1)[0], str(path))
    step = max(1, BLOCK_BYTES // (8 * len(table.columns)))

    def frames(rate: float) -> Iterator[Rows]:
        with open_hdf5(path) as file:
            table = pandas_table(file[name])
            for first in range(0, table.rows, step):
                index, values = table.read(first, min(table.rows, first + step))
                yield Rows(first, _frames(index, str(path)) / rate, values[:, found.places])

    return pose_recording(str(path), found.columns, frames, options, individuals=found.individuals)

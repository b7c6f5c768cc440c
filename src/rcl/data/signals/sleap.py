"""Pose tracks of SLEAP: its analysis export, an HDF5 file.

The order of the axes is in the attribute ``dims`` of newer files, and found by their lengths in older ones. See Pereira
et al., *SLEAP: A deep learning system for multi-animal pose tracking*, Nature Methods 2022.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from rcl.data.signals.cleaning import Rows
from rcl.data.signals.hdf5 import open_hdf5
from rcl.data.signals.pose import COORDINATES, pose_columns, pose_recording
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import BLOCK_BYTES, RecordingOptions
from rcl.system.errors import InputError

_AXES = ("frame", "track", "node", "xy")
_USUAL = (("track", "xy", "node", "frame"), ("frame", "track", "node", "xy"), ("frame", "node", "xy", "track"))


def is_sleap(file: h5py.File) -> bool:
    """Whether an HDF5 file is an analysis export."""
    return all(isinstance(file.get(name), h5py.Dataset) for name in ("tracks", "node_names"))


def open_sleap(path: Path, options: RecordingOptions) -> OpenRecording:
    """Pose tracks in an analysis export.

    Raises:
        InputError: its arrays do not fit to each other.
    """
    with open_hdf5(path) as file:
        nodes, tracks = _names(file, "node_names"), _names(file, "track_names")
        axes = _axes(file["tracks"], len(tracks), len(nodes), str(path))
        scored = _score_axes(file, axes, str(path)) is not None
    owners = tracks if len(tracks) > 1 else ("",)
    coordinates = COORDINATES if scored else COORDINATES[:2]
    columns = pose_columns(owners, nodes, coordinates)
    step = max(1, BLOCK_BYTES // (4 * len(columns)))

    def frames(rate: float) -> Iterator[Rows]:
        """The rows of the file in blocks, at ``rate`` frames per second; the file is open meanwhile."""
        with open_hdf5(path) as file:
            places, scores = file["tracks"], file["point_scores"] if scored else None
            score_axes = _score_axes(file, axes, str(path)) or ()
            count = places.shape[axes.index("frame")]
            for first in range(0, count, step):
                part = slice(first, min(count, first + step))
                values = _part(places, axes, _AXES, part)  # (n, tracks, nodes, 2)
                if scores is not None:
                    likelihood = _part(scores, score_axes, _AXES[:3], part)[..., None]
                    values = np.concatenate([values, likelihood], axis=-1)
                times = np.arange(part.start, part.stop) / rate
                yield Rows(first, times, values.reshape(len(values), -1).astype(np.float32))

    individuals = tracks if len(tracks) > 1 else ()
    return pose_recording(str(path), columns, frames, options, individuals=individuals)


def _names(file: h5py.File, name: str) -> tuple[str, ...]:
    if not isinstance(file.get(name), h5py.Dataset):
        return ()
    texts = np.atleast_1d(file[name][()]).tolist()
    return tuple(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in texts)


def _axes(tracks: h5py.Dataset, count: int, nodes: int, where: str) -> tuple[str, ...]:
    """The names of the axes, as the file states them, else the first usual order that fits their lengths."""
    with contextlib.suppress(ValueError, TypeError):  # no JSON
        stated = tuple(json.loads(tracks.attrs["dims"])) if "dims" in tracks.attrs else ()
        if sorted(stated) == sorted(_AXES) and tracks.ndim == len(_AXES):
            return stated
    known = {"track": max(1, count), "node": nodes, "xy": 2}
    orders = [*_USUAL, *(order for order in itertools.permutations(_AXES) if order not in _USUAL)]
    for order in orders:
        lengths = dict(zip(order, tracks.shape, strict=True)) if tracks.ndim == 4 else {}
        if lengths and all(lengths[axis] == length for axis, length in known.items()):
            return order
    expected = f"tracks of {max(1, count)} individuals with {nodes} nodes and 2 coordinates"
    found, fix = f"the shape {tuple(tracks.shape)}", "export the analysis file again"
    raise InputError(where, expected=expected, found=found, fix=fix)


def _score_axes(file: h5py.File, axes: tuple[str, ...], where: str) -> tuple[str, ...] | None:
    """The axes of the scores of points: those of their places without the coordinates. None if there are no scores."""
    scores = file.get("point_scores")
    if not isinstance(scores, h5py.Dataset):
        return None
    lengths = dict(zip(axes, file["tracks"].shape, strict=True))
    rest = tuple(axis for axis in axes if axis != "xy")
    if tuple(scores.shape) != tuple(lengths[axis] for axis in rest):
        expected, fix = f"scores of points of the shape {[lengths[axis] for axis in rest]}", "export the file again"
        raise InputError(where, expected=expected, found=f"{[*scores.shape]}", fix=fix)
    return rest


def _part(array: h5py.Dataset, axes: tuple[str, ...], order: tuple[str, ...], frames: slice) -> np.ndarray:
    """Some frames of an array, with its axes in another order."""
    values = array[tuple(frames if axis == "frame" else slice(None) for axis in axes)]
    return values.transpose([axes.index(axis) for axis in order])

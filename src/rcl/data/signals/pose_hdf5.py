"""Pose tracks in HDF5 files: those of DeepLabCut and of SLEAP differ in their content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rcl.data.signals.deeplabcut import is_deeplabcut_hdf5, open_deeplabcut_hdf5
from rcl.data.signals.hdf5 import open_hdf5
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import RecordingOptions
from rcl.data.signals.sleap import is_sleap, open_sleap
from rcl.system.errors import InputError


def is_pose_hdf5(path: Path) -> bool:
    """Whether an HDF5 file holds pose tracks of DeepLabCut or SLEAP.

    Raises:
        InputError: it cannot be opened.
    """
    return _opener(path) is not None


def open_pose_hdf5(path: Path, options: RecordingOptions) -> OpenRecording:
    """Pose tracks in an HDF5 file.

    Raises:
        InputError: the file is damaged, or holds something else.
    """
    opener = _opener(path)
    if opener is None:
        expected, fix = "pose tracks of DeepLabCut, or the analysis export of SLEAP", "give another file"
        raise InputError(path, expected=expected, found="other arrays", fix=fix)
    return opener(path, options)


def _opener(path: Path) -> Callable[[Path, RecordingOptions], OpenRecording] | None:
    with open_hdf5(path) as file:
        return open_sleap if is_sleap(file) else open_deeplabcut_hdf5 if is_deeplabcut_hdf5(file) else None

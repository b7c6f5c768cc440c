"""Pose tracks in HDF5 files: those of DeepLabCut and of SLEAP are told apart by their content."""

from __future__ import annotations

from pathlib import Path

import h5py

from rcl.data.signals.deeplabcut import is_deeplabcut_hdf5, open_deeplabcut_hdf5
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.signal import RecordingOptions
from rcl.data.signals.sleap import is_sleap, open_sleap
from rcl.system.errors import InputError, describe_error, located
from rcl.system.paths import check_is_file
from rcl.system.transfer import local


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
    with located(path):
        return opener(path, options)


def _opener(path: Path):  # type: ignore[no-untyped-def]
    check_is_file(path)
    with local(path) as opened:
        try:
            with h5py.File(opened, "r") as file:
                return open_sleap if is_sleap(file) else open_deeplabcut_hdf5 if is_deeplabcut_hdf5(file) else None
        except OSError as error:
            fix = "get the file again"
            raise InputError(path, expected="a complete HDF5 file", found=describe_error(error), fix=fix) from None

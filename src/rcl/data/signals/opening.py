"""Recordings of signals are opened here: the format of a file is recognized by its content, not by its name alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rcl.data.signals.cleaning import Repairs
from rcl.data.signals.deeplabcut import is_deeplabcut_csv, open_deeplabcut_csv
from rcl.data.signals.files import combined
from rcl.data.signals.json_poses import JSON_FRAMES, is_json_poses, open_json_frames, open_json_poses
from rcl.data.signals.layout import is_table_of_samples
from rcl.data.signals.parquet_table import open_parquet_table
from rcl.data.signals.pose_hdf5 import is_pose_hdf5, open_pose_hdf5
from rcl.data.signals.recording import OpenRecording
from rcl.data.signals.sensors import sensor_recording
from rcl.data.signals.signal import Block, Recording, RecordingOptions
from rcl.data.signals.tables import Table
from rcl.data.signals.text_outline import head_of, open_text_table
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, is_dir, to_path

TEXTS = (".csv", ".tsv", ".txt")
PARQUETS = (".parquet", ".pq")
HDF5S = (".h5", ".hdf5")
EXTENSIONS = (*TEXTS, *PARQUETS, *HDF5S, ".json")
"""Of files that may be recordings."""
_DATES = 9e8  # seconds since 1970: later ones are dates, whose beginning says nothing


def is_recording(path: PathLike, options: RecordingOptions | None = None) -> bool:
    """Whether a file holds signals that change with time: samples of sensors, or poses; only its beginning is read.

    Tables of labels are not recordings, nor are snippet features, which have no times. A folder is one if it holds the
    poses of each frame in a file, as OpenPose writes them; a folder of tables may be one recording or several.

    Args:
        path: a file, or a folder.
        options: with a rate or a time column, all tables of numbers are recordings.
    """
    path, options = to_path(path), options or RecordingOptions()
    if is_dir(path):
        return any(True for _ in path.glob(JSON_FRAMES))
    extension = path.suffix.lower()
    try:
        if extension in HDF5S:
            return is_pose_hdf5(path)
        if extension == ".json":
            return is_json_poses(path)
        if extension in TEXTS and is_deeplabcut_csv(head_of(path)[0]):
            return True
        return extension in EXTENSIONS and is_table_of_samples(_table(path), options)
    except InputError:
        return False


def open_recording(path: PathLike, options: RecordingOptions | None = None) -> Recording:
    """Open a recording: a table of samples (text or Parquet), pose tracks, or a folder.

    Second 0 is the first sample of a table, and frame 0 of pose tracks. The files of a folder are one recording with a
    common clock, whose columns are named ``FILE/COLUMN``, or the poses of one frame each, as OpenPose writes them.

    Args:
        path: the file or folder.
        options: what it does not say about itself.

    Raises:
        InputError: it is damaged, no recording, or does not say enough about itself.
    """
    path, options = to_path(path), options or RecordingOptions()
    if is_dir(path):
        return _open_folder(path, options)
    opened = _open_file(path, options)
    return opened if opened.kind == "pose" else _from_zero(opened)


def _open_folder(path: Path, options: RecordingOptions) -> OpenRecording:
    if any(True for _ in path.glob(JSON_FRAMES)):
        return open_json_frames(path, options)
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in (*TEXTS, *PARQUETS)]
    whole = options.model_copy(update={"columns": None})  # they name columns of the recording, not of a file
    opened = [(file, _open_file(file, whole)) for file in files]
    if wrong := [file for file, each in opened if each.kind == "pose"]:
        found, fix = f"pose tracks in {wrong[0].name}", "give each of these files as a recording of its own"
        raise InputError(path, expected="tables of samples in the folder of a recording", found=found, fix=fix)
    if not opened:
        expected, fix = f"files that end in {', '.join((*TEXTS, *PARQUETS))}", "give the folder of one recording"
        raise InputError(path, expected=expected, found="none", fix=fix)
    return _from_zero(combined(str(path), opened).selected(options.columns))


def _open_file(path: Path, options: RecordingOptions) -> OpenRecording:
    extension = path.suffix.lower()
    if extension in HDF5S:
        return open_pose_hdf5(path, options)
    if extension == ".json":
        return open_json_poses(path, options)
    if extension in TEXTS and is_deeplabcut_csv(head_of(path)[0]):
        return open_deeplabcut_csv(path, options)
    if extension not in EXTENSIONS:
        fix = "convert it to one of these"
        found = f"the extension {extension!r}"
        raise InputError(path, expected=f"a file that ends in {', '.join(EXTENSIONS)}", found=found, fix=fix)
    return sensor_recording(_table(path), options)


def _table(path: Path) -> Table:
    if path.suffix.lower() not in PARQUETS:
        return open_text_table(path)
    return open_parquet_table(path)


def _from_zero(recording: OpenRecording) -> OpenRecording:
    """A recording whose first sample is at second 0. If its clock starts elsewhere, a repair says where."""

    def read(repairs: Repairs) -> Iterator[Block]:
        blocks = recording.read(repairs)
        first = next(blocks)
        start = first.times_seconds[0]
        if 1 < abs(start) < _DATES:
            repairs.others.append(f"second 0 is the first sample, whose time in the file is {start:,.6g} s")
        for times, values in itertools.chain([first], blocks):
            yield Block(times - start, values)

    return replace(recording, read=read)

"""Annotation files: recognized, opened once, parsed, written."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rcl.data.annotations import Annotations
from rcl.data.annotations import clip as clip_annotations
from rcl.data.formats.activitynet import entry_of, read_database
from rcl.data.formats.bmn import is_bmn, read_bmn
from rcl.data.formats.table import read_table
from rcl.data.formats.thumos14 import is_thumos14, read_thumos14
from rcl.system.errors import InputError
from rcl.system.paths import PathLike, to_path
from rcl.system.text_files import extension_of, read_json, uncollected, write_json


def load_annotations(path: PathLike, *, clip: bool = True) -> Annotations:
    """Read ground truth from ActivityNet JSON or from a CSV table, by extension, or from what public code uses.

    JSON: ``{"database": {video: {"subset", "duration", "fps", "annotations": [{"segment": [start, end], "label"}]}}}``,
    in seconds and snippets per second. ``duration`` and ``fps`` may be missing, ``annotations`` in testing videos.

    CSV: a header ``video,start,end,label`` and, if wanted, ``subset``, ``duration`` and ``fps``, which may not differ
    between the rows of a video. A row without start, end and label adds its video without an instance. In a table
    without a subset column every video is a training video: whoever labels videos with nothing else wants to train.

    The JSON of BSN and BMN and the CSV of public THUMOS14 code are known by what is in them; see
    ``rcl.data.formats.thumos14``.

    Args:
        path: a ``.json`` or ``.csv`` file.
        clip: shorten segments that reach outside their video and drop those wholly outside, with one warning. Official
            evaluation is defined on the segments as they are, so evaluators pass ``False``.

    Raises:
        InputError: the file is missing, damaged or of another kind, or a value is wrong. An end
            equal to its start is legal.
    """
    (annotations,) = _load(to_path(path), "features" if clip else "video")
    return clip_annotations(annotations) if clip else annotations


def load_both(path: PathLike) -> tuple[Annotations, Annotations]:
    """The annotations as training wants them, clipped, and as evaluation does, as they are written.

    Both are as :func:`load_annotations` has them, of one reading of the file.

    Raises:
        InputError: see :func:`load_annotations`.
    """
    clipped, written = _load(to_path(path), "features", "video")
    return clip_annotations(clipped), written


def _load(path: Path, *extents: Literal["features", "video"]) -> list[Annotations]:
    """The annotations, not clipped, with the duration of each extent where the file has two."""
    with uncollected():
        if extension_of(path, (".json", ".csv")) == ".csv":
            videos = read_thumos14(path).videos if is_thumos14(path) else read_table(path)
        else:
            data = read_json(path)
            if is_bmn(data):  # features end before the video; evaluation takes the video as it is
                return [read_bmn(path, extent=extent) for extent in extents]
            videos = read_database(path, data)
    if not videos:
        raise InputError(path, expected="annotated videos", found="none", fix="give a file with some")
    return [Annotations(videos, source=str(path))] * len(extents)


def save_annotations(annotations: Annotations, path: PathLike) -> None:
    """Write ActivityNet JSON at full precision, whole or not at all.

    Raises:
        InputError: the path does not end in ``.json`` or cannot be written.
    """
    extension_of(to_path(path), (".json",))
    database = {name: entry_of(video) for name, video in annotations.videos.items()}
    write_json(path, {"version": "RCL", "taxonomy": [], "database": database}, indent=1)

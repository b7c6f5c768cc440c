"""The annotation files of BSN, BMN and G-TAD for ActivityNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation, to_subset
from rcl.data.formats.values import to_label, to_number, to_pair
from rcl.system.errors import Defect, InputError, listed, raise_first, shown
from rcl.system.paths import PathLike, is_file, to_path
from rcl.system.text_files import read_csv, read_json

SNIPPET_FRAMES = 16  # of the public ActivityNet features
INFO_NAME = "video_info_new.csv"
Extent = Literal["features", "whole_snippets", "video"]


class VideoInfo(NamedTuple):
    """A row of ``video_info_new.csv``; ``feature_frames`` is the number of snippets times 16."""

    subset: str
    duration_seconds: float
    frames: int
    feature_frames: int


def read_video_info(path: PathLike) -> dict[str, VideoInfo]:
    """Read ``video,numFrame,seconds,fps,rfps,subset,featureFrame``.

    Raises:
        InputError: the file is missing, damaged or of another kind, a value is wrong, or a video is listed twice.
    """
    path = to_path(path)
    videos, problems = dict[str, VideoInfo](), list[InputError]()
    for line, row in read_csv(path, ("video", "numframe", "seconds", "subset", "featureframe"), ("fps", "rfps")):
        name = row["video"].strip()
        try:
            if not name or name in videos:
                found = "it twice" if name else "none"
                raise Defect(expected="the name of a video, each once", found=found, fix="correct the name")
            videos[name] = VideoInfo(
                to_subset(row["subset"]),
                _to_seconds(row["seconds"], "seconds"),
                _to_count(row["numframe"], "numFrame"),
                _to_count(row["featureframe"], "featureFrame"),
            )
        except Defect as defect:
            problems.append(defect.at(f"{path}, line {line}, video {name!r}"))
    raise_first(problems)
    return videos


def is_bmn(data: Mapping[str, Any]) -> bool:
    """Whether the content of a JSON file is what :func:`read_bmn` reads, by its first video."""
    first = next(iter(data.values()), None)
    return isinstance(first, dict) and "duration_second" in first and "annotations" in first


def effective_seconds(duration_seconds: float, frames: int, feature_frames: int, extent: Extent) -> float:
    """How much of a video a rescaled feature sequence covers.

    Args:
        duration_seconds: of the video.
        frames: of the video.
        feature_frames: 16 times the number of snippets before rescaling; a little more than ``frames`` or less.
        extent: ``features``: ``duration · feature_frames / frames``, by which BSN and BMN divide the ground truth in
            training. ``whole_snippets``: ``duration · (frames // 16 · 16) / frames``, by which they multiply proposals
            in post-processing; the two differ where features are missing. ``video``: the duration itself.
    """
    whole = max(frames // SNIPPET_FRAMES, 1) * SNIPPET_FRAMES
    covered = {"features": feature_frames, "whole_snippets": whole, "video": frames}
    return duration_seconds * covered[extent] / frames


def read_bmn(
    path: PathLike, *, info: PathLike | None = None, subset: str | None = None, extent: Extent = "features"
) -> Annotations:
    """Read ``{video: {"duration_second", "duration_frame", "feature_frame", "annotations": [{"segment", "label"}]}}``.

    This is ``anet_anno_action.json`` of BSN, BMN and G-TAD. The durations are those that the features cover (see
    :func:`effective_seconds`), so that ``data.resize: 100`` puts the ground truth where BMN has it in training.
    ``snippets_per_second`` is None: it follows from the features, rescaled or not. Segments are as in the file.

    Args:
        path: the JSON file.
        info: ``video_info_new.csv``, which knows the subsets; the file of that name beside ``path`` if it is not given.
            It may list more videos. Not needed where every entry has a ``"subset"``.
        subset: of all videos, where the file is of one subset (as MMAction2's ``anet_anno_train.json``).
        extent: which duration.

    Raises:
        InputError: a file is missing, damaged or of another kind, a value is wrong, or the subset of a video is
            nowhere to be found.
    """
    path = to_path(path)
    data = read_json(path)
    if not is_bmn(data):
        expected = 'annotations {video: {"duration_second", "duration_frame", "feature_frame", "annotations"}}'
        found = f"the keys {listed([*data]) or '(none)'}"
        raise InputError(path, expected=expected, found=found, fix="give the annotation file of BSN or BMN")
    beside = path.with_name(INFO_NAME)
    known = read_video_info(info) if info else read_video_info(beside) if is_file(beside) and not subset else {}
    videos, problems = dict[str, VideoAnnotation](), list[InputError]()
    for name, entry in data.items():
        try:
            videos[name] = _bmn_video(name, entry, subset or (known[name].subset if name in known else None), extent)
        except Defect as defect:
            problems.append(defect.at(f"{path}, video {name!r}"))
    raise_first(problems)
    return Annotations(videos, source=str(path))


def _bmn_video(name: str, entry: Any, subset: str | None, extent: Extent) -> VideoAnnotation:
    if not isinstance(entry, dict) or not isinstance(entry.get("annotations"), list):
        fix = "correct the entry, [] for a video without annotations"
        raise Defect(expected='a video {"duration_second", …, "annotations": []}', found=shown(entry), fix=fix)
    stated = subset or entry.get("subset")
    if stated is None:
        fix = f"put {INFO_NAME} beside the file, or give it"
        raise Defect(expected=f"its subset in {INFO_NAME}", found="none", fix=fix)
    seconds = effective_seconds(
        _to_seconds(entry.get("duration_second"), "duration_second"),
        _to_count(entry.get("duration_frame"), "duration_frame"),
        _to_count(entry.get("feature_frame"), "feature_frame"),
        extent,
    )
    segments, labels = list[tuple[float, float]](), list[str]()
    for item in entry["annotations"]:
        if not isinstance(item, dict):
            raise Defect(expected='{"segment", "label"}', found=shown(item), fix="correct the instance")
        segments.append(to_pair(item.get("segment")))
        labels.append(to_label(item.get("label")))
    array = np.array(segments, dtype=np.float64).reshape(-1, 2)  # (N, 2)
    return VideoAnnotation(name, to_subset(stated), seconds, None, array, tuple(labels))


def _to_seconds(value: object, what: str) -> float:
    seconds = to_number(value, what)
    if seconds <= 0:
        raise Defect(expected=f"a positive {what}", found=shown(value), fix=f"correct the {what}")
    return seconds


def _to_count(value: object, what: str) -> int:
    count = to_number(value, what)
    if count < 1 or count % 1:
        raise Defect(expected=f"a whole number of frames as {what}", found=shown(value), fix=f"correct the {what}")
    return int(count)

"""Ground truth as public code for THUMOS14 and ActivityNet keeps it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation, to_subset
from rcl.system.errors import InputError
from rcl.system.paths import is_file
from rcl.system.text_files import (
    Defect,
    PathLike,
    listed,
    raise_first,
    read_csv,
    read_json,
    read_text,
    shown,
    to_label,
    to_number,
    to_pair,
    to_path,
    to_segment,
)

AMBIGUOUS = "Ambiguous"
# Test videos that published evaluations leave out: two are annotated wrongly, 1292 has only ambiguous instances.
THUMOS14_LEFT_OUT = ("video_test_0000270", "video_test_0001292", "video_test_0001496")
SNIPPET_FRAMES = 16  # of the public ActivityNet features
INFO_NAME = "video_info_new.csv"

Extent = Literal["features", "whole_snippets", "video"]


# -- THUMOS14 ----------------------------------------------------------------------------------------------------


def is_thumos14(path: PathLike) -> bool:
    """Whether a table is one of those that :func:`read_thumos14` reads, by its header."""
    header = {name.strip().lower() for name in read_text(to_path(path)).partition("\n")[0].split(",")}
    return {"video", "type", "start", "end"} <= header and "label" not in header


def read_thumos14(
    *paths: PathLike, stride_frames: int | None = None, ambiguous: bool = False, leave_out: Collection[str] = ()
) -> Annotations:
    """Read tables ``video,type,type_idx,start,end,startFrame,endFrame``, one row per instance.

    These are ``val_Annotation.csv`` and ``test_Annotation.csv`` of public THUMOS14 code. The community trains on the
    validation videos and evaluates on the test videos: ``video_validation_…`` are training here, ``video_test_…``
    validation. Times are in seconds. The tables know no durations, and a CliffDiving is also a Diving.

    Args:
        paths: one table or several, each with videos of its own.
        stride_frames: frames from one snippet to the next (5 in G-TAD's TSN features). The frame rate of a video, which
            is not 30 everywhere, is that which fits its start and end frames; without, ``snippets_per_second`` is None.
        ambiguous: keep the instances that no annotator could tell, with the label ``Ambiguous``. G-TAD trains its
            class-agnostic proposals on them, evaluations delete them. A video without others stays, without instances.
        leave_out: videos to skip, such as ``THUMOS14_LEFT_OUT``.

    Raises:
        InputError: a file is missing, damaged or of another kind, a value is wrong, or two files have the same video.
    """
    drafts, problems = dict[str, _Draft](), list[InputError]()
    required = ("video", "type", "start", "end", *(("startframe", "endframe") if stride_frames else ()))
    for path in map(to_path, paths):
        earlier = set(drafts)
        for line, fields in read_csv(path, required, ("type_idx", "startframe", "endframe")):
            row = {key: value.strip() for key, value in fields.items()}
            if row["video"] in leave_out:
                continue
            try:
                if row["video"] in earlier:
                    raise Defect(expected="each video in one file", found="it in two", fix="give each file once")
                _add_row(drafts, row, keep=ambiguous or row["type"] != AMBIGUOUS, frames=bool(stride_frames))
            except Defect as defect:
                problems.append(defect.at(f"{path}, line {line}, video {row['video']!r}"))
    raise_first(problems)
    source = ", ".join(map(str, paths))
    if not drafts:
        raise InputError(
            source or "annotations", expected="annotated videos", found="none", fix="give a file with some"
        )
    return Annotations({name: draft.finish(name, stride_frames) for name, draft in drafts.items()}, source=source)


@dataclass
class _Draft:
    """A video of THUMOS14 while its file is being read."""

    subset: str
    segments: list[tuple[float, float]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)

    def finish(self, name: str, stride_frames: int | None) -> VideoAnnotation:
        segments = np.array(self.segments, dtype=np.float64).reshape(-1, 2)  # (N, 2)
        rate = self.frame_rate(name) / stride_frames if stride_frames else None
        return VideoAnnotation(name, self.subset, None, rate, segments, tuple(self.labels))

    def frame_rate(self, name: str) -> float:
        """The frames per second that best fit the times and their frames (least squares)."""
        seconds, frames = np.array(self.times), np.array(self.frames)  # (2N,) both
        rate = float(seconds @ frames) / max(float(seconds @ seconds), np.finfo(float).tiny)
        if not 1 <= rate <= 1000:
            fix = "correct the columns start, end, startFrame and endFrame"
            found = f"{rate:.3g} by its instances"
            raise InputError(f"video {name!r}", expected="a number of frames per second", found=found, fix=fix)
        return rate


def _add_row(drafts: dict[str, _Draft], row: Mapping[str, str], *, keep: bool, frames: bool) -> None:
    name = row["video"]
    if not name:
        raise Defect(expected="the name of a video", found="none", fix="add it")
    draft = drafts.setdefault(name, _Draft(_thumos14_subset(name)))
    segment, label = to_segment(row["start"], row["end"]), to_label(row["type"])
    if frames:
        places = to_segment(row["startframe"], row["endframe"])
        draft.times.extend(segment)
        draft.frames.extend(places)
    if keep:
        draft.segments.append(segment)
        draft.labels.append(label)


def _thumos14_subset(name: str) -> str:
    if name.startswith("video_validation_"):
        return "training"
    if name.startswith("video_test_"):
        return "validation"
    expected = "a video of THUMOS14 (video_validation_…, video_test_…)"
    raise Defect(expected=expected, found=shown(name), fix="write own videos as video,start,end,label,subset")


# -- ActivityNet -------------------------------------------------------------------------------------------------


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

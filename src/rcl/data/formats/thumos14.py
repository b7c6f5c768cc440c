"""Ground truth of THUMOS14 as public code keeps it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from rcl.data.annotations import Annotations, VideoAnnotation
from rcl.data.formats.values import to_label, to_segment
from rcl.system.errors import Defect, InputError, raise_first, shown
from rcl.system.paths import PathLike, to_path
from rcl.system.text_files import read_csv, read_text

AMBIGUOUS = "Ambiguous"
# Test videos that published evaluations leave out: two are annotated wrongly, 1292 has only ambiguous instances.
THUMOS14_LEFT_OUT = ("video_test_0000270", "video_test_0001292", "video_test_0001496")


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
